"""What every density model of this room offers: a map to a standard normal law and back, with its volume.

Letters: ``x`` points and ``z`` their images under the map to the base, both ``(..., d)``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contdepth import checks

__all__ = ["DensityModel", "Drawn", "Pushed", "standard_normal"]


class Pushed(NamedTuple):
    """Points ``x`` ``(..., d)`` that a map has moved and ln|det| of its Jacobian there, ``log_det`` ``(...)``."""

    x: Tensor
    log_det: Tensor


class Drawn(NamedTuple):
    """Points ``x`` ``(n, d)`` drawn from a model and the logarithm of its density there, ``(n,)``."""

    x: Tensor
    log_density: Tensor


def standard_normal(z: Tensor) -> Tensor:
    """Return the logarithm of the standard normal density at ``z`` ``(..., d)``, ``(...)``."""
    return -0.5 * (z.square().sum(-1) + z.shape[-1] * math.log(2 * math.pi))


class DensityModel(nn.Module):
    """A law on R^d as the image of the standard normal one; subclasses give ``to_base`` and ``from_base``.

    What has a probe or a number of terms to draw is given a ``generator``; the others refuse one.

    Args:
        dimension: d.
        like: where its points are, and of which dtype; moving the model moves this with it.
    """

    def __init__(self, dimension: int, like: Tensor | None = None) -> None:
        super().__init__()
        checks.affordable("dimension", checks.integer("dimension", dimension, at_least=1))
        self.dimension = int(dimension)
        where = torch.zeros(0) if like is None else checks.reals("like", like)
        self.register_buffer("origin", where.new_zeros(self.dimension), persistent=False)

    origin: Tensor

    def to_base(self, x: Tensor, generator: torch.Generator | None = None) -> Pushed:
        """Return the images z of ``x`` ``(..., d)`` in the base, with ln|det dz/dx|."""
        raise NotImplementedError

    def from_base(self, z: Tensor, generator: torch.Generator | None = None) -> Pushed:
        """Return the points x whose images are ``z`` ``(..., d)``, with ln|det dx/dz|."""
        raise NotImplementedError

    def moved(self, z: Tensor) -> Tensor:
        """Return the points whose images are ``z`` ``(..., d)``, without the volume."""
        return self.from_base(z).x

    def log_density(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return ln p(x) ``(...)`` of points ``(..., d)``: that of the base at z plus ln|det dz/dx|."""
        z, log_det = self.to_base(x, generator)
        return standard_normal(z) + log_det

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """As :meth:`log_density`."""
        return self.log_density(x, generator)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` points ``(count, d)``, differentiable in the parameters; no volume is computed."""
        return self.moved(self._draw(count, generator))

    def draw(self, count: int, generator: torch.Generator) -> Drawn:
        """Draw ``count`` points with the logarithm of their density: what a variational loss takes."""
        z = self._draw(count, generator)
        x, log_det = self.from_base(z, generator if self.chance else None)
        return Drawn(x, standard_normal(z) - log_det)

    @property
    def chance(self) -> bool:
        """Whether the volume is estimated, so that its calls need a generator."""
        return False

    def _draw(self, count: int, generator: torch.Generator) -> Tensor:
        checks.affordable("count", checks.integer("count", count, at_least=1), self.dimension)
        checks.instance("generator", generator, torch.Generator, "make one with contdepth.seeds.generator")
        shape, dtype = (count, self.dimension), self.origin.dtype
        drawn = torch.randn(shape, generator=generator, dtype=dtype, device=generator.device)
        return drawn.to(self.origin.device)

    def _placed(self, argument: str, x: Tensor) -> Tensor:
        """Return ``x`` if it holds points of the model; raise otherwise."""
        checks.reals(argument, x, like=self.origin)
        if x.ndim < 1 or x.shape[-1] != self.dimension or x.numel() == 0:
            checks.fail(argument, f"points (..., {self.dimension})", f"shape {tuple(x.shape)}")
        return x

    def _points(self, argument: str, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return ``x`` if it and ``generator`` are what a call with a volume takes; raise otherwise."""
        self._placed(argument, x)
        if self.chance:
            checks.instance("generator", generator, torch.Generator, "the volume is estimated by random numbers")
        elif generator is not None:
            checks.fail("generator", "None", type(generator).__name__, "the volume is exact", error=TypeError)
        return x


def like_of(module: object) -> Tensor | None:
    """Return a tensor that lies where the parameters of ``module`` do, None if there are none."""
    found = module.parameters() if isinstance(module, nn.Module) else iter(())
    return next((one.detach() for one in found if one.is_floating_point()), None)
