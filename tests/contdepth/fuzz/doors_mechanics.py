"""Doors of mechanics."""

from __future__ import annotations

from typing import Any

import torch
from fuzz.engine import Table
from torch import Tensor

from contdepth import mechanics, schemes

LEAPFROG = schemes.Leapfrog()


def drawing() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def numbers(*shape: int) -> Tensor:
    """The same numbers each time, float64, between -0.5 and 0.5."""
    count = int(torch.tensor(shape).prod())
    return torch.sin(torch.arange(1.0, count + 1, dtype=torch.float64)).reshape(shape) / 2


def times(count: int = 4) -> Tensor:
    return torch.linspace(0.0, 0.3, count, dtype=torch.float64)


def hamiltonian(**more: Any) -> mechanics.HamiltonianNet:
    return mechanics.HamiltonianNet(1, (3,), generator=drawing(), **more).double()


def lagrangian() -> mechanics.LagrangianNet:
    return mechanics.LagrangianNet(1, (3,), generator=drawing()).double()


def accelerating() -> mechanics.AccelerationNet:
    return mechanics.AccelerationNet(1, (3,), generator=drawing()).double()


def scalar() -> mechanics.ScalarNet:
    return mechanics.ScalarNet(2, (3,), generator=drawing()).double()


def chain() -> mechanics.SpringChain:
    return mechanics.SpringChain((1.0, 2.0), (1.0, 0.5, 2.0))


def bodies() -> mechanics.ThreeBody:
    return mechanics.ThreeBody((1.0, 1.0, 1.0), 0.2)


def foreseen() -> mechanics.Forecast:
    return mechanics.forecast(chain(), numbers(2, 4), times(), scheme=LEAPFROG)


def rolled() -> mechanics.RolloutFit:
    return mechanics.RolloutFit(hamiltonian(), LEAPFROG, 3)


def a_free_particle(q: Tensor, v: Tensor) -> Tensor:
    return v.square().sum(-1) / 2


def half_square(x: Tensor) -> Tensor:
    return x.square().sum(-1) / 2


def net(**more: Any) -> Any:
    return lambda: {
        "hidden": (3, 2),
        "activation": "softplus",
        "generator": drawing(),
        "device": "cpu",
        **more,
    }


PENDULUMS: dict[str, tuple[Any, int, dict[str, Any]]] = {
    "PlanePendulum": (mechanics.PlanePendulum, 1, {"mass": 1.0, "length": 2.0, "gravity": 9.8}),
    "DoublePendulum": (
        mechanics.DoublePendulum,
        2,
        {"masses": (1.0, 2.0), "lengths": (1.0, 0.5), "gravity": 9.8},
    ),
    "RelativisticOscillator": (
        mechanics.RelativisticOscillator,
        1,
        {"mass": 1.0, "stiffness": 2.0, "light": 3.0},
    ),
}


def of_a_pendulum(name: str) -> Table:
    """The doors of a Lagrangian system."""
    kind, n, arguments = PENDULUMS[name]
    at = f"mechanics.{name}"
    pair = {"q": numbers(3, n), "v": numbers(3, n).flip(0)}
    return {
        at: lambda: dict(arguments),
        f"{at}.lagrangian": lambda: {"self": kind(**arguments), **{k: x.clone() for k, x in pair.items()}},
        f"{at}.acceleration": lambda: {"self": kind(**arguments), **{k: x.clone() for k, x in pair.items()}},
        f"{at}.energy": lambda: {"self": kind(**arguments), "u": numbers(3, 2 * n)},
        f"{at}.field": lambda: {"self": kind(**arguments), "t": times()[0], "u": numbers(3, 2 * n)},
    }


def of_a_system(name: str, make: Any) -> Table:
    """The doors of a Hamiltonian system."""
    n, at = make().degrees, f"mechanics.{name}"
    return {
        f"{at}.energy": lambda: {"self": make(), "u": numbers(3, 2 * n)},
        f"{at}.potential": lambda: {"self": make(), "q": numbers(3, n)},
        f"{at}.force": lambda: {"self": make(), "q": numbers(3, n)},
        f"{at}.velocity": lambda: {"self": make(), "p": numbers(3, n)},
        f"{at}.field": lambda: {"self": make(), "t": times()[0], "u": numbers(3, 2 * n)},
    }


