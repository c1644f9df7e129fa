from .classical import bm3d, noise_level
from .degrade import blind, gaussian, jpeg, luma, to_tensor
from .metrics import psnr
from .models.dncnn import DnCNNShape, make_dncnn
from .models.published import published_dncnn
from .models.reaction import ReactionShape, make_reaction, perona_malik
from .models.stored import load_model, stored_models
from .models.trainings import load_opponent, load_training
from .models.unit import UnitShape, make_unit, trajectory
from .photos import centre_crop, photo, test_crops
from .restorer import DURR, POLICY_OF
from .stopping.bank import BankPlan, make_bank
from .stopping.dqn import DQNPlan
from .stopping.maps import compose
from .stopping.policy import continuation_values, make_policy
from .stopping.rollouts import roll_out
from .stopping.rules import (
    NOISE_LINE,
    Line,
    best_fixed,
    by_noise_level,
    first_stop,
    fit_line,
    mean_steps,
    oracle,
    regret,
)
from .stopping.stored_policy import load_policy
from .training.schedule import LoopSchedule
from .training.stagewise import fit_stages
from .training.train import train

__all__ = [
    "DURR",
    "NOISE_LINE",
    "POLICY_OF",
    "BankPlan",
    "DQNPlan",
    "DnCNNShape",
    "Line",
    "LoopSchedule",
    "ReactionShape",
    "UnitShape",
    "best_fixed",
    "blind",
    "bm3d",
    "by_noise_level",
    "centre_crop",
    "compose",
    "continuation_values",
    "first_stop",
    "fit_line",
    "fit_stages",
    "gaussian",
    "jpeg",
    "load_model",
    "load_opponent",
    "load_policy",
    "load_training",
    "luma",
    "make_bank",
    "make_dncnn",
    "make_policy",
    "make_reaction",
    "make_unit",
    "mean_steps",
    "noise_level",
    "oracle",
    "perona_malik",
    "photo",
    "psnr",
    "published_dncnn",
    "regret",
    "roll_out",
    "stored_models",
    "test_crops",
    "to_tensor",
    "train",
    "trajectory",
]
