"""Learning to predict, then to stop: the two stages of Chen et al. 2020 (arXiv 2006.05082), on pictures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.restoration.metrics import grey
from contdepth.restoration.models.unit import RestorationUnit
from contdepth.restoration.stopping.learning import LinearRate, check_objective
from contdepth.restoration.stopping.learning_to_stop import StopPlan, train_stopping
from contdepth.restoration.stopping.policy import Policy
from contdepth.restoration.stopping.rollouts import LOSSES, PEAK, roll_out, stopped_at
from contdepth.restoration.stopping.variational import marginal_loss
from contdepth.seeds import generator

__all__ = ["PredictorPlan", "TwoStages", "step_losses", "train_predictor", "two_stages"]

OBJECTIVES = ("marginal", "softmin", "mean", "last", "given")


def step_losses(unit: RestorationUnit, clean: Tensor, noisy: Tensor, steps: int, loss: str = "psnr") -> Tensor:
    """L(X_n, x*), n = 0 … N, ``(n, N + 1)``, with gradients; of iterates that are not clipped.

    ``clean``, ``noisy``: ``(n, 1, h, w)``; ``loss`` as in ``Rollouts``: -PSNR in dB or squared grey levels.

    Raises:
        TypeError, ValueError: not a unit, pictures that do not go together, an unknown loss.
    """
    checks.instance("unit", unit, RestorationUnit, "make_unit(shape, seed) makes one")
    checks.same_shape("noisy", grey("noisy", noisy), grey("clean", clean).shape)
    devices.common(clean=clean, noisy=noisy)
    checks.one_of("loss", loss, LOSSES)
    checks.integer("steps", steps, at_least=1)
    x, errors = noisy, [(noisy - clean).square().mean((1, 2, 3))]
    for _ in range(steps):
        x = unit.step(x, noisy)
        errors.append((x - clean).square().mean((1, 2, 3)))
    found = torch.stack(errors, 1)
    return 10 * (found + 1e-8).log10() if loss == "psnr" else PEAK * found


@dataclass(frozen=True)
class PredictorPlan(LinearRate):
    """How to train a unit for ``steps`` steps of any of which it may stop; Adam, as ``StopPlan``.

    ``objective``: ``"marginal"`` (stage 1), or ``"softmin"``, Σ q*(n) L_n with the derivative of q* in it, which
    is what the authors' denoising code descends; to compare with, ``"mean"`` of all steps, ``"last"`` of them, or
    a step ``"given"`` for each picture. ``beta`` in the unit of ``loss``; ``batch`` pictures an update; ``clip``:
    largest norm of a gradient.

    Raises:
        TypeError, ValueError: an unknown key, a value out of its range.
    """

    steps: int = 10
    updates: int = 1000
    batch: int = 16
    beta: float = 0.1
    loss: str = "psnr"
    objective: str = "marginal"
    clip: float = 1.0
    learning_rate: float = 1e-3
    learning_rate_end: float = 1e-4
    precision: str = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        self.check_rate()
        checks.integer("steps", self.steps, at_least=1)
        checks.integer("batch", self.batch, at_least=1)
        checks.real("beta", self.beta, above=0)
        checks.real("clip", self.clip, above=0)
        checks.one_of("loss", self.loss, LOSSES)
        checks.one_of("objective", self.objective, OBJECTIVES)

    def of(self, losses: Tensor, stops: Tensor | None = None) -> Tensor:
        """The objective, a number, of the losses ``(n, N + 1)`` of some pictures.

        ``stops``: int64 ``(n,)``, where ``objective`` is ``"given"``, and None elsewhere.

        Raises:
            TypeError, ValueError: stops that are missing, not wanted, or not in 0 … N.
        """
        if (stops is None) == (self.objective == "given"):
            checks.fail("stops", 'stops with objective "given" and None with others', stops)
        if stops is not None:
            return stopped_at(losses, stops).mean()
        if self.objective == "marginal":
            return marginal_loss(losses, self.beta).mean()
        if self.objective == "softmin":
            return ((-losses / self.beta).softmax(-1) * losses).sum(-1).mean()
        return losses.mean() if self.objective == "mean" else losses[:, -1].mean()

    def resolved(self) -> dict[str, Any]:
        """Every setting as plain data."""
        return asdict(self)


def train_predictor(
    unit: RestorationUnit, clean: Tensor, noisy: Tensor, plan: PredictorPlan, stops: Tensor | None = None
) -> list[float]:
    """Stage 1: train ``unit`` in place on pictures ``(n, 1, h, w)`` of its device; the objective at every update.

    ``stops``: for the objective ``"given"``, the step of each picture, int64 ``(n,)``; a schedule by the noise
    level makes a unit as the DURR paper trains it.

    Raises:
        TypeError, ValueError: as ``step_losses`` and ``PredictorPlan.of``.
        DivergenceError: the objective is not finite.
    """
    checks.instance("plan", plan, PredictorPlan)
    optimiser = torch.optim.Adam(unit.parameters(), lr=plan.learning_rate)
    source, history = generator(plan.seed, "predictor"), []
    unit.train()
    for update in range(plan.updates):
        chosen = torch.randint(len(clean), (plan.batch,), generator=source).to(clean.device)
        of_batch = None if stops is None else stops.to(clean.device)[chosen]
        with torch.autocast(clean.device.type, torch.bfloat16, enabled=plan.precision == "bf16"):
            losses = step_losses(unit, clean[chosen], noisy[chosen], plan.steps, plan.loss)
            objective = plan.of(losses, of_batch)
        optimiser.param_groups[0]["lr"] = plan.rate(update)
        optimiser.zero_grad(set_to_none=True)
        objective.backward()
        nn.utils.clip_grad_norm_(unit.parameters(), plan.clip)
        optimiser.step()
        history.append(float(objective.detach()))
        check_objective(plan.objective, history[-1], update)
    unit.eval()
    return history


@dataclass(frozen=True)
class TwoStages:
    """The objective at every update of the predictor and of the policy."""

    predictor: list[float]
    policy: list[float]


def two_stages(
    unit: RestorationUnit,
    policy: Policy,
    pictures: tuple[Tensor, Tensor, Tensor],
    first: PredictorPlan,
    second: StopPlan,
) -> TwoStages:
    """Train ``unit`` by ``first``, freeze it, roll it out on the same pictures and train ``policy`` by ``second``.

    ``pictures``: clean and noisy ``(n, 1, h, w)``, clean within [0, 1], and levels ``(n,)``, on one device.
    Nothing is tuned jointly afterwards.

    Raises:
        TypeError, ValueError, DivergenceError: as ``train_predictor``, ``roll_out`` and ``train_stopping``.
    """
    checks.instance("second", second, StopPlan)
    clean, noisy, levels = pictures
    history = train_predictor(unit, clean, noisy, first)
    bank = roll_out(unit, clean, noisy, levels, first.steps, first.loss)
    return TwoStages(history, train_stopping(policy, bank, second))
