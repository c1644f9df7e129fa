"""What the book says: ledgers, run plans, pages and their cells, prose."""
