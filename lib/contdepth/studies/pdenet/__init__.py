"""Experiments of the chapter PDE-Net."""
