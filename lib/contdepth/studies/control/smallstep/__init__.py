"""Nets with a small step on the digits: what trains at which rate, noise, remedies, gradients, amplification."""
