"""Residual nets whose blocks are skipped picture by picture: gates, the net, the cost of paths, learning."""
