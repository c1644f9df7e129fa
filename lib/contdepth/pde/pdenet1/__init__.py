"""PDE-Net: filters with constrained moments and coefficients in the plane, trained block by block."""
