"""Differential dynamic programming: what feedback does in exact sweeps, and what is left of it layer by layer."""
