"""What attacks climb and what they check: losses of logits, input gradients, errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from contdepth import checks

__all__ = ["LOSSES", "Loss", "ascent", "checked_inputs", "checked_logits", "checked_model", "margin", "percent"]

Loss = Callable[[Tensor, Tensor], Tensor]


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """max_{c ≠ y} z_c − z_y, (batch,): positive where misclassified (Carlini & Wagner 2017, no confidence)."""
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.amax(1) - logits.gather(1, y[:, None])[:, 0]


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy as log(1 + Σ_{c ≠ y} exp(z_c − z_y)), (batch,).

    The usual softmax rounds p_y to 1 from a margin of about 17 in float32, which loses z_y from the gradient and
    turns it; this form keeps its direction up to a margin of about 100.
    """
    others = logits.scatter(1, y[:, None], -torch.inf)
    return softplus(others.logsumexp(1) - logits.gather(1, y[:, None])[:, 0])


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "margin": margin}


def checked_logits(model: nn.Module, x: Tensor) -> Tensor:
    """model(x), (batch, classes); a clear error unless it has that shape, two classes and finite values."""
    logits = checks.tensor("model(x)", model(x), ndim=2, hint="the model must return logits (batch, classes)")
    if len(logits) != len(x) or logits.shape[1] < 2:
        hint = "the model must return one logit per class"
        checks.fail("model(x)", f"({len(x)}, classes >= 2)", f"shape {tuple(logits.shape)}", hint)
    return checks.finite("model(x)", logits, "look at the model's weights and its input range")


def checked_inputs(x: Tensor, y: Tensor) -> None:
    """Raise unless ``x`` is float (batch, …) in [0, 1] and ``y`` int64 (batch,)."""
    checks.floating("x", x, hint="divide by 255 to get floats in [0, 1]")
    if x.ndim < 2:
        checks.fail("x", "(batch, …), mostly (batch, C, H, W)", f"shape {tuple(x.shape)}", "add a batch dimension")
    if x.numel() and not bool(((x >= 0) & (x <= 1)).all()):
        found = f"values from {x.min().item():.4g} to {x.max().item():.4g}"
        checks.fail("x", "pixels in [0, 1]", found, "divide by 255; normalise inside the model")
    checks.tensor("y", y)
    if y.dtype != torch.int64:
        checks.fail("y", "class numbers of dtype torch.int64", f"dtype {y.dtype}", "call .long()", error=TypeError)
    checks.same_shape("y", y, (len(x),), "one class number for each image")


def checked_model(model: nn.Module) -> None:
    """Raise if any part of ``model`` is in train mode."""
    if isinstance(model, nn.Module) and any(part.training for part in model.modules()):
        checks.fail("model", "a model in eval mode", "train mode", "call model.eval()")


def ascent(model: nn.Module, x: Tensor, delta: Tensor, y: Tensor, loss: Loss) -> tuple[Tensor, Tensor, Tensor]:
    """(loss per sample, its gradient in δ, misclassified) at x + δ; no gradient of the weights is computed."""
    with torch.enable_grad():
        delta = delta.detach().requires_grad_()
        logits = checked_logits(model, x + delta)
        values = loss(logits, y)
        gradient = None
        if values.requires_grad:
            (gradient,) = torch.autograd.grad(values.sum(), delta, allow_unused=True)
    gradient = torch.zeros_like(delta) if gradient is None else gradient
    return values.detach(), gradient.detach(), logits.detach().argmax(1) != y


def percent(mask: Tensor) -> float:
    """Share of True in percent."""
    return 100 * int(mask.sum()) / len(mask)
