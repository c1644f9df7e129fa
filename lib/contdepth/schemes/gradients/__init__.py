"""Gradients of solutions without the graph of every step: adjoint, reversal, checkpoints, Euler's gradient."""
