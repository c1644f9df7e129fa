"""The two-step linear multistep scheme behind LM-ResNet."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, axpy, axpy_

__all__ = ["LinearTwoStep"]


@dataclass(frozen=True, eq=False)
class LinearTwoStep:
    """u_{n+1} = (1 - k_n) u_n + k_n u_{n-1} + h c_n f(t_n, u_n): two steps, one evaluation of f.

    Lu et al. 2018 (LM-ResNet), where k_n is trained. Derived here: expanding about t_n, the left side minus
    the two skip terms is (1 + k) h u' + (1 - k) h²/2 u'' + O(h³). So c = 1 (``rescale=False``, the paper's
    form) solves u' = f/(1 + k), and c = 1 + k (``rescale=True``) solves u' = f; either has order 1, except k
    = 1 (the leapfrog, also called two-step midpoint), which has order 2. Stable for vanishing steps only if
    -1 < k <= 1: the paper's closed range includes k = -1, where both roots of the characteristic polynomial
    meet at 1.

    With k = -beta it is Polyak's heavy ball. Not Adams–Bashforth, which combines two values of f, and not
    BDF2.

    Args:
        k: a number, a 0-D tensor, or one value per step as a sequence or tensor ``(N,)`` (trainable), N the
            number of steps of the grid. Entry n makes u_{n+1}; entry 0 is used only if there is a state
            before u_0, and not at all by ``start="euler"``.
        rescale: whether f is multiplied by 1 + k_n.
        start: ``"euler"``: u_1 by forward Euler. ``"repeat"``: u_{-1} = u_0 (a first-order start: it costs
            the leapfrog its second order). A tensor shaped like u_0: u_{-1} itself. The paper does not say;
            official code uses a plain residual block, which is ``"euler"`` with ``rescale=False``.
    """

    name: ClassVar[str] = "two-step multistep (LM-ResNet)"
    stages: ClassVar[int] = 1
    two_step: ClassVar[bool] = True

    k: float | Sequence[float] | Tensor = 0.0
    rescale: bool = True
    start: str | Tensor = "euler"

    def __post_init__(self) -> None:
        if isinstance(self.k, Tensor):
            checks.floating("k", self.k)
            with suppress(RuntimeError):  # torch.func.vmap over k: its entries cannot be looked at
                checks.finite("k", self.k)
            if self.k.ndim > 1:
                checks.fail("k", "a number or one value per step", f"a tensor of shape {tuple(self.k.shape)}")
        elif isinstance(self.k, Sequence) and not isinstance(self.k, str):
            object.__setattr__(self, "k", tuple(checks.real(f"k[{n}]", k) for n, k in enumerate(self.k)))
        else:
            checks.real("k", self.k)
        if not isinstance(self.start, Tensor):
            checks.one_of("start", self.start, ("euler", "repeat"), "or a tensor, the state before u_0")

    @property
    def order(self) -> int:
        """Order for u' = f: 2 for the rescaled leapfrog (k = 1), 0 where nothing converges, else 1.

        Nothing converges in the raw form with k != 0 (it solves another equation), nor unless -1 < k <= 1: a
        k above 1 in modulus is unstable for every step, and at k = -1 the rescaled f is multiplied by 0.
        """
        if isinstance(self.k, Tensor):
            values = self.k.detach().reshape(-1).tolist()
        else:
            values = list(self.k) if isinstance(self.k, tuple) else [self.k]
        if not all(-1 < k <= 1 for k in values) or (not self.rescale and any(values)):
            return 0
        repeats = isinstance(self.start, str) and self.start == "repeat"
        return 2 if self.rescale and not repeats and all(k == 1 for k in values) else 1

    def check_steps(self, count: int) -> None:
        """Raise ``ValueError`` if k holds one value per step, but not ``count`` of them."""
        several = isinstance(self.k, tuple) or (isinstance(self.k, Tensor) and self.k.ndim == 1)
        if several and len(self.k) != count:  # type: ignore[arg-type]
            checks.fail(
                "k",
                f"{count} values, one per step of the grid",
                len(self.k),  # type: ignore[arg-type]
                "entry 0 counts, also where the start does not use it",
            )

    def first_step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor) -> Tensor:
        """Return u_1 from u_0 ``(..., d)`` by the chosen start."""
        if isinstance(self.start, Tensor):
            before = checks.same_shape("start", self.start, tuple(u.shape))
            if before.dtype != u.dtype:
                checks.fail("start", f"dtype {u.dtype}, that of u0", f"dtype {before.dtype}", error=TypeError)
            return self.next_step(0, f, t, u, before, h)
        return axpy(u, f(t, u), h) if self.start == "euler" else self.next_step(0, f, t, u, u, h)

    def next_step(self, n: int, f: Field, t: Tensor, u: Tensor, previous: Tensor, h: float | Tensor) -> Tensor:
        """Return u_{n+1} from u_n and u_{n-1}, each ``(..., d)``."""
        k = self.coefficient(n)
        scale = h * (1 + k) if self.rescale else h
        if isinstance(k, Tensor):
            return axpy(u + k * (previous - u), f(t, u), scale)
        return axpy_(torch.lerp(u, previous, k), f(t, u), scale)

    def coefficient(self, n: int) -> float | Tensor:
        """Return k_n; raise ``ValueError`` if there are not that many."""
        if isinstance(self.k, tuple) or (isinstance(self.k, Tensor) and self.k.ndim == 1):
            if n >= len(self.k):
                checks.fail("k", f"at least {n + 1} values, one per step", len(self.k))
            return self.k[n]
        return self.k  # type: ignore[return-value]
