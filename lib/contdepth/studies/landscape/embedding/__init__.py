"""Critical points of narrow nets in wide ones."""
