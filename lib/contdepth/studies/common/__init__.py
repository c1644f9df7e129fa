"""What pages of several chapters use: figures in one style, matched comparisons."""
