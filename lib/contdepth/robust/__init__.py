"""Adversarial training as a differential game: threats, attacks, YOPO, its rivals, and audits."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
