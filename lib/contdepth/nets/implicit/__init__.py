"""Implicit Euler steps as layers: dissipative fields, the step and its gradient, the cheap form, amplification."""
