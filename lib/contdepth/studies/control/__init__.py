"""Experiments of the theme Control and stability."""
