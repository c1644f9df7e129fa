"""What the pages on depth that adapts use."""
