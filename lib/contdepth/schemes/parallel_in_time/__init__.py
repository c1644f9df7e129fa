"""Layers solved all at once: parareal and multigrid reduction in time, for states and adjoints."""
