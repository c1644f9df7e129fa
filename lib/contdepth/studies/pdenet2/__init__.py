"""Experiments of the chapter PDE-Net 2.0."""