TABLE: Table = {
    "mechanics.AccelerationFit": lambda: {"model": accelerating(), "losses": [0.5]},
    "mechanics.AccelerationFit.forecast": lambda: {
        "self": mechanics.AccelerationFit(accelerating()),
        "starts": numbers(2, 2),
        "times": times(),
        "scheme": schemes.RungeKutta(schemes.RK4),
        "substeps": 2,
        "limit": 10.0,
    },
    "mechanics.AccelerationNet": net(degrees=2, period=6.0),
    "mechanics.AccelerationNet.acceleration": lambda: {
        "self": accelerating(),
        "q": numbers(3, 1),
        "v": numbers(3, 1),
    },
    "mechanics.AccelerationNet.field": lambda: {"self": accelerating(), "t": times()[0], "u": numbers(3, 2)},
    "mechanics.DenseNet": net(inputs=2, outputs=3, init="lagrangian"),
    "mechanics.DenseNet.fitting": lambda: {"self": scalar(), "x": numbers(3, 2)},
    "mechanics.DenseNet.forward": lambda: {
        "self": mechanics.DenseNet(2, 3, (3,), generator=drawing()).double(),
        "x": numbers(3, 2),
    },
    "mechanics.Forecast": lambda: {"times": times(), "states": numbers(4, 2, 2), "broken": numbers(2)},
    "mechanics.Forecast.energy_error": lambda: {"self": foreseen(), "energy": half_square, "scale": 2.0},
    "mechanics.HamiltonianNet": net(degrees=2, separable=False),
    "mechanics.HamiltonianNet.energy": lambda: {"self": hamiltonian(), "u": numbers(3, 2)},
    "mechanics.HamiltonianNet.field": lambda: {"self": hamiltonian(), "t": times()[0], "u": numbers(3, 2)},
    "mechanics.HamiltonianNet.forward": lambda: {"self": hamiltonian(separable=False), "u": numbers(3, 2)},
    "mechanics.LagrangianNet": net(degrees=2, init="plain", period=6.0),
    "mechanics.LagrangianNet.acceleration": lambda: {
        "self": lagrangian(),
        "q": numbers(3, 1),
        "v": numbers(3, 1),
    },
    "mechanics.LagrangianNet.energy": lambda: {"self": lagrangian(), "u": numbers(3, 2)},
    "mechanics.LagrangianNet.field": lambda: {"self": lagrangian(), "t": times()[0], "u": numbers(3, 2)},
    "mechanics.LagrangianNet.forward": lambda: {"self": lagrangian(), "q": numbers(3, 1), "v": numbers(3, 1)},
    "mechanics.RolloutFit": lambda: {
        "model": hamiltonian(),
        "scheme": LEAPFROG,
        "window": 2,
        "substeps": 1,
        "losses": [0.5],
        "starts": None,
    },
    "mechanics.RolloutFit.forecast": lambda: {
        "self": rolled(),
        "starts": numbers(2, 2),
        "times": times(),
        "limit": 10.0,
    },
    "mechanics.ScalarNet": net(inputs=2, init="plain"),
    "mechanics.ScalarNet.forward": lambda: {"self": scalar(), "x": numbers(3, 2)},
    "mechanics.ScalarNet.gradient": lambda: {"self": scalar(), "x": numbers(3, 2)},
    "mechanics.ScalarNet.rows": lambda: {"self": scalar(), "x": numbers(3, 2), "directions": numbers(2, 2)},
    "mechanics.SpringChain": lambda: {"masses": (1.0, 2.0), "stiffness": (1.0, 0.5, 2.0)},
    "mechanics.SpringChain.draw": lambda: {
        "self": chain(),
        "count": 3,
        "generator": drawing(),
        "bound": 1.0,
        "rest": True,
    },
    "mechanics.SpringChain.drawn": lambda: {"self": chain(), "masses": 3, "generator": drawing()},
    "mechanics.ThreeBody": lambda: {"masses": (1.0, 2.0, 1.0), "softening": 0.1},
    "mechanics.ThreeBody.angular_momentum": lambda: {"self": bodies(), "u": numbers(3, 12)},
    "mechanics.ThreeBody.draw": lambda: {
        "self": bodies(),
        "count": 3,
        "generator": drawing(),
        "disturbed": 0.1,
    },
    "mechanics.VectorFieldNet": net(size=2),
    "mechanics.VectorFieldNet.field": lambda: {
        "self": mechanics.VectorFieldNet(2, (3,), generator=drawing()).double(),
        "t": times()[0],
        "u": numbers(3, 2),
    },
    "mechanics.fit_accelerations": lambda: {
        "model": accelerating(),
        "samples": (numbers(3, 1), numbers(3, 1), numbers(3, 1)),
        "steps": 2,
        "seed": 0,
        "batch": 2,
        "rate": 1e-3,
        "schedule": "cosine",
        "loss": "squared",
    },
    "mechanics.fit_rollouts": lambda: {
        "model": hamiltonian(),
        "trajectories": numbers(4, 2, 2),
        "times": times(),
        "scheme": LEAPFROG,
        "steps": 2,
        "seed": 0,
        "window": 3,
        "substeps": 2,
        "batch": 2,
        "rate": 1e-3,
        "schedule": "one cycle",
        "starts": "learned",
        "start_rate": 1e-2,
    },
    "mechanics.fit_starts": lambda: {
        "model": hamiltonian(),
        "observed": numbers(4, 2, 2),
        "times": times(),
        "scheme": LEAPFROG,
        "substeps": 2,
        "iterations": 2,
    },
    "mechanics.forecast": lambda: {
        "model": hamiltonian(),
        "starts": numbers(2, 2),
        "times": times(),
        "scheme": LEAPFROG,
        "substeps": 2,
        "limit": 10.0,
    },
    "mechanics.hamiltonian_field": lambda: {"energy": half_square},
    "mechanics.hamiltonian_parts": lambda: {"kinetic": half_square, "potential": half_square},
    "mechanics.lagrangian_acceleration": lambda: {
        "lagrangian": a_free_particle,
        "q": numbers(3, 2),
        "v": numbers(3, 2),
    },
    "mechanics.simulate": lambda: {
        "f": chain().field,
        "starts": numbers(2, 4),
        "times": times(),
        "tolerance": 1e-6,
    },
    **{name: make for one in PENDULUMS for name, make in of_a_pendulum(one).items()},
    **of_a_system("SpringChain", chain),
    **of_a_system("ThreeBody", bodies),
}
