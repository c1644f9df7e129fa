"""Doors of robust training."""

from __future__ import annotations

import torch
from fuzz.doors_light import labels, line, pictures, short, singles, small_chain
from fuzz.engine import Arguments, Table
from torch import Tensor, nn

from contdepth import robust
from contdepth.seeds import generator


def source() -> torch.Generator:
    return generator(0, "fuzz")


def threat() -> robust.Threat:
    return robust.Threat("1/10")


def classifier() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4)).eval()


def batch() -> Arguments:
    return {"x": singles(4, 1, 4, 4), "y": labels(4, 4)}


def attack(kind: object) -> Arguments:
    return {"self": kind, "model": classifier(), **batch(), "source": source()}


def steps(**more: object) -> Arguments:
    return {"model": classifier(), "threat": threat(), "steps": 2, "step_size": "1/20", "seed": 0, **more}


def once(method: robust.Method) -> Arguments:
    return {
        "self": method,
        **batch(),
        "optimiser": torch.optim.SGD(method.model.parameters(), lr=0.1),
    }


def yopo() -> robust.YOPO:
    return robust.YOPO(**steps(first_layer="0", inner_steps=2))


def delta() -> Tensor:
    return 0.05 * singles(4, 1, 4, 4)


def conv() -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(1, 2, 3, padding=1)


