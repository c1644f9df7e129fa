"""Pieces: what runs at the paper's scale are cut into, functions that any machine computes, kept by digest."""
