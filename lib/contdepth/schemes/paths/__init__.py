"""Stochastic equations along a given path of Brownian motion: the path from a seed, steps, and their gradients."""
