"""Doors of recurrent."""

from __future__ import annotations

import torch
from fuzz.engine import Table
from torch import Tensor

from contdepth import recurrent


def drawing() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def numbers(*shape: int) -> Tensor:
    """The same numbers each time, float64."""
    count = int(torch.tensor(shape).prod())
    return torch.sin(torch.arange(1.0, count + 1, dtype=torch.float64)).reshape(shape)


def observed() -> Tensor:
    """Which numbers of two series of three rows of two are not missing; one row wholly is."""
    mask = torch.ones(2, 3, 2, dtype=torch.bool)
    mask[0, 1], mask[1, 2, 0] = False, False
    return mask


def times() -> Tensor:
    return torch.tensor([[0.0, 0.5, 0.5], [0.1, 0.2, 1.0]], dtype=torch.float64)


def series() -> recurrent.Series:
    return recurrent.Series(numbers(2, 3, 2), times(), observed())


def turning(**more: object) -> recurrent.AntisymmetricCell:
    return recurrent.AntisymmetricCell(2, 3, generator=drawing(), **more).double()


def settling(**more: object) -> recurrent.EquilibriumCell:
    return recurrent.EquilibriumCell(2, 3, generator=drawing(), **more).double()


def between(**more: object) -> recurrent.GRUODE:
    return recurrent.GRUODE(3, generator=drawing(), **more).double()


def bayes(**more: object) -> recurrent.GRUODEBayes:
    return recurrent.GRUODEBayes(2, 3, features=2, generator=drawing(), **{"step": 0.5, **more}).double()


def moving(**more: object) -> recurrent.ODERNN:
    return recurrent.ODERNN(2, 3, width=4, generator=drawing(), **{"step": 0.5, **more}).double()


def latent(**more: object) -> recurrent.LatentODE:
    settings = {"hidden": 3, "width": 4, "step": 0.5, **more}
    return recurrent.LatentODE(2, 3, generator=drawing(), **settings).double()


def plain() -> recurrent.RNNVAE:
    return recurrent.RNNVAE(2, 3, hidden=3, width=4, generator=drawing()).double()


def evidence(made: recurrent.LatentModel) -> dict[str, object]:
    return {
        "self": made,
        "series": series(),
        "target": series(),
        "weight": 0.5,
        "samples": 2,
        "start": times()[:, 0] - 0.5,
        "generator": drawing(),
    }


