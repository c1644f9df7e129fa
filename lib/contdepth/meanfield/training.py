"""Gradient flow of particles, θ and t, for many runs at once: Algorithm 1 of the paper and its plain rivals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

from contdepth import checks
from contdepth.meanfield.ensemble import Ensemble, outputs
from contdepth.meanfield.network import MeanFieldNet, check_data
from contdepth.meanfield.particles import reflect
from contdepth.training.loop import DivergenceError

__all__ = ["Training", "train"]


@dataclass
class Training:
    """``ensemble`` after training, its ``losses`` (R,), ``reordered`` (R,): share of steps that changed the order.

    At the steps asked for: ``history``, step -> losses (R,); ``outputs``, step -> (R, batch); ``times``, step -> t
    (R, L).
    """

    ensemble: Ensemble
    losses: Tensor
    reordered: Tensor
    history: dict[int, Tensor] = field(default_factory=dict)
    outputs: dict[int, Tensor] = field(default_factory=dict)
    times: dict[int, Tensor] = field(default_factory=dict)


def train(
    net: MeanFieldNet,
    ensemble: Ensemble,
    x: Tensor,
    y: Tensor,
    *,
    steps: int,
    rate: float | Tensor,
    optimiser: str = "adam",
    depth_scaled: bool = True,
    train_times: bool | Tensor = False,
    time_rate: float = 0.1,
    keep: Sequence[int] = (),
    progress: bool = False,
) -> Training:
    """Train every run of ``ensemble`` on all data x (batch, inputs), y for ``steps`` full-batch steps.

    y is (batch,), or (R, batch) for targets of each run's own.

    ``"gd"``: θ ← θ - rate · s · ∂E/∂θ (``rate`` a number, or (R,) for one a run) with s = L^(2·exponent - 1) if
    ``depth_scaled`` (L for the weight 1/L), else 1. Since ∂E/∂θ_l = (1/L) ∇_θ δE/δρ(θ_l, t_l), the factor L makes
    it an explicit Euler step of the paper's flow θ̇ = -∇_θ δE/δρ. ``"adam"``: Adam (default moments) with the same
    rate at every depth, whose steps do not see s. ``train_times`` (a bool, or (R,) for some of the runs; net with
    weighting "gaps") moves t as well, at ``rate`` · ``time_rate`` without s, since ∂E/∂t_l does not shrink with L,
    folds it into [0, 1] and sorts before each forward pass: Algorithm 1 of Lu et al. 2020 (arXiv 2003.05508).
    Adam's moments are not folded. The runs do not touch each other: each ends as if trained alone.

    Raises:
        TypeError, ValueError: bad arguments, data without a sample or not finite, an ensemble drawn for other
            blocks, trained times under weighting "equal" (E is constant between swaps).
        DivergenceError: a loss is not finite; names depth, seed and step.
    """
    checks.instance("net", net, MeanFieldNet)
    checks.instance("ensemble", ensemble, Ensemble)
    checks.finite("x", checks.reals("x", x, ndim=2, like=net.w2))
    checks.finite("y", checks.reals("y", y))
    checks.integer("steps", steps, at_least=0)
    checks.one_of("optimiser", optimiser, ("gd", "adam"))
    if not (isinstance(rate, Tensor) and optimiser == "gd"):
        checks.real("rate", rate, above=0, hint='one rate a run is for optimiser="gd"')
    checks.real("time_rate", time_rate, above=0)
    check_data(x, y, len(ensemble))
    if not isinstance(train_times, (bool, Tensor)):
        raise TypeError(f"train_times: expected a bool, or one for each run, found {type(train_times).__name__}")
    keep = tuple(checks.integer("keep", step, at_least=0) for step in keep)
    moving = torch.as_tensor(train_times, device=ensemble.theta.device)
    if moving.ndim == 0:
        moving = moving.expand(len(ensemble))
    checks.same_shape("train_times", moving, (len(ensemble),), "give one bool, or one for each run")
    some = bool(moving.any())
    if some and net.weighting != "gaps":
        checks.fail(
            "train_times",
            'a net with weighting="gaps"',
            repr(net.weighting),
            "with equal weights the loss has no gradient in t",
        )
    theta = ensemble.theta.detach().clone().requires_grad_()
    t = ensemble.t.detach().clone().requires_grad_(some)
    exponent = 2 * ensemble.exponent - 1 if depth_scaled else 0.0
    factors = [depth**exponent for depth in ensemble.depths]
    scale = torch.tensor(factors, dtype=theta.dtype, device=theta.device)
    each = torch.ones_like(scale)
    if optimiser == "gd":
        each, rate = rates(rate, scale), 1.0
    groups = [{"params": [theta], "lr": rate}, *([{"params": [t], "lr": rate * time_rate}] if some else [])]
    stepper = torch.optim.Adam(groups) if optimiser == "adam" else torch.optim.SGD(groups)
    result = Training(ensemble, theta.new_zeros(len(ensemble)), theta.new_zeros(len(ensemble)))
    running = ensemble.moved(theta, t)  # checked once: the optimiser moves θ and t in place
    before = ensemble.order()
    for step in tqdm(range(steps + 1), disable=None if progress else True, unit="step"):
        found = outputs(net, running, x)
        losses = 0.5 * (found - y).square().mean(dim=1)
        check_losses(losses, ensemble, step)
        if step in keep:
            result.history[step], result.outputs[step] = losses.detach().clone(), found.detach().clone()
            result.times[step] = t.detach().clone()
        if step == steps:
            break
        stepper.zero_grad()
        losses.sum().backward()
        if optimiser == "gd":
            theta.grad *= (each * scale)[:, None, None]  # type: ignore[operator]
        if some:
            t.grad *= (each * moving)[:, None]  # type: ignore[operator]
        stepper.step()
        if some:
            with torch.no_grad():
                t.copy_(reflect(t))
            after = ensemble.moved(theta, t).order()
            result.reordered += (after != before).any(dim=1) / steps
            before = after
    result.ensemble, result.losses = ensemble.moved(theta.detach(), t.detach()), losses.detach()
    return result


def rates(rate: float | Tensor, like: Tensor) -> Tensor:
    """One rate for every run, (R,), in the precision of ``like``."""
    if not isinstance(rate, Tensor):
        return torch.full_like(like, rate)
    checks.finite("rate", checks.same_shape("rate", rate, tuple(like.shape), "give one rate for each run"))
    if not bool((rate > 0).all()):
        checks.fail("rate", "rates > 0", rate.tolist())
    return rate.to(like)


def check_losses(losses: Tensor, ensemble: Ensemble, step: int) -> None:
    """Raise ``DivergenceError`` unless every run's loss is finite."""
    bad = (~torch.isfinite(losses)).nonzero()
    if len(bad):
        row = int(bad[0])
        raise DivergenceError(
            f"loss: expected a finite value, found {losses[row].item()} at step {step} (depth "
            f"{ensemble.depths[row]}, seed {ensemble.seeds[row]}); "
            + ("lower the rate" if step else "scale the data or the particles")
        )
