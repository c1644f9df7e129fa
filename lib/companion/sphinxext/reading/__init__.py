"""The reading path, symbols and words, and where each is used."""
