"""Contenders for the stopping decision: trained side by side, judged by backward induction and on windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.files import write_atomically
from contdepth.restoration.classical import noise_level
from contdepth.restoration.degrade import gaussian
from contdepth.restoration.metrics import grey, psnr
from contdepth.restoration.models.unit import RestorationUnit, trajectory
from contdepth.restoration.stopping.dqn import DQNPlan, train_dqn
from contdepth.restoration.stopping.learning_to_stop import StopPlan, train_stopping
from contdepth.restoration.stopping.maps import StoppingMap, compose, stopping_map
from contdepth.restoration.stopping.policy import Policy, make_policy
from contdepth.restoration.stopping.rollouts import Rollouts
from contdepth.restoration.stopping.rules import Line, by_noise_level

__all__ = [
    "Contender",
    "OnePicture",
    "load_bank",
    "middle",
    "noise_map",
    "one_picture",
    "ramp",
    "reward_to_go",
    "save_bank",
    "slopes",
    "train_contender",
    "whole",
]

KINDS = ("dqn", "l2stop")
PARTS = ("states", "observations", "losses", "levels")


def save_bank(bank: Rollouts, path: Path) -> Path:
    """Write ``bank`` to ``path``, so that jobs in other processes can read it; returns the path."""
    content = {name: getattr(bank, name) for name in PARTS} | {"loss": bank.loss}
    write_atomically(path, lambda stream: torch.save(content, stream))
    return path


def middle(bank: Rollouts, size: int) -> Rollouts:
    """The bank with every picture cut to its ``size`` × ``size`` middle for the policy; losses of the whole.

    Cheaper to learn from, and without the borders that smaller patches would bring.

    Raises:
        TypeError, ValueError: ``size`` larger than the pictures.
    """
    h, w = bank.states.shape[-2:]
    size = checks.integer("size", size, at_least=1, at_most=min(h, w))
    cut = (..., slice((h - size) // 2, (h + size) // 2), slice((w - size) // 2, (w + size) // 2))
    return replace(bank, states=bank.states[cut].contiguous(), observations=bank.observations[cut].contiguous())


def load_bank(path: Path) -> Rollouts:
    """The bank that ``save_bank`` wrote; nothing in the file is executed."""
    return Rollouts(**torch.load(path, weights_only=True))


@dataclass(frozen=True)
class Contender:
    """A trained ``policy`` and its curve: at ``updates`` done, the ``objective`` (see ``train_contender``)."""

    kind: str
    seed: int
    policy: Policy
    updates: list[int]
    objective: list[float]


def train_contender(
    kind: str,
    seed: int,
    bank: Path,
    updates: int,
    states: int,
    precision: str,
    device: str | torch.device = "cpu",
) -> Contender:
    """Train one policy unit on the stored bank: a job for ``contdepth.parallel.run_all``.

    ``kind``: ``"dqn"`` (objective: mean loss saved by the greedy episodes of the bank) or ``"l2stop"`` (the
    forward KL, mean over a tenth of the updates). For one seed both start from the same weights; both see
    ``states`` states (l2stop whole episodes, dqn transitions) in each of ``updates`` updates, with the same
    optimiser and rates. The exploration of the first falls over the first half of the updates; its target
    network is copied ten times. They are trained on ``device``.

    Raises:
        TypeError, ValueError: an unknown kind, ``states`` no multiple of the bank's steps, plans out of range.
        DivergenceError: the loss is not finite.
    """
    checks.one_of("kind", kind, KINDS)
    checks.integer("states", states, at_least=1)
    where = devices.named("device", device)
    rollouts = load_bank(bank).to(where)
    if states % rollouts.steps:
        checks.fail("states", f"a multiple of the {rollouts.steps} states of an episode", states)
    policy = make_policy(rollouts.steps, seed).to(where)
    every = max(1, updates // 10)
    if kind == "dqn":
        exploration: dict[str, Any] = {"target_every": every, "epsilon_updates": max(1, updates // 2)}
        plan = DQNPlan(updates, states, seed=seed, precision=precision, **exploration)
        history = train_dqn(policy, rollouts, plan)
        return Contender(kind, seed, policy, history.updates, history.returns)
    stop_plan = StopPlan(updates, states // rollouts.steps, seed=seed, precision=precision)
    objective = torch.tensor(train_stopping(policy, rollouts, stop_plan))
    means = [float(part.mean()) for part in objective.split(every)]
    return Contender(kind, seed, policy, [min(updates, every * (i + 1)) for i in range(len(means))], means)


def reward_to_go(rewards: Tensor, discount: float = 1.0) -> Tensor:
    """What continuing is worth to one who knows the clean image, by backward induction from the horizon.

    Q_n = r_{n+1} + γ max(0, Q_{n+1}) and Q_{N−1} = r_N. ``rewards``: ``(…, N)``, r_n in column n − 1; the result,
    ``(…, N)``, has Q_n in column n. With γ = 1 it is the most loss that one or more further steps can save.

    Raises:
        TypeError, ValueError: not floating point, no step, a discount outside [0, 1].
    """
    checks.floating("rewards", rewards)
    if rewards.ndim == 0 or rewards.shape[-1] == 0:
        checks.fail("rewards", "shape (…, N) with N >= 1", f"shape {tuple(rewards.shape)}")
    checks.real("discount", discount, at_least=0, at_most=1)
    columns = [rewards[..., -1]]
    for n in reversed(range(rewards.shape[-1] - 1)):
        columns.insert(0, rewards[..., n] + discount * columns[0].clamp_min(0))
    return torch.stack(columns, dim=-1)


def slopes(policy: Policy, x: Tensor, y: Tensor, previous: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """|∂v/∂x| and |∂v/∂y| of the value of going on at one state, each ``(h, w)``; X_{n−1} is held fixed.

    ``x``, ``y``, ``previous``: ``(1, 1, h, w)``; ``step``: n.
    """
    for name, part in (("x", x), ("y", y), ("previous", previous)):
        checks.same_shape(name, grey(name, part), (1, 1, *x.shape[-2:]), hint="one state")
    x, y = (part.detach().float().clone().requires_grad_() for part in (x, y))
    value = policy(x, y, previous.detach().float(), torch.tensor([step], device=x.device)).sum()
    of_x, of_y = torch.autograd.grad(value, (x, y))
    return of_x[0, 0].abs(), of_y[0, 0].abs()


def ramp(clean: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """``clean`` ``(n, 1, h, w)`` with white noise whose level grows linearly from the left to the right column.

    ``low`` and ``high``: the levels there, in grey levels of 255; not clipped.
    """
    low, high = (checks.real(name, value, at_least=0) for name, value in (("low", low), ("high", high)))
    noise = gaussian(clean, 255.0, generator) - clean
    levels = torch.linspace(low, high, clean.shape[-1], device=clean.device, dtype=clean.dtype) / 255
    return clean + levels * noise


def whole(policy: Policy, states: Tensor, y: Tensor) -> int:
    """Where ``policy`` stops one picture of any size: ``states`` ``(N + 1, 1, h, w)``, ``y`` ``(1, 1, h, w)``."""
    return int(stopping_map(policy, states, y, patch=max(y.shape[-2:])).stops)


def noise_map(like: StoppingMap, y: Tensor, steps: int, line: Line) -> StoppingMap:
    """The windows of ``like`` with stops by the noise estimated in each window of ``y`` ``(1, 1, h, w)``."""
    checks.same_shape("y", grey("y", y), (1, 1, *like.size), hint="the picture of the map")
    (ph, pw), corners = like.patch, [(top, left) for top in like.tops for left in like.lefts]
    levels = torch.cat([noise_level(y[..., a : a + ph, b : b + pw]) for a, b in corners])
    return replace(like, stops=by_noise_level(levels, steps, line).view(like.stops.shape))


@dataclass(frozen=True)
class OnePicture:
    """One picture under one stop and under a map of stops; PSNR in dB, ``(policies,)`` where it depends on them.

    ``one``, ``windows``: one stop and a map by each policy; ``best``: the best single step (needs the clean
    picture: a bound for one stop); ``noise``: a map by the noise estimated in each window. ``film``: the iterates;
    ``stops``: the single stops; ``maps``: the maps of the policies.
    """

    one: Tensor
    windows: Tensor
    best: float
    noise: float
    film: Tensor
    stops: list[int]
    maps: list[StoppingMap]


def one_picture(
    unit: RestorationUnit,
    policies: Sequence[Policy],
    clean: Tensor,
    y: Tensor,
    steps: int,
    line: Line,
    patch: int = 128,
    stride: int | None = None,
) -> OnePicture:
    """Restore ``y`` ``(1, 1, h, w)`` with one stop and with a map of stops, by every policy; see ``OnePicture``.

    Raises:
        TypeError, ValueError: not one picture, fewer than one policy, as ``stopping_map``.
    """
    checks.same_shape("clean", grey("clean", clean), (1, 1, *grey("y", y).shape[-2:]), hint="one picture")
    if not policies:
        checks.fail("policies", "at least one policy", "none")
    film = trajectory(unit, y, steps)[:, 0]
    quality = psnr(film[:, None], clean)[:, 0]
    maps = [stopping_map(policy, film, y, patch, stride) for policy in policies]
    stops = [whole(policy, film, y) for policy in policies]
    by_noise = noise_map(maps[0], y, steps, line)
    windows = torch.cat([psnr(compose(film, where), clean) for where in maps])
    noise = float(psnr(compose(film, by_noise), clean))
    return OnePicture(quality[torch.tensor(stops)], windows, float(quality.max()), noise, film, stops, maps)
