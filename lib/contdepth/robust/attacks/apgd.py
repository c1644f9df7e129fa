"""Auto-PGD (Croce & Hein 2020, arXiv 2003.01690): PGD that sets its own step size, with CE, DLR and targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.robust.attacks.pgd import Attack, Found, Runs, blank, store
from contdepth.robust.losses import LOSSES, Loss, ascent, checked_logits
from contdepth.robust.threat import Threat

__all__ = ["APGD", "APGDTargeted", "checkpoints"]

MOMENTUM, RISES = 0.75, 0.75


def checkpoints(steps: int) -> list[int]:
    """Iterations w_j = ⌈p_j·steps⌉ with p_0 = 0, p_1 = 0.22, p_{j+1} = p_j + max(p_j − p_{j−1} − 0.03, 0.06)."""
    shares = [0, 22]
    while shares[-1] < 100:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 3, 6))
    return sorted({-(-share * steps // 100) for share in shares if share <= 100})


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    """Difference of logits ratio, max_{c ≠ y} z_c − z_y over z_π1 − z_π3 (eq. 6), (batch,)."""
    if logits.shape[1] < 3:
        checks.fail("model(x)", "3 classes or more for loss 'dlr'", logits.shape[1], "use loss='ce' or 'margin'")
    top = logits.topk(3, dim=1).values
    return LOSSES["margin"](logits, y) / span(top[:, 0] - top[:, 2])


def targeted(logits: Tensor, y: Tensor, target: Tensor, ratio: bool) -> Tensor:
    """z_t − z_y, over z_π1 − (z_π3 + z_π4)/2 if ``ratio`` (eq. 7), (batch,)."""
    difference = (logits.gather(1, target[:, None]) - logits.gather(1, y[:, None]))[:, 0]
    if not ratio:
        return difference
    top = logits.topk(4, dim=1).values
    return difference / span(top[:, 0] - (top[:, 2] + top[:, 3]) / 2)


def span(difference: Tensor) -> Tensor:
    """A difference of logits to divide by: itself at any scale of the logits, 1 where there is none."""
    return torch.where(difference > torch.finfo(difference.dtype).tiny, difference, 1)


def climb(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    steps: int,
    source: torch.Generator,
    loss_of: Callable[[Tensor], Loss],
) -> Found:
    """One run of Algorithm 1 on images (n, …); ``loss_of(rows)`` is the loss of the images still attacked."""
    found = blank(x)
    rows, checks_at = torch.arange(len(x), device=x.device), checkpoints(steps)
    delta = threat.start(x, source)
    values, gradient, fooled = ascent(model, x, delta, y, loss_of(rows))
    size = torch.full((len(x),) + (1,) * (x.ndim - 1), 2 * threat.radius, device=x.device, dtype=x.dtype)
    state = {
        "x": x,
        "y": y,
        "rows": rows,
        "delta": delta,
        "before": delta,
        "values": values,
        "gradient": gradient,
        "best": delta,
        "best_values": values,
        "best_gradient": gradient,
        "size": size,
        "rises": torch.zeros_like(values),
        "checked": values,
        "halved": torch.ones_like(fooled),
    }
    since = 0
    for step in range(1, steps + 1):
        if bool(fooled.any()):
            store(found, state["rows"][fooled], state["delta"][fooled], True, state["values"][fooled])
            state = {name: part[~fooled] for name, part in state.items()}
        if len(state["rows"]) == 0:
            return found
        s = state
        ahead = threat.ascend(s["delta"], s["x"], s["gradient"], s["size"])
        if step > 1:
            drift = s["delta"] - s["before"]
            ahead = threat.project(s["delta"] + MOMENTUM * (ahead - s["delta"]) + (1 - MOMENTUM) * drift, s["x"])
        values, gradient, fooled = ascent(model, s["x"], ahead, s["y"], loss_of(s["rows"]))
        s["rises"] = s["rises"] + (values > s["values"])
        s.update(before=s["delta"], delta=ahead, values=values, gradient=gradient)
        better = values > s["best_values"]
        s["best"] = where(better, ahead, s["best"])
        s["best_gradient"] = where(better, gradient, s["best_gradient"])
        s["best_values"] = torch.where(better, values, s["best_values"])
        if step in checks_at:
            halve = must_halve(s["rises"], step - since, s["halved"], s["best_values"], s["checked"])
            s.update(halved=halve, checked=s["best_values"], rises=torch.zeros_like(values))
            s["size"] = where(halve, s["size"] / 2, s["size"])
            back = halve & ~fooled
            s["delta"] = where(back, s["best"], s["delta"])
            s["gradient"] = where(back, s["best_gradient"], s["gradient"])
            s["values"] = torch.where(back, s["best_values"], s["values"])
            since = step
    left = ~fooled
    store(found, state["rows"][fooled], state["delta"][fooled], True, state["values"][fooled])
    store(found, state["rows"][left], state["best"][left], False, state["best_values"][left])
    return found


def must_halve(rises: Tensor, steps: int, halved: Tensor, best: Tensor, checked: Tensor) -> Tensor:
    """Conditions 1 and 2 since the last checkpoint: few rises, or no better point with an unhalved step."""
    return (rises < RISES * steps) | (~halved & (best <= checked))


def where(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """``yes`` in the images of ``mask`` (batch,), ``no`` in the others."""
    return torch.where(mask.view(-1, *[1] * (no.ndim - 1)), yes, no)


@dataclass(frozen=True)
class APGD(Attack):
    """APGD with ``loss`` "ce", "dlr" or "margin": step size 2ε at first, halved by two rules at checkpoints.

    An image leaves at its first misclassified point. Departures from Algorithm 1: starts are uniform in the ball
    (:meth:`Threat.start`), and the ℓ2 projection is the threat's.
    """

    steps: int = 100
    restarts: int = 1
    loss: str = "ce"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integer("steps", self.steps, at_least=1)
        checks.integer("restarts", self.restarts, at_least=1)
        checks.one_of("loss", self.loss, (*LOSSES, "dlr"))

    def runs(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Runs:
        """One start each."""
        loss = dlr if self.loss == "dlr" else LOSSES[self.loss]
        return [
            lambda rows: climb(model, x[rows], y[rows], self.threat, self.steps, source, lambda _: loss)
        ] * self.restarts


@dataclass(frozen=True)
class APGDTargeted(Attack):
    """APGD on the targeted DLR loss, one run for each of the ``targets`` most likely wrong classes.

    The ratio needs four classes. With fewer, ``fallback=True`` takes the plain difference z_t − z_y instead;
    without it, ``ValueError``. With fewer than ``targets`` + 1 classes all wrong classes are targets.
    """

    steps: int = 100
    restarts: int = 1
    targets: int = 9
    fallback: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("steps", "restarts", "targets"):
            checks.integer(name, getattr(self, name), at_least=1)

    def runs(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Runs:
        """All targets in turn, the most likely first, and again for every restart."""
        logits = checked_logits(model, x, y)
        classes = logits.shape[1]
        if classes < 4 and not self.fallback:
            hint = "pass fallback=True for the plain logit difference, or use APGD(loss='ce')"
            checks.fail("model(x)", "4 classes or more for the targeted DLR loss", classes, hint)
        wrong = logits.scatter(1, y[:, None], -math.inf)
        ranked = wrong.topk(min(self.targets, classes - 1), dim=1).indices

        def run(target: Tensor) -> Callable[[Tensor], Found]:
            def on(rows: Tensor) -> Found:
                own = target[rows]

                def loss_of(left: Tensor) -> Loss:
                    return lambda z, labels: targeted(z, labels, own[left], classes >= 4)

                return climb(model, x[rows], y[rows], self.threat, self.steps, source, loss_of)

            return on

        return [run(target) for _ in range(self.restarts) for target in ranked.T]
