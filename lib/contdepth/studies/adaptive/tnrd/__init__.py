"""Trained reaction diffusion: contests with Perona–Malik and total variation, influence functions, BSD68."""
