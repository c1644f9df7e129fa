"""What a user would try beside PDE-Net: sparse regression, a plain network, the known equation itself."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
