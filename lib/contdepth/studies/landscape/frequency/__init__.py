"""In which order frequencies are learned: nets, Jacobi's method, and both in turn."""
