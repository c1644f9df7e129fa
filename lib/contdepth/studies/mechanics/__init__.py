"""What the pages on learned mechanics use."""
