"""Invertible residual nets: laws in the plane, densities and their bias, inverses, a classifier."""
