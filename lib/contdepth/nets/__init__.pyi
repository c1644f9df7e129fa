from .counts import parameter_count, reported_parameter_count, unused_parameter_count
from .fractalnet import FractalNet
from .lm import KEntry, LMNet, learned_k, lm_resnet, lm_resnext, matched_pair
from .poly import PolyNet, polynet
from .preact_resnet18 import PreActResNet18
from .residual import ResidualNet, resnet, resnext
from .revnet import ReversibleBlock, RevNet
from .small_cnn import SmallCNN
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
    "WideResNet",
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
