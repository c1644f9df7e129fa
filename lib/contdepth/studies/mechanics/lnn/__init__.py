"""What the page on Lagrangian neural networks uses."""
