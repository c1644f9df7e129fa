"""Latent differential equations on waves whose best guess is known, and on days of a country's power."""
