"""Nets with discrete weights on images: co-states by hand, rules that train them, and their contest."""
