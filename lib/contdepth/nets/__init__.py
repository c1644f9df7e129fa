"""Classifiers assembled from numerical schemes: ResNet, LM-ResNet and their relatives for CIFAR-like images."""

from contdepth.nets.counts import parameter_count, reported_parameter_count, unused_parameter_count
from contdepth.nets.fractalnet import FractalNet
from contdepth.nets.lm import KEntry, LMNet, learned_k, lm_resnet, lm_resnext, matched_pair
from contdepth.nets.polynet import PolyNet, polynet
from contdepth.nets.resnet import ResidualNet, resnet, resnext
from contdepth.nets.revnet import ReversibleBlock, RevNet

__all__ = [
    "FractalNet",
    "KEntry",
    "LMNet",
    "PolyNet",
    "ResidualNet",
    "RevNet",
    "ReversibleBlock",
    "learned_k",
    "lm_resnet",
    "lm_resnext",
    "matched_pair",
    "parameter_count",
    "polynet",
    "reported_parameter_count",
    "resnet",
    "resnext",
    "unused_parameter_count",
]
