"""Backward stochastic differential equations: problems, exact values, and their solution by learned feedback."""
