"""What all ways of training share: a step on a batch, a scale for the ε-ramp, a precision, noise, steps of δ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from typing import TypedDict

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.robust.losses import answer, checked_batch, checked_inputs, checked_output, training_loss
from contdepth.robust.threat import Threat, budget, check_threat
from contdepth.seeds import generator

__all__ = ["Method", "Natural", "Options", "Step", "Stepped", "Steps"]


class Step:
    """What one step leaves: the ``loss`` trained on, the share of ``errors`` there, and the last ``delta``.

    Loss and errors may come as tensors without dimensions that a device is still computing (``numbers``); to read
    them is to wait for it, and gives floats.
    """

    def __init__(self, loss: Tensor | float, errors: Tensor | float, delta: Tensor | None = None) -> None:
        self.numbers, self.delta = (loss, errors), delta

    @property
    def loss(self) -> float:
        return float(self.numbers[0])

    @property
    def errors(self) -> float:
        return float(self.numbers[1])


class Options(TypedDict, total=False):
    """Keyword arguments of every method, see :class:`Method`."""

    precision: str
    seed: int


class Steps(Options):
    """Keyword arguments of methods that move δ in steps, see :class:`Stepped`."""

    threat: Threat
    steps: int
    step_size: Fraction | str | float


class Method(ABC):
    """A way to train ``model``: ``step`` takes a batch from pixels to updated weights.

    ``x`` is (batch, …) with pixels in [0, 1] (normalise inside the model), ``y`` int64 (batch,). ``scale`` in
    (0, 1] shrinks ε and every step size together: the handle of an ε-ramp. ``precision`` is ``"fp32"`` (the
    model's own dtype) or ``"bf16"`` (autocast). The model's mode is the caller's, unless a subclass says
    otherwise. Random starts come from ``source``, a CPU generator, so every device draws the same numbers;
    ``train`` puts one of the device in its place where it records steps.

    Raises:
        TypeError, ValueError: ``model`` is no module; in ``step``, a bad ``x`` or ``y``, logits that are not
            (batch, classes), an optimiser without any of the model's trainable weights.
    """

    threat: Threat | None = None
    updates = 1
    """Weight updates in one step."""

    def __init__(self, model: nn.Module, *, precision: str = "fp32", seed: int = 0) -> None:
        if not isinstance(model, nn.Module):
            checks.fail("model", "a torch.nn.Module", type(model).__name__, error=TypeError)
        self.model = model
        self.precision = checks.one_of("precision", precision, ("fp32", "bf16"))
        self.source = generator(seed, "robust")
        self.scale = 1.0

    @property
    def now(self) -> Threat:
        """The threat at the present scale."""
        return self.threat if self.scale == 1 else self.threat.scaled(self.scale)  # type: ignore[return-value, union-attr]

    def step(self, x: Tensor, y: Tensor, optimiser: torch.optim.Optimizer) -> Step:
        """Gradients on one batch, then one update of the weights."""
        checked_inputs(x, y)
        checked_optimiser(optimiser, self.model)
        return self.update(x.detach(), y, optimiser)

    def update(self, x: Tensor, y: Tensor, optimiser: torch.optim.Optimizer) -> Step:
        """``step`` on arguments that are checked."""
        optimiser.zero_grad(set_to_none=True)
        result = self.gradients(x, y)
        optimiser.step()
        return result

    @abstractmethod
    def gradients(self, x: Tensor, y: Tensor) -> Step:
        """Add this batch's gradient to every parameter's ``.grad``; no update."""

    def logits(self, x: Tensor) -> Tensor:
        """The model's output in the precision of the run, as at least float32; a copy of ``x`` goes in."""
        with self.autocast(checked_batch("x", x)):
            out = checked_output(answer(self.model, x), len(x))
        return out if out.dtype == torch.float64 else out.float()

    def autocast(self, x: Tensor) -> torch.autocast:
        return torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def input_gradient(self, x: Tensor, delta: Tensor, y: Tensor) -> Tensor:
        """Gradient of the summed cross-entropy with respect to δ, same shape; no gradient reaches the weights."""
        delta = delta.detach().requires_grad_()
        loss = training_loss(self.logits(x + delta), y, reduction="sum")
        return torch.autograd.grad(loss, delta)[0]

    def trained_on(self, x: Tensor, y: Tensor, delta: Tensor | None = None, weight: float = 1.0) -> Step:
        """Backward pass of weight · mean cross-entropy at x + δ."""
        logits = self.logits(x if delta is None else x + delta)
        loss = training_loss(logits, y)
        (weight * loss).backward()
        return Step(loss.detach(), errors(logits, y), delta)

    def state(self) -> dict[str, Tensor]:
        """What a method carries from batch to batch, for a checkpoint."""
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:  # noqa: B027 (most methods carry nothing)
        """Take up a stored ``state``."""


class Stepped(Method):
    """A method whose δ takes r = ``steps`` steps of size σ = ``step_size`` inside ``threat``.

    σ is in units of the pixel range ("2/255", 0.01) and kept as an exact fraction, ``sigma``. ``precision``: see
    ``Method``; ``seed`` is that of its ``source``.

    Raises:
        TypeError, ValueError: ``threat`` is none, ``steps`` below 1, ``step_size`` no positive fraction.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        threat: Threat,
        steps: int,
        step_size: Fraction | str | float,
        precision: str = "fp32",
        seed: int = 0,
    ) -> None:
        super().__init__(model, precision=precision, seed=seed)
        self.threat = check_threat(threat)
        self.steps = checks.integer("steps", steps, at_least=1)
        self.sigma = budget("step_size", step_size)

    def begin(self, x: Tensor, delta: Tensor | None = None) -> tuple[Threat, float, Tensor]:
        """Threat and σ at the present scale, and the first δ: ``delta`` projected, or a random start if None."""
        threat, sigma = self.now, float(self.sigma) * self.scale
        return threat, sigma, threat.start(x, self.source) if delta is None else threat.project(delta, x)


class Natural(Method):
    """Training on clean images: the yardstick of every cost."""

    def gradients(self, x: Tensor, y: Tensor) -> Step:
        return self.trained_on(x, y)


def errors(logits: Tensor, y: Tensor) -> Tensor:
    """Share of wrong labels, a tensor without dimensions."""
    return (logits.argmax(1) != y).float().mean()


def checked_optimiser(optimiser: torch.optim.Optimizer, model: nn.Module) -> None:
    """Raise unless a step of ``optimiser`` can move a weight of ``model``."""
    if not hasattr(optimiser, "param_groups") or isinstance(optimiser, torch.optim.LBFGS):
        found = type(optimiser).__name__
        checks.fail("optimiser", "one that steps without a closure, such as Adam", found, error=TypeError)
    weights = {id(p) for p in trainable(model)}
    if not any(id(p) in weights for group in optimiser.param_groups for p in group["params"]):
        hint = "make it from model.parameters()"
        checks.fail("optimiser", "trainable parameters of the model", "none of them", hint)


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of ``model`` that are not frozen; an error if there is none."""
    found = [p for p in model.parameters() if p.requires_grad]
    if not found:
        hint = "call requires_grad_() on what is to be trained"
        checks.fail("model", "at least one trainable parameter", "none, or all frozen", hint)
    return found
