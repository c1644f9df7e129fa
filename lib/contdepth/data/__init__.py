"""Data: a registry with checksums, readers that never unpickle, and sets embedded in scikit-learn."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
