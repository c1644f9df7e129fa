"""The smallest pieces of each function of a plan, for the tests of the pieces and of the pages that judge them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contdepth.studies.adaptive.skipnet.pieces import gated_arm
from contdepth.studies.adaptive.tnrd.pieces import reaction_arm
from contdepth.studies.control.bsde_pieces import picard_arm, step_nets_arm
from contdepth.studies.control.discrete.pieces import trained_arm as discrete_arm
from contdepth.studies.flows.iresnet.pieces import density_arm
from contdepth.studies.meanfield.pieces import ordered_arm
from contdepth.studies.pdenet.pieces import linear_arm, source_arm
from contdepth.studies.pdenet2.pieces import burgers_arm
from contdepth.studies.schemes.pieces import trained_arm

IMAGES = {
    "depth": 14,
    "recipe": "one_cycle_30",
    "epochs": 2,
    "dataset": "digits",
    "train_size": 200,
    "test_size": 60,
    "width": 2,
}
GRID = {"blocks": 2, "iterations": 12, "sitting": 5, "grid": 24, "batch": 6, "test": 3}

TINY: dict[Callable[..., dict[str, Any]], dict[str, Any]] = {
    trained_arm: IMAGES,
    gated_arm: {**IMAGES, "depth": 8, "second": 2},
    discrete_arm: {"dataset": "digits", "hidden": (6, 6), "epochs": 2, "batch": 50, "learn": 200},
    step_nets_arm: {"dim": 3, "steps": 3, "iterations": 4},
    picard_arm: {"dim": 3, "level": 2, "base": 3, "count": 4},
    ordered_arm: {**IMAGES, "permutations": 2},
    density_arm: {
        "dataset": "digits",
        "blocks": (1, 1),
        "width": 4,
        "terms": 2,
        "long": 4,
        "epochs": 2,
        "batch": 50,
        "train_size": 100,
        "test_size": 20,
    },
    reaction_arm: {
        "size": 3,
        "stages": 2,
        "iterations": 60,
        "batch": 2,
        "patch": 16,
        "data": "photos",
        "dataset": "photos",
        "limit": 2,
    },
    linear_arm: {**GRID, "mesh": 6, "order": 3, "cutoffs": [2, 3]},
    source_arm: {**GRID, "grid": 16, "trajectories": 4},
    burgers_arm: {
        "blocks": [6, 15],
        "iterations": 5,
        "sitting": 2,
        "trajectories": 2,
        "late": 0.0,
        "grid": 16,
        "hidden": 2,
        "test": 2,
        "horizon": 4,
    },
}
