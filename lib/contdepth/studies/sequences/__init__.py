"""What the pages on sequences use."""
