"""What only the pages of ``book/related/depth`` use."""
