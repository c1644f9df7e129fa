"""Classifiers assembled from numerical schemes: ResNet, LM-ResNet and their relatives for CIFAR-like images."""

from contdepth.faces import face

__getattr__, __dir__, __all__ = face(__name__, __file__)
