"""The right-hand side with its count, and what a loop needs to know of its state."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth.schemes.base import Field, plain, transforms
from contdepth.schemes.base import _checked as checked

__all__ = ["Flow", "along", "number", "numbers_of"]


@dataclass
class Flow:
    """f with the shape of its states; ``calls`` counts its evaluations, ``jacobians`` those of df/du.

    ``raw`` is f as it was given, whose values nobody checks. A value is looked at shortly; where it is odd, f is
    called again and says what is wrong. ``batches``: its derivatives have not refused to be batched.
    """

    f: Field
    shape: torch.Size
    calls: int = 0
    jacobians: int = 0
    batches: bool = True

    def __post_init__(self) -> None:
        self.raw = self.f
        self.f = checked(self.f, self.shape)
        self.flat, self.counted = len(self.shape) == 1, not torch.is_inference_mode_enabled()

    def __call__(self, t: Tensor, u: Tensor) -> Tensor:
        self.calls += 1
        state = u if self.flat else u.view(self.shape)
        before = (t._version, state._version) if self.counted else None
        value = self.raw(t, state)
        odd = not isinstance(value, Tensor) or value.shape != self.shape or value.dtype != state.dtype
        if odd or self.counted and before != (t._version, state._version):
            return self.f(t, state)
        return value


def along(t: Tensor, h: float | Tensor, share: float) -> Tensor:
    """Return the time t + share h."""
    if not share:
        return t
    return torch.add(t, h, alpha=share) if isinstance(h, Tensor) else t + share * h


def number(value: Tensor) -> float:
    """Return the number that ``value`` holds; of those that torch.func batches, the largest."""
    return float(plain(value).max()) if transforms() else value.item()


def numbers_of(rows: tuple[tuple[float, ...], ...], like: Tensor) -> list[Tensor]:
    """Return the rows as tensors beside ``like``."""
    return [torch.tensor(row, dtype=like.dtype, device=like.device) for row in rows]
