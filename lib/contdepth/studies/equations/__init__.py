"""What the pages on equations from data use."""
