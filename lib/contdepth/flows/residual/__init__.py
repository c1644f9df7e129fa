"""Residual blocks that can be inverted: bounded layers, inverses by iteration, logarithms of determinants."""
