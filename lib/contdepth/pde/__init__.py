"""Discovering partial differential equations: moment-constrained filters, PDE-Net, PDE-Net 2.0 and their peers."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
