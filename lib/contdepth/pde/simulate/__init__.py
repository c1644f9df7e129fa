"""Reference solutions of the partial differential equations of the PDE-Net chapters, and data made from them."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
