"""A cell that comes to rest at every row: its gradient, how fast it gets there, and what it remembers there."""
