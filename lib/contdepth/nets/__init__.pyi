from .counts import parameter_count, reported_parameter_count, unused_parameter_count
from .fractalnet import FractalNet
from .lm import KEntry, LMNet, learned_k, lm_resnet, lm_resnext, matched_pair
from .poly import PolyNet, polynet
from .preact_resnet18 import PreActResNet18
from .residual import ResidualNet, resnet, resnext
from .revnet import ReversibleBlock, RevNet
from .small_cnn import SmallCNN
from .stepped import SteppedNet, prolong, stepped_resnet
from .wide_resnet import WideResNet
from .widening import null_neuron, split_neuron

__all__ = [
    "FractalNet",
    "KEntry",
    "LMNet",
    "PolyNet",
    "PreActResNet18",
    "ResidualNet",
    "RevNet",
    "ReversibleBlock",
    "SmallCNN",
    "SteppedNet",
    "WideResNet",
    "learned_k",
    "lm_resnet",
    "lm_resnext",
    "matched_pair",
    "null_neuron",
    "parameter_count",
    "polynet",
    "prolong",
    "reported_parameter_count",
    "resnet",
    "resnext",
    "split_neuron",
    "stepped_resnet",
    "unused_parameter_count",
]
