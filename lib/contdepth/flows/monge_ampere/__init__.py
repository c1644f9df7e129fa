"""Flows along the gradient of a potential, and the Ising model as a field that they can be compared with."""
