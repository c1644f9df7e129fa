"""What attacks climb and what they check: losses of logits, input gradients, errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import softplus

from contdepth import checks
from contdepth.training.replay import recording

__all__ = [
    "LOSSES",
    "Loss",
    "answer",
    "ascent",
    "checked_batch",
    "checked_inputs",
    "checked_labels",
    "checked_logits",
    "checked_model",
    "checked_output",
    "margin",
    "percent",
    "training_loss",
]

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)

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


def training_loss(logits: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
    """PyTorch's cross-entropy of labels that are checked; its own would skip the label −100 in silence."""
    checked_labels(y, logits.shape[1])
    checks.same_shape("y", y, (len(logits),), "one class number for each image")
    return functional.cross_entropy(logits, y, reduction=reduction)


def answer(model: nn.Module, x: Tensor) -> Tensor:
    """What ``model`` makes of a copy of ``x``: a model that works in place cannot write into the caller's images.

    Raises:
        TypeError: the model fails, and none of its weights has the dtype of ``x``.
    """
    try:
        return model(x.clone())
    except RuntimeError:
        dtypes = [p.dtype for p in model.parameters()] if isinstance(model, nn.Module) else []
        if not dtypes or x.dtype in dtypes:
            raise
        hint = f"convert the images, x.to({dtypes[0]}), or the model, model.to({x.dtype})"
        checks.fail("x", f"dtype {dtypes[0]}, that of the model", f"dtype {x.dtype}", hint, error=TypeError)


def checked_output(logits: object, count: int) -> Tensor:
    """``logits`` if a model can have returned them for ``count`` images: floats (count, classes >= 2)."""
    logits = checks.floating("model(x)", logits, ndim=2, hint="the model must return logits (batch, classes)")
    if len(logits) != count or logits.shape[1] < 2:
        hint = "the model must return one logit per class"
        checks.fail("model(x)", f"({count}, classes >= 2)", f"shape {tuple(logits.shape)}", hint)
    return logits


def checked_labels(y: Tensor, classes: int) -> None:
    """Raise unless ``y`` is int64, not empty, and every class number in it is one of ``classes``."""
    if checks.tensor("y", y).dtype != torch.int64:
        checks.fail("y", "class numbers of dtype torch.int64", f"dtype {y.dtype}", "call .long()", error=TypeError)
    if y.numel() == 0:
        checks.fail("y", "at least one class number", f"shape {tuple(y.shape)}")
    if recording():
        return
    least, most = (int(end) for end in y.aminmax())
    if least < 0 or most >= classes:
        checks.fail("y", f"classes 0 to {classes - 1}", f"{least} to {most}", "check the labels")


def checked_logits(model: nn.Module, x: Tensor, y: Tensor | None = None) -> Tensor:
    """model(x), (batch, classes); a clear error unless so, finite, and with every class of ``y``."""
    logits = checked_output(answer(model, x), len(x))
    if y is not None:
        checked_labels(y, logits.shape[1])
    return checks.finite("model(x)", logits, "look at the model's weights and its input range")


def checked_batch(argument: str, value: object, hint: str = "") -> Tensor:
    """``value`` if it is a tensor (batch, …) of real floating-point numbers, at least one for each image."""
    found = checks.floating(argument, value, hint=hint)
    if found.dtype not in DTYPES:
        expected, hint = "a real dtype of 16 bits or more", f"call {argument}.float()"
        checks.fail(argument, expected, f"dtype {found.dtype}", hint, error=TypeError)
    if found.ndim < 2:
        expected, hint = "(batch, …), mostly (batch, C, H, W)", "add a batch dimension"
        checks.fail(argument, expected, f"shape {tuple(found.shape)}", hint)
    if 0 in found.shape[1:]:
        checks.fail(argument, "images with pixels", f"shape {tuple(found.shape)}")
    return found


def checked_inputs(x: Tensor, y: Tensor) -> None:
    """Raise unless ``x`` is float (batch, …) in [0, 1], not empty, and ``y`` int64 (batch,) on the same device."""
    checked_batch("x", x, "divide by 255 to get floats in [0, 1]")
    if len(x) == 0:
        checks.fail("x", "at least one image", f"shape {tuple(x.shape)}")
    if not recording() and not bool(((x >= 0) & (x <= 1)).all()):
        found = f"values from {x.min().item():.4g} to {x.max().item():.4g}"
        checks.fail("x", "pixels in [0, 1]", found, "divide by 255; normalise inside the model")
    checks.tensor("y", y)
    if y.dtype != torch.int64:
        checks.fail("y", "class numbers of dtype torch.int64", f"dtype {y.dtype}", "call .long()", error=TypeError)
    checks.same_shape("y", y, (len(x),), "one class number for each image")
    if y.device != x.device:
        checks.fail("y", f"a tensor on {x.device}, as x", f"one on {y.device}", "move it there")


def checked_model(model: nn.Module) -> None:
    """Raise if ``model`` cannot be called, or any part of it is in train mode."""
    if not callable(model):
        checks.fail("model", "a torch.nn.Module", type(model).__name__, error=TypeError)
    if isinstance(model, nn.Module) and any(part.training for part in model.modules()):
        checks.fail("model", "a model in eval mode", "train mode", "call model.eval()")


def ascent(model: nn.Module, x: Tensor, delta: Tensor, y: Tensor, loss: Loss) -> tuple[Tensor, Tensor, Tensor]:
    """(loss per sample, its gradient in δ, misclassified) at x + δ; no gradient of the weights is computed."""
    with torch.enable_grad():
        delta = delta.detach().requires_grad_()
        logits = checked_logits(model, x + delta, y)
        values = loss(logits, y)
        gradient = None
        if values.requires_grad:
            (gradient,) = torch.autograd.grad(values.sum(), delta, allow_unused=True)
    gradient = torch.zeros_like(delta) if gradient is None else gradient
    return values.detach(), gradient.detach(), logits.detach().argmax(1) != y


def percent(mask: Tensor) -> float:
    """Share of True in percent."""
    return 100 * int(mask.sum()) / len(mask)
