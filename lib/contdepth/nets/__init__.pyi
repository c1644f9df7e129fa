from .counts import parameter_count, reported_parameter_count, unused_parameter_count
from .damped import DAMPED_MODELS, DampedNet, damped_resnet
from .fractalnet import FractalNet
from .gated.cost import PathCost, path_cost
from .gated.gates import random_gates
from .gated.learning import hybrid_loss, skip_rewards
from .gated.net import GatedNet, Routed, gated_resnet
from .implicit.dissipative import Dissipative
from .implicit.relaxed import relaxed_euler
from .implicit.step import ImplicitStep, implicit_euler
from .lm import KEntry, LMNet, learned_k, lm_resnet, lm_resnext, matched_pair
from .poly import PolyNet, polynet
from .preact_resnet18 import PreActResNet18
from .residual import ResidualNet, resnet, resnext
from .revnet import ReversibleBlock, RevNet
from .small_cnn import SmallCNN
from .small_step import SmallStepNet
from .stepped import SteppedNet, prolong, stepped_resnet
from .wide_resnet import WideResNet
from .widening import null_neuron, split_neuron

__all__ = [
    "DAMPED_MODELS",
    "DampedNet",
    "Dissipative",
    "FractalNet",
    "GatedNet",
    "ImplicitStep",
    "KEntry",
    "LMNet",
    "PathCost",
    "PolyNet",
    "PreActResNet18",
    "ResidualNet",
    "RevNet",
    "ReversibleBlock",
    "Routed",
    "SmallCNN",
    "SmallStepNet",
    "SteppedNet",
    "WideResNet",
    "damped_resnet",
    "gated_resnet",
    "hybrid_loss",
    "implicit_euler",
    "learned_k",
    "lm_resnet",
    "lm_resnext",
    "matched_pair",
    "null_neuron",
    "parameter_count",
    "path_cost",
    "polynet",
    "prolong",
    "random_gates",
    "relaxed_euler",
    "reported_parameter_count",
    "resnet",
    "resnext",
    "skip_rewards",
    "split_neuron",
    "stepped_resnet",
    "unused_parameter_count",
]
