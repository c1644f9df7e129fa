"""Flows with what they cost and what they do to densities, as further states of their equation."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
