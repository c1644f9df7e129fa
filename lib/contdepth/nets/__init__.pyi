from .counts import parameter_count, reported_parameter_count, unused_parameter_count
from .fractalnet import FractalNet
from .lm import KEntry, LMNet, learned_k, lm_resnet, lm_resnext, matched_pair
from .poly import PolyNet, polynet
from .preact_resnet18 import PreActResNet18
from .residual import ResidualNet, resnet, resnext
from .revnet import ReversibleBlock, RevNet
from .small_cnn import SmallCNN
from .small_step import SmallStepNet
from .stepped import SteppedNet, prolong, stepped_resnet
from .wide_resnet import WideResNet

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
    "SmallStepNet",
    "SteppedNet",
    "WideResNet",
    "learned_k",
    "lm_resnet",
    "lm_resnext",
    "matched_pair",
    "parameter_count",
    "polynet",
    "prolong",
    "reported_parameter_count",
    "resnet",
    "resnext",
    "stepped_resnet",
    "unused_parameter_count",
]
