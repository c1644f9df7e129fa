"""Numerical schemes as objects: steps, integration, measured orders, stability, modified equations."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
