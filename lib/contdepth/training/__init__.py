"""Training: one loop with recipes, seeds, checkpoints that resume to the same bits, and matched comparisons."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
