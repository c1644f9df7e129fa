"""Claims on pages: tables, the explorer, roles for their numbers, open data."""