TABLE: Table = {
    "recurrent.AntisymmetricCell": lambda: {
        "inputs": 2,
        "hidden": 3,
        "step": 0.1,
        "diffusion": 0.1,
        "gated": True,
        "spread": 2.0,
        "generator": drawing(),
    },
    "recurrent.AntisymmetricCell.forward": lambda: {
        "self": turning(gated=True),
        "x": numbers(2, 2),
        "h": numbers(2, 3),
    },
    "recurrent.AntisymmetricCell.matrix": lambda: {"self": turning()},
    "recurrent.AntisymmetricCell.rate": lambda: {"self": turning(), "x": numbers(2, 2), "h": numbers(2, 3)},
    "recurrent.Cell": lambda: {"inputs": 2, "hidden": 3},
    "recurrent.Cell.fitting": lambda: {"self": turning(), "x": numbers(2, 2), "h": numbers(2, 3)},
    "recurrent.Cell.start": lambda: {"self": turning(), "count": 2},
    "recurrent.EquilibriumCell": lambda: {
        "inputs": 2,
        "hidden": 3,
        "inner": 2,
        "decay": 0.9,
        "size": 0.4,
        "spread": 0.3,
        "generator": drawing(),
    },
    "recurrent.EquilibriumCell.forward": lambda: {"self": settling(), "x": numbers(2, 2), "h": numbers(2, 3)},
    "recurrent.EquilibriumCell.rate": lambda: {
        "self": settling(),
        "x": numbers(2, 2),
        "h": numbers(2, 3),
        "g": numbers(2, 3),
    },
    "recurrent.Evidence": lambda: {
        "bound": numbers(2),
        "likelihood": numbers(2),
        "divergence": numbers(2),
    },
    "recurrent.Filtered": lambda: {
        "before": numbers(2, 3, 3),
        "after": numbers(2, 3, 3),
        "mean": numbers(2, 3, 2),
        "log_variance": numbers(2, 3, 2),
    },
    "recurrent.GRUJump": lambda: {"inputs": 2, "hidden": 3, "features": 2, "generator": drawing()},
    "recurrent.GRUJump.forward": lambda: {
        "self": bayes().jump,
        "x": numbers(2, 2),
        "h": numbers(2, 3),
        "mask": observed()[:, 2],
        "mean": numbers(2, 2),
        "log_variance": numbers(2, 2),
    },
    "recurrent.GRUODE": lambda: {
        "hidden": 3,
        "step": 0.2,
        "rtol": 1e-4,
        "atol": 1e-6,
        "generator": drawing(),
    },
    "recurrent.GRUODE.forward": lambda: {
        "self": between(step=None, rtol=1e-3, atol=1e-4),
        "h": numbers(2, 3),
        "gaps": times()[1, 1:].clone(),
    },
    "recurrent.GRUODE.rate": lambda: {"self": between(), "h": numbers(2, 3)},
    "recurrent.GRUODEBayes": lambda: {
        "inputs": 2,
        "hidden": 3,
        "features": 2,
        "step": 0.5,
        "rtol": 1e-4,
        "atol": 1e-6,
        "generator": drawing(),
    },
    "recurrent.GRUODEBayes.forward": lambda: {"self": bayes(), "series": series(), "h": numbers(2, 3)},
    "recurrent.GRUODEBayes.negative_log_likelihood": lambda: {
        "self": bayes(),
        "series": series(),
        "h": numbers(2, 3),
    },
    "recurrent.GRUODEBayes.predicted": lambda: {"self": bayes(), "h": numbers(2, 3)},
    "recurrent.LatentModel": lambda: {
        "inputs": 2,
        "latent": 3,
        "noise": 0.2,
        "learn_noise": True,
        "generator": drawing(),
    },
    "recurrent.LatentModel.decode": lambda: {
        "self": latent(),
        "z": numbers(2, 3),
        "times": times(),
        "start": times()[:, 0] - 0.5,
    },
    "recurrent.LatentModel.encode": lambda: {
        "self": latent(step=None),
        "series": series(),
        "start": times()[:, 0] - 0.5,
    },
    "recurrent.LatentModel.evidence": lambda: evidence(latent()),
    "recurrent.LatentModel.log_likelihood": lambda: {
        "self": latent(gradient="checkpoints"),
        "z": numbers(2, 3),
        "series": series(),
        "start": times()[:, 0] - 0.5,
    },
    "recurrent.LatentModel.reconstruct": lambda: {
        "self": plain(),
        "series": series(),
        "times": times() + 1,
        "samples": 2,
        "start": times()[:, 0] - 0.5,
        "generator": drawing(),
    },
    "recurrent.LatentODE": lambda: {
        "inputs": 2,
        "latent": 3,
        "hidden": 3,
        "width": 4,
        "step": 0.5,
        "noise": 0.2,
        "learn_noise": True,
        "rtol": 1e-3,
        "atol": 1e-4,
        "gradient": "checkpoints",
        "generator": drawing(),
    },
    "recurrent.ODERNN": lambda: {
        "inputs": 2,
        "hidden": 3,
        "width": 4,
        "step": 0.5,
        "rtol": 1e-3,
        "atol": 1e-4,
        "generator": drawing(),
    },
    "recurrent.ODERNN.backwards": lambda: {
        "self": moving(step=None),
        "series": series(),
        "start": times()[:, 0] - 0.5,
    },
    "recurrent.ODERNN.forward": lambda: {"self": moving(), "series": series(), "h": numbers(2, 3)},
    "recurrent.RNNVAE": lambda: {
        "inputs": 2,
        "latent": 3,
        "hidden": 3,
        "width": 4,
        "noise": 0.2,
        "learn_noise": True,
        "generator": drawing(),
    },
    "recurrent.Recurrence": lambda: {"cell": turning()},
    "recurrent.Recurrence.forward": lambda: {
        "self": recurrent.Recurrence(turning()),
        "series": series(),
        "h": numbers(2, 3),
    },
    "recurrent.Series": lambda: {"values": numbers(2, 3, 2), "times": times(), "mask": observed()},
    "recurrent.Series.separate": lambda: {"self": series()},
    "recurrent.Series.with_nan": lambda: {"self": series()},
    "recurrent.from_nan": lambda: {
        "values": numbers(2, 3, 2).masked_fill(~observed(), torch.nan),
        "times": times(),
    },
    "recurrent.padded": lambda: {
        "values": [numbers(2, 2), numbers(3, 2)],
        "times": [times()[0, :2].clone(), times()[1]],
    },
}
