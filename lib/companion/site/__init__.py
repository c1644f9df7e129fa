"""The built book: printed by a browser, and its HTML checked."""
