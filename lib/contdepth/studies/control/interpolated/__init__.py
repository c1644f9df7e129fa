"""Interpolated residual nets on digits: their contest under noise and attacks, and an attack beyond its ball."""
