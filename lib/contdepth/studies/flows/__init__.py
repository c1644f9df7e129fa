"""What the pages on flows of densities use."""
