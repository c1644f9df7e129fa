"""The rivals: adversarial training by full passes (Madry), Free-m, FGSM with a random start, N-FGSM."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.robust.losses import checked_batch
from contdepth.robust.methods.method import Method, Options, Step, Stepped, Steps
from contdepth.robust.methods.mode import in_mode
from contdepth.robust.threat import Threat, check_threat

__all__ = ["FGSMRS", "NFGSM", "FreeTraining", "PGDTraining", "SummedPGD"]


class PGDTraining(Stepped):
    """Adversarial training by projected gradient ascent, r = ``steps`` (Madry et al. 2018, arXiv 1706.06083).

    From a random start r times δ ← Proj(δ + σ·direction(∇_δ ℓ(x + δ))), each a full forward and backward pass for
    the input alone, then one update on the loss at x + δ. ``clean_weight`` = 1 adds the loss at x, as the
    authors of YOPO do in their baseline; 0 is Madry's recipe. ``attack_mode``: mode of the model while δ is
    sought, ``"eval"`` (running statistics, which stay as they are) or ``"train"``.
    Other arguments: see ``Stepped``.
    """

    def __init__(
        self, model: nn.Module, *, clean_weight: float = 0.0, attack_mode: str = "eval", **settings: Unpack[Steps]
    ) -> None:
        super().__init__(model, **settings)
        self.clean_weight = checks.real("clean_weight", clean_weight, at_least=0)
        self.attack_mode = checks.one_of("attack_mode", attack_mode, ("eval", "train"))

    def gradients(self, x: Tensor, y: Tensor, delta: Tensor | None = None) -> Step:
        threat, sigma, delta = self.begin(x, delta)
        with in_mode(self.model, self.attack_mode == "train"):
            for _ in range(self.steps):
                delta = threat.ascend(delta, x, self.input_gradient(x, delta, y), sigma)
        result = self.trained_on(x, y, delta)
        if self.clean_weight:
            self.trained_on(x, y, weight=self.clean_weight)
        return result


class SummedPGD(Stepped):
    """PGD whose r passes serve the weights as well: their gradients are added up, the last δ is not trained on.

    The weights' side of YOPO-r-n with an affine first layer and steps of nσ, but for the first layer itself, which
    YOPO trains at the new δ of each pass. ``average``: divide the sum by r. The model stays in its mode.
    Other arguments: see ``Stepped``.
    """

    def __init__(self, model: nn.Module, *, average: bool = False, **settings: Unpack[Steps]) -> None:
        super().__init__(model, **settings)
        self.average = bool(average)

    def gradients(self, x: Tensor, y: Tensor, delta: Tensor | None = None) -> Step:
        threat, sigma, delta = self.begin(x, delta)
        for _ in range(self.steps):
            delta = delta.detach().requires_grad_()
            result = self.trained_on(x, y, delta, weight=1 / self.steps if self.average else 1.0)
            delta = threat.ascend(delta.detach(), x, delta.grad, sigma)  # type: ignore[arg-type]
        return Step(*result.numbers, delta)


class FreeTraining(Method):
    """Free-m: every batch m = ``replays`` times, each pass serving weights and δ (Shafahi et al. 2019).

    δ is carried from batch to batch; a pass updates the weights at x + δ and then moves δ by a step of ε. One
    ``step`` is m updates, so a run of as many steps as another's takes m times its updates.
    """

    def __init__(self, model: nn.Module, *, threat: Threat, replays: int, **options: Unpack[Options]) -> None:
        super().__init__(model, **options)
        self.threat = check_threat(threat)
        self.updates = self.replays = checks.integer("replays", replays, at_least=1)
        self.delta: Tensor | None = None

    def update(self, x: Tensor, y: Tensor, optimiser: torch.optim.Optimizer) -> Step:
        for _ in range(self.replays):
            result = super().update(x, y, optimiser)
        return result

    def gradients(self, x: Tensor, y: Tensor) -> Step:
        threat, x = self.now, checked_batch("x", x)
        if self.delta is None or self.delta.shape[1:] != x.shape[1:] or len(self.delta) < len(x):
            self.delta = torch.zeros_like(x)
        self.delta = self.delta.to(x)
        delta = threat.project(self.delta[: len(x)], x).requires_grad_()
        result = self.trained_on(x, y, delta)
        self.delta[: len(x)] = threat.ascend(delta.detach(), x, delta.grad, threat.radius)  # type: ignore[arg-type]
        return Step(*result.numbers, delta.detach())

    def state(self) -> dict[str, Tensor]:
        return {} if self.delta is None else {"delta": self.delta}

    def load_state(self, state: dict[str, Tensor]) -> None:
        self.delta = state.get("delta")


class FGSMRS(Method):
    """One step from a random start in the ball (Wong, Rice, Kolter 2020, arXiv 2001.03994; "Fast").

    δ ← Proj(δ_0 + α·direction), α = ``factor``·ε, theirs 1.25. The model stays in its mode throughout.
    """

    noise, clip = 1.0, True

    def __init__(
        self, model: nn.Module, *, threat: Threat, factor: float = 1.25, **options: Unpack[Options]
    ) -> None:
        super().__init__(model, **options)
        self.threat = check_threat(threat)
        self.factor = checks.real("factor", factor, above=0)

    def gradients(self, x: Tensor, y: Tensor) -> Step:
        threat = self.now
        delta = threat.start(x, self.source, self.noise)
        delta = delta + self.factor * threat.radius * threat.direction(self.input_gradient(x, delta, y))
        delta = threat.project(delta, x) if self.clip else (x + delta).clamp(0, 1) - x
        return self.trained_on(x, y, delta)


class NFGSM(FGSMRS):
    """One step of α = ε from noise of size k·ε, without clipping to the ball (de Jorge et al. 2022, 2202.01181).

    ``noise`` = k, theirs 2. The training point may lie up to (1 + k)ε from the image; pixels stay in [0, 1].
    """

    clip = False

    def __init__(
        self,
        model: nn.Module,
        *,
        threat: Threat,
        factor: float = 1.0,
        noise: float = 2.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(model, threat=threat, factor=factor, **options)
        self.noise = checks.real("noise", noise, above=0)
