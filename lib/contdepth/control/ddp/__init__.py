"""Differential dynamic programming: exact sweeps through a controlled system, and the layer-wise optimiser."""
