"""Learnable filters that stay approximations of given derivatives, whatever an optimiser does to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.pde.filters.moments import (
    filter_from_moments,
    finite_difference,
    fixed_moments,
    moment_matrix,
    multi_index,
)
from contdepth.seeds import generator

__all__ = ["BOUNDARIES", "MomentFilters", "correlate", "pad"]

BOUNDARIES = {"periodic": "circular", "replicate": "replicate"}
_CONVOLUTIONS = {1: nn.functional.conv1d, 2: nn.functional.conv2d, 3: nn.functional.conv3d}


def pad(u: Tensor, width: int, boundary: str = "periodic") -> Tensor:
    """``u`` (batch, fields, *space) with ``width`` >= 0 more points on every side of every space axis.

    ``boundary``: "periodic" wraps around, "replicate" repeats the last point. Raises ``ValueError`` for
    another boundary and for a space axis shorter than 2 width + 1 points, the filter that such a border
    serves. Within ``width`` points of a replicated border a derivative loses its accuracy.
    """
    mode = BOUNDARIES[checks.one_of("boundary", boundary, tuple(BOUNDARIES))]
    space = _space(u)
    width = checks.integer("width", width, at_least=0)
    if min(space) < 2 * width + 1:
        checks.fail(
            "u",
            f"at least {2 * width + 1} points along every space axis for a filter of that size",
            f"a {' x '.join(map(str, space))} grid",
            "take smaller filters or a finer grid",
        )
    return nn.functional.pad(u, (width,) * (2 * len(space)), mode=mode) if width else u


def correlate(u: Tensor, kernels: Tensor, boundary: str = "periodic") -> Tensor:
    """Correlation sum_k kernels[:, k] u(x + k) of every field with every kernel, in one convolution call.

    ``u`` (batch, fields, *space) and ``kernels`` (K, N, ...), N odd, one axis per space axis, give
    (batch, fields, K, *space). Raises as ``pad`` does, and ``ValueError`` where the dimensions do not fit.
    """
    space = _space(u)
    checks.floating("kernels", kernels, ndim=1 + len(space))
    sizes = set(kernels.shape[1:])
    if len(kernels) == 0 or 0 in u.shape[:2]:
        raise ValueError(
            f"kernels: expected at least one kernel and field, found {len(kernels)} and {tuple(u.shape)}"
        )
    if len(sizes) != 1 or min(sizes) % 2 == 0:
        checks.fail("kernels", "filter axes of one odd size", f"shape {tuple(kernels.shape)}")
    if u.dtype != kernels.dtype:
        checks.fail(
            "u", f"dtype {kernels.dtype} as the filters", u.dtype, "call .double() or .float()", error=TypeError
        )
    bordered = pad(u, min(sizes) // 2, boundary).flatten(0, 1).unsqueeze(1)
    return _CONVOLUTIONS[len(space)](bordered, kernels.unsqueeze(1)).unflatten(0, u.shape[:2])


class MomentFilters(nn.Module):
    """One constrained filter per derivative; the flat vector ``free`` of free moments is the parameter.

    ``filters()`` is the finite-difference filter plus the inverse moment map of ``free``, so the moments
    fixed by ``accuracy`` hold to rounding after every step of any optimiser (PDE-Net and PDE-Net 2.0, section
    2). Departure: the papers' code keeps all moments as parameters and projects gradient and parameter in
    each step.

    ``derivatives``: multi-indices of one dimension ``dim`` (1 to 3; taken from them unless given). ``dx``:
    grid step, one number or one per axis. ``accuracy``: order r >= 1 of every filter, a sequence with one
    order per derivative or a mapping multi-index -> order; PDE-Net 1's constraint (moments up to the
    derivative's own order) is 1. With ``frozen_identity`` the derivative of order zero is the exact identity;
    without it, it is PDE-Net 1's averaging filter D_0: sum 1, the rest as ``accuracy`` says. ``init``:
    "finite difference" (free moments zero) or the standard deviation of random free moments drawn from
    ``seed``. ``frozen`` starts with ``free`` untrained. ``forward`` needs fields of the same dtype and
    device.

    Raises ``TypeError`` or ``ValueError`` naming the argument: no or repeated derivatives, a size that cannot
    hold a derivative or an accuracy, steps that are not positive, an unknown boundary or init.
    """

    fixed: Tensor
    scale: Tensor
    places: Tensor

    def __init__(
        self,
        derivatives: Iterable[Sequence[int]],
        size: int = 5,
        dim: int | None = None,
        dx: float | Sequence[float] = 1.0,
        accuracy: int | Sequence[int] | Mapping = 2,
        frozen: bool = False,
        boundary: str = "periodic",
        init: str | float = "finite difference",
        seed: int = 0,
        frozen_identity: bool = True,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        self.derivatives = _distinct(derivatives, dim)
        self.dim, self.size = len(self.derivatives[0]), size
        checks.instance("dtype", dtype, torch.dtype)
        steps = tuple(dx) if isinstance(dx, Iterable) else (dx,) * self.dim
        if len(steps) != self.dim:
            checks.fail("dx", f"one step or {self.dim}, one per axis", repr(dx))
        self.dx = tuple(checks.real("dx", step, above=0, at_most=1e50) for step in steps)
        self.accuracy = _per_derivative(accuracy, self.derivatives)
        self.boundary = str(checks.one_of("boundary", boundary, tuple(BOUNDARIES)))
        masks = torch.stack(
            [
                fixed_moments(size, a, r) | torch.tensor(bool(frozen_identity) and not any(a))
                for a, r in zip(self.derivatives, self.accuracy, strict=True)
            ]
        )
        scales = [math.prod(h**i for h, i in zip(self.dx, a, strict=True)) for a in self.derivatives]
        fixed = torch.stack([finite_difference(size, a) for a in self.derivatives])
        self.register_buffer("fixed", fixed.to(dtype), persistent=False)
        scale = torch.tensor(scales, dtype=dtype).view(-1, *[1] * self.dim)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("places", (~masks).flatten().nonzero().flatten(), persistent=False)
        self.free = nn.Parameter(_initial(init, len(self.places), seed).to(dtype))
        self.freeze(frozen)

    def extra_repr(self) -> str:
        return (
            f"{len(self.derivatives)} derivatives, size={self.size}, dim={self.dim}, dx={self.dx}, "
            f"accuracy={self.accuracy}, boundary={self.boundary!r}, free={self.free.numel()}, "
            f"frozen={not self.free.requires_grad}"
        )

    def freeze(self, frozen: bool = True) -> MomentFilters:
        """Stop (or with False resume) training ``free``; its values stay. Returns the module."""
        self.free.requires_grad_(not frozen)
        return self

    def index(self, alpha: Sequence[int]) -> int:
        """The place of the derivative ``alpha`` on the axis K; ``ValueError`` where there is none."""
        alpha = checks.one_of("alpha", multi_index("alpha", alpha, self.dim), self.derivatives)
        return self.derivatives.index(alpha)

    def labels(self) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """For every entry of ``free``, its derivative and the multi-index of its moment."""
        shape = (len(self.derivatives), *[self.size] * self.dim)
        return [
            (self.derivatives[k], tuple(b))
            for k, *b in torch.stack(torch.unravel_index(self.places.cpu(), shape), 1).tolist()
        ]

    def filters(self) -> Tensor:
        """The filters on the unit grid, (K, size, ...), differentiable in ``free``."""
        if not self.free.numel():
            return self.fixed
        moments = self.free.new_zeros(self.fixed.numel()).index_copy(0, self.places, self.free)
        return self.fixed + filter_from_moments(moments.view_as(self.fixed), self.dim)

    def mirrored(self, axes: Sequence[int] | None = None) -> Tensor:
        """The filters reflected along ``axes`` (all unless given), (-1)^|alpha| q(-k): (K, size, ...).

        Each again approximates its derivative to the same accuracy; pseudo-upwinding (PDE-Net 2.0) chooses
        between a first derivative's filter and its mirror image by the sign of the velocity. Along some of
        the axes only, the sign is (-1) to the orders along those.
        """
        axes = range(self.dim) if axes is None else axes
        axes = {checks.integer("axes", axis, at_least=0, at_most=self.dim - 1) for axis in axes}  # type: ignore[assignment]
        signs = [(-1.0) ** sum(alpha[axis] for axis in axes) for alpha in self.derivatives]
        signs = self.scale.new_tensor(signs).view_as(self.scale)  # type: ignore[assignment]
        return signs * self.filters().flip([1 + axis for axis in axes])  # type: ignore[return-value]

    def kernels(self, mirrored: bool = False) -> Tensor:
        """The filters (or their mirror images) over dx^alpha, (K, size, ...): what ``correlate`` applies."""
        return (self.mirrored() if mirrored else self.filters()) / self.scale

    def moments(self) -> Tensor:
        """The moment matrices computed from ``filters()``, (K, size, ...)."""
        return moment_matrix(self.filters(), self.dim)

    def forward(self, u: Tensor) -> Tensor:
        """All derivatives of ``u`` (batch, fields, *space) in one convolution: (batch, fields, K, *space)."""
        if len(_space(u)) != self.dim:
            checks.fail("u", f"(batch, fields, *space) with {self.dim} space axes", f"shape {tuple(u.shape)}")
        return correlate(u, self.kernels(), self.boundary)


def _space(u: Tensor) -> tuple[int, ...]:
    if checks.floating("u", u).ndim not in (3, 4, 5):
        checks.fail("u", "shape (batch, fields, *space) with 1 to 3 space axes", f"shape {tuple(u.shape)}")
    return tuple(u.shape[2:])


def _distinct(derivatives: Iterable[Sequence[int]], dim: int | None) -> tuple[tuple[int, ...], ...]:
    found = tuple(multi_index("derivatives", alpha, dim) for alpha in derivatives)
    if not found or len(set(found)) != len(found) or len({len(alpha) for alpha in found}) != 1:
        checks.fail("derivatives", "one or more multi-indices, all different, of one dimension", repr(found))
    return found


def _per_derivative(accuracy: int | Sequence[int] | Mapping, derivatives: tuple) -> tuple[int, ...]:
    if isinstance(accuracy, Mapping):
        if set(accuracy) != set(derivatives):
            checks.fail("accuracy", f"one order for each of {derivatives}", repr(accuracy))
        return tuple(accuracy[alpha] for alpha in derivatives)
    orders = tuple(accuracy) if isinstance(accuracy, Sequence) else (accuracy,) * len(derivatives)
    if len(orders) != len(derivatives):
        checks.fail("accuracy", f"one order or {len(derivatives)}, one per derivative", repr(accuracy))
    return orders


def _initial(init: str | float, count: int, seed: int) -> Tensor:
    if isinstance(init, str):
        checks.one_of("init", init, ("finite difference",), "or give the scale of random free moments")
        return torch.zeros(count, dtype=torch.float64)
    scale = checks.real("init", init, at_least=0)
    return scale * torch.randn(count, dtype=torch.float64, generator=generator(seed, "filters"))
