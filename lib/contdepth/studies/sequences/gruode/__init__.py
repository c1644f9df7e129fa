"""GRU-ODE-Bayes on walks whose exact filter is known, on spoken vowels, and what its steps cost."""
