"""Doors of restoration."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from fuzz.doors_light import doubles, singles
from fuzz.engine import Table
from torch import Tensor

from contdepth import restoration
from contdepth.restoration.stopping.maps import StoppingMap
from contdepth.restoration.stopping.rollouts import Rollouts
from contdepth.restoration.training.plan import TrainingPlan
from contdepth.seeds import generator


def source() -> torch.Generator:
    return generator(0, "fuzz")


def grey(count: int = 2, side: int = 16) -> Tensor:
    return singles(count, 1, side, side)


def pixels(*shape: int) -> np.ndarray:
    return (255 * singles(*shape).numpy()).astype(np.uint8)


@cache
def unit() -> torch.nn.Module:
    return restoration.make_unit(restoration.UnitShape(width=2), 0).eval()


def reaction() -> torch.nn.Module:
    return restoration.make_reaction(restoration.ReactionShape(1, 3, 2))


@cache
def policy() -> torch.nn.Module:
    return restoration.make_policy(3, 0, width=1).eval()


@cache
def durr() -> restoration.DURR:
    return restoration.DURR(unit(), policy())


def bank() -> Rollouts:
    states = singles(3, 3, 8, 8)
    return Rollouts(states, states[:, 0].clone(), doubles(3, 3), torch.tensor([25.0, 25.0, 50.0]))


def plan() -> TrainingPlan:
    return TrainingPlan(
        restoration.UnitShape(width=2),
        schedule=restoration.LoopSchedule((1, 2)),
        levels=(25, 55),
        iterations=1,
        batch=2,
        patch=16,
        precision="fp32",
        data="photos",
    )


TABLE: Table = {
    "restoration.BankPlan": lambda: {
        "degradation": "gaussian",
        "low": 25.0,
        "high": 55.0,
        "episodes": 2,
        "steps": 2,
        "patch": 16,
        "data": "photos",
        "seed": 0,
    },
    "restoration.DQNPlan": lambda: {
        "updates": 2,
        "batch": 4,
        "learning_rate": 1e-3,
        "learning_rate_end": 1e-4,
        "discount": 1.0,
        "scale": 1.0,
        "target_every": 1,
        "double": True,
        "capacity": 10,
        "warm_up": 5,
        "actions": 2,
        "epsilon_start": 1.0,
        "epsilon_end": 0.1,
        "epsilon_updates": 2,
        "random_continue": 0.5,
        "precision": "fp32",
        "seed": 0,
    },
    "restoration.DQNPlan.epsilon": lambda: {"self": restoration.DQNPlan(), "update": 3},
    "restoration.DURR": lambda: {"unit": unit(), "policy": policy(), "horizon": 2, "luma": True},
    "restoration.DURR.load": lambda: {"self": durr(), "name": "gaussian", "folder": "", "device": "cpu"},
    "restoration.DURR.restore": lambda: {
        "self": durr(),
        "image": pixels(16, 16),
        "reference": pixels(16, 16),
        "steps": 1,
    },
    "restoration.DnCNNShape": lambda: {"depth": 3, "width": 2},
    "restoration.Line": lambda: {"slope": 0.1, "intercept": 1.0},
    "restoration.LoopSchedule": lambda: {"loops": (1, 2), "random_up_to": 3},
    "restoration.LoopSchedule.draw": lambda: {
        "self": restoration.LoopSchedule((1, 2)),
        "level_index": torch.tensor([0, 1]),
        "source": source(),
    },
    "restoration.UnitShape": lambda: {
        "layout": "unet",
        "width": 2,
        "bias": False,
        "activation": "prelu",
        "start": "kaiming",
    },
    "restoration.best_fixed": lambda: {"losses": doubles(3, 4)},
    "restoration.blind": lambda: {"clean": grey(), "low": 5.0, "high": 50.0, "generator": source()},
    "restoration.by_noise_level": lambda: {
        "levels": 25 * singles(3),
        "steps": 4,
        "line": restoration.NOISE_LINE,
    },
    "restoration.centre_crop": lambda: {"pixels": pixels(16, 12), "size": 8},
    "restoration.compose": lambda: {
        "states": singles(3, 1, 8, 8),
        "where": StoppingMap(torch.ones(1, 1, dtype=torch.int64), (0,), (0,), (8, 8), (8, 8)),
    },
    "restoration.continuation_values": lambda: {
        "policy": policy(),
        "rollouts": bank(),
        "precision": "fp32",
        "batch": 2,
    },
    "restoration.ReactionShape": lambda: {"stages": 2, "size": 3, "filters": 4, "shared": False, "refine": 2},
    "restoration.first_stop": lambda: {"values": doubles(3, 4)},
    "restoration.fit_line": lambda: {"levels": 25 * singles(3), "stops": torch.tensor([1, 2, 3])},
    "restoration.fit_stages": lambda: {
        "model": reaction(),
        "f": grey(2, 8),
        "clean": grey(2, 8),
        "way": "joint",
        "iterations": 1,
    },
    "restoration.gaussian": lambda: {"clean": grey(), "level": 25.0, "generator": source()},
    "restoration.jpeg": lambda: {"clean": grey(), "quality": [20, 30]},
    "restoration.load_model": lambda: {"name": "gaussian", "folder": ""},
    "restoration.load_opponent": lambda: {"name": "dncnn-long"},
    "restoration.load_policy": lambda: {"name": "policy-gaussian", "folder": ""},
    "restoration.load_training": lambda: {"name": "gaussian-1", "folder": ""},
    "restoration.luma": lambda: {"rgb": pixels(4, 4, 3)},
    "restoration.make_dncnn": lambda: {"shape": restoration.DnCNNShape(3, 2), "seed": 0},
    "restoration.make_policy": lambda: {"horizon": 3, "seed": 0, "width": 1},
    "restoration.make_reaction": lambda: {"shape": restoration.ReactionShape(2, 3, 4), "dtype": torch.float64},
    "restoration.make_unit": lambda: {"shape": restoration.UnitShape(width=2), "seed": 0},
    "restoration.mean_steps": lambda: {
        "stops": torch.tensor([1, 2, 3]),
        "levels": torch.tensor([25.0, 25.0, 50.0]),
    },
    "restoration.noise_level": lambda: {"noisy": grey()},
    "restoration.oracle": lambda: {"losses": doubles(3, 4)},
    "restoration.perona_malik": lambda: {"f": grey(), "steps": 2, "contrast": 0.1, "rate": 0.2, "reaction": 0.05},
    "restoration.photo": lambda: {"name": "camera"},
    "restoration.psnr": lambda: {"restored": grey(), "clean": grey(), "clip": True},
    "restoration.regret": lambda: {"rollouts": bank(), "stops": torch.tensor([0, 1, 2])},
    "restoration.roll_out": lambda: {
        "unit": unit(),
        "clean": grey(),
        "noisy": grey(),
        "levels": torch.tensor([25.0, 50.0]),
        "steps": 2,
        "loss": "mse",
        "batch": 2,
        "dtype": torch.float32,
    },
    "restoration.stored_models": dict,
    "restoration.test_crops": lambda: {"size": 16},
    "restoration.to_tensor": lambda: {"pixels": pixels(4, 4)},
    "restoration.train": lambda: {"plan": plan(), "every": 1, "device": "cpu", "progress": False},
    "restoration.trajectory": lambda: {"unit": unit(), "y": grey(), "steps": 2},
}
