"""What travels in a bundle: it runs pieces on a machine with Python, PyTorch, NumPy, SciPy and Pillow alone."""
