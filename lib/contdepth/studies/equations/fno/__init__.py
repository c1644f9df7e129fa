"""Fourier neural operators: Burgers' functions on several grids, arms of one size, an equation beside the map."""