TABLE: Table = {
    "robust.APGD": lambda: {"threat": threat(), "steps": 2, "loss": "dlr", "restarts": 1},
    "robust.APGD.perturb": lambda: attack(robust.APGD(threat(), 2)),
    "robust.APGDTargeted": lambda: {"threat": threat(), "steps": 2, "targets": 2, "fallback": True},
    "robust.APGDTargeted.perturb": lambda: attack(robust.APGDTargeted(threat(), 2, targets=2)),
    "robust.Ascent": None,
    "robust.Audit": None,
    "robust.Cut": lambda: {"model": classifier(), "name": "0"},
    "robust.FGSM": lambda: {"threat": threat(), "step_size": "1/20", "loss": "ce", "random_start": True},
    "robust.FGSM.perturb": lambda: attack(robust.FGSM(threat())),
    "robust.FGSMRS": lambda: {"model": classifier(), "threat": threat(), "factor": 1.25, "seed": 0},
    "robust.FGSMRS.step": lambda: once(robust.FGSMRS(classifier(), threat=threat())),
    "robust.FreeTraining": lambda: {"model": classifier(), "threat": threat(), "replays": 2, "seed": 0},
    "robust.FreeTraining.step": lambda: once(robust.FreeTraining(classifier(), threat=threat(), replays=2)),
    "robust.InnerLoop": lambda: {"cut": robust.Cut(classifier(), "0"), "kind": "plain"},
    "robust.Method": None,
    "robust.NFGSM": lambda: {
        "model": classifier(),
        "threat": threat(),
        "factor": 1.0,
        "noise": 2.0,
        "seed": 0,
    },
    "robust.NFGSM.step": lambda: once(robust.NFGSM(classifier(), threat=threat())),
    "robust.Natural": lambda: {"model": classifier(), "precision": "fp32", "seed": 0},
    "robust.Natural.step": lambda: once(robust.Natural(classifier())),
    "robust.NoAttack": dict,
    "robust.NoAttack.search": lambda: attack(robust.NoAttack()),
    "robust.NoAttack.perturb": lambda: attack(robust.NoAttack()),
    "robust.PGD": lambda: {
        "threat": threat(),
        "steps": 2,
        "step_size": "1/20",
        "restarts": 1,
        "loss": "ce",
        "random_start": True,
        "early_stop": True,
    },
    "robust.PGD.perturb": lambda: attack(robust.PGD(threat(), 2)),
    "robust.PGDTraining": lambda: steps(clean_weight=0.5, attack_mode="eval"),
    "robust.PGDTraining.step": lambda: once(robust.PGDTraining(**steps())),
    "robust.RandomNoise": lambda: {"threat": threat(), "restarts": 2},
    "robust.RandomNoise.perturb": lambda: attack(robust.RandomNoise(threat())),
    "robust.Square": lambda: {"threat": threat(), "queries": 3},
    "robust.Square.perturb": lambda: attack(robust.Square(threat(), 3)),
    "robust.Step": lambda: {"loss": 1.0, "errors": 0.5, "delta": delta()},
    "robust.SummedPGD": lambda: steps(average=True),
    "robust.SummedPGD.step": lambda: once(robust.SummedPGD(**steps())),
    "robust.TRADES": lambda: steps(weight=1.0),
    "robust.TRADES.step": lambda: once(robust.TRADES(**steps(weight=1.0))),
    "robust.TRADESYOPO": lambda: steps(weight=1.0, first_layer="0", inner_steps=2),
    "robust.TRADESYOPO.step": lambda: once(robust.TRADESYOPO(**steps(weight=1.0, first_layer="0", inner_steps=2))),
    "robust.Threat": lambda: {"epsilon": "8/255", "norm": "l2"},
    "robust.Threat.scaled": lambda: {"self": threat(), "factor": 0.5},
    "robust.Threat.project": lambda: {"self": threat(), "delta": delta(), "x": batch()["x"]},
    "robust.Threat.start": lambda: {"self": threat(), "x": batch()["x"], "source": source(), "factor": 1.0},
    "robust.Threat.direction": lambda: {"self": threat(), "gradient": delta()},
    "robust.Threat.size": lambda: {"self": threat(), "delta": delta()},
    "robust.Trained": lambda: {"steps": 1, "seconds": 0.5},
    "robust.YOPO": lambda: steps(
        first_layer="0", inner_steps=2, inner="plain", accounting="official", average=True
    ),
    "robust.YOPO.step": lambda: once(yopo()),
    "robust.YOPO.gradients": lambda: {"self": yopo(), **batch(), "delta": delta()},
    "robust.accuracy": lambda: {
        "model": classifier(),
        **batch(),
        "attack": robust.PGD(threat(), 2),
        "source": source(),
        "batch": 3,
        "among": torch.tensor([True, True, False, True]),
    },
    "robust.amplification_bound": lambda: {
        "branches": (torch.tanh, torch.sin),
        "states": (singles(2, 3), singles(2, 3)),
        "h": 0.5,
        "iterations": 2,
    },
    "robust.audit": None,
    "robust.compare_ascents": None,
    "robust.count_forwards": lambda: {"method": robust.Natural(classifier()), "first_layer": "0", **batch()},
    "robust.first_layer_share": lambda: {"model": classifier(), "first_layer": "0", "x": batch()["x"]},
    "robust.inner_steps_fused": None,
    "robust.inner_steps_plain": lambda: {
        "layer_function": conv(),
        "x": batch()["x"],
        "delta": delta(),
        "slack": singles(4, 2, 4, 4),
        "threat": threat(),
        "step_size": 0.05,
        "steps": 2,
    },
    "robust.jacobian_norm": lambda: {"function": torch.tanh, "x": singles(2, 3), "iterations": 2, "seed": 0},
    "robust.limit": lambda: {"pgd_steps": 10, "yopo_steps": 5},
    "robust.multiply_adds": lambda: {"function": classifier(), "x": batch()["x"], "gradients": True},
    "robust.pgd_cost": lambda: {"steps": 10, "clean": True, "trimmed": False},
    "robust.train": lambda: {
        "method": robust.Natural(line()),
        "data": pictures(),
        "recipe": short(),
        "seed": 0,
        "steps": 2,
        "ramp": 0.5,
        "optimiser": torch.optim.SGD,
        "probes": 1,
        "probe": lambda model: {"one": 1.0},
        "every": 2,
        "progress": False,
    },
    "robust.yopo_cost": lambda: {"steps": 5, "inner_steps": 3, "share": 0.1, "official": True},
}
TABLE = {name: make for name, make in TABLE.items() if make is not None}
_ = small_chain
