"""Learned Hamiltonians and Lagrangians, the systems they are tried on, and training through an integrator."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
