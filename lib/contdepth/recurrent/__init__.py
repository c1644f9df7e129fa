"""Recurrent networks as differential equations in time, and the one form in which they are given series."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
