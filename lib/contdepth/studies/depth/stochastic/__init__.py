"""Experiments with stochastic equations: gradients along a path, the way back, a peer."""
