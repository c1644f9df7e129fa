"""Residual nets with one fixed step on vectors, several side by side: x_{n+1} = relu(x_n + h F_n(x_n))."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.nets.plan import MOST
from contdepth.seeds import generator

__all__ = ["SmallStepNet"]

STARTS = ("he", "torch", "zero", "fixup")


class SmallStepNet(nn.Module):
    """Fully connected residual nets with step ``h``, a net for each of ``seeds``, all in one call.

    Stem relu(N(W x + b)), ``depth`` = L blocks x_{n+1} = relu(x_n + h F_n(x_n)) with
    F(x) = N(V relu(N(W x + b)) + c), head linear. N is a batch norm if ``norm``, and then b and c are left out;
    else it is nothing. x (batch, ``features``), the same for all nets, or (nets, batch, ``features``) ->
    logits (nets, batch, ``num_classes``). No net sees another: one that has become infinite leaves the rest alone.

    ``h``: one step, or one for each net; a buffer of shape (nets, 1, 1). ``start``: weights "he", N(0, 2/inputs)
    and biases 0, that keep the size of what passes a ReLU; "torch", PyTorch's own, uniform on ±1/√inputs, by
    which V and W are each √6 times smaller; "zero", as "he" with V = 0, so that every block starts as the
    identity; "fixup", the same with W divided by √L (Zhang, Dauphin and Ma 2019, without their added scalars).
    Scales start at 1, shifts at 0. A net's draws hang on its own seed alone. Stem and head start alike for all:
    as "he" and as "torch".

    Source: Zhang et al. 2019 (arXiv 1902.10887); where h and the ReLU after the sum stand is their code's.
    Departures: layers are fully connected and one stage deep, theirs are convolutions in three or four stages;
    "he" is ours, their released code starts as "torch".

    Raises:
        TypeError, ValueError: numbers outside their range, no seed, steps that are not one or one a net.
    """

    h: Tensor
    moments: Tensor

    def __init__(
        self,
        depth: int = 5,
        h: float | Sequence[float] = 0.1,
        *,
        features: int = 64,
        width: int = 32,
        num_classes: int = 10,
        norm: bool = False,
        start: str = "he",
        seeds: Sequence[int] = (0,),
    ) -> None:
        super().__init__()
        self.depth = checks.integer("depth", depth, at_least=1, at_most=MOST)
        for name, size in (("features", features), ("width", width), ("num_classes", num_classes)):
            checks.integer(name, size, at_least=1, at_most=MOST)
        checks.one_of("start", start, STARTS)
        seeds = [
            checks.integer("seeds", seed, at_least=0) for seed in checks.several("seeds", seeds, "of integers")
        ]
        if not seeds:
            checks.fail("seeds", "one for each net", "none")
        checks.affordable("width", len(seeds), depth + 1, max(width, features, num_classes), width)
        given = [h] * len(seeds) if isinstance(h, (int, float)) else checks.several("h", h, "of steps")
        if len(given) != len(seeds):
            checks.fail("h", f"one step, or {len(seeds)}, one for each net", f"{len(given)}")
        steps = [checks.real("h", one, above=0) for one in given]
        self.register_buffer("h", torch.tensor(steps).view(-1, 1, 1))
        self.norm, self.start, count = checks.instance("norm", norm, bool), start, len(seeds)
        draws = [generator(seed, "init") for seed in seeds]

        def drawn(inputs: int, outputs: int, he: bool) -> Tensor:
            shape = (inputs, outputs)
            if he:
                return torch.stack([torch.randn(shape, generator=g) for g in draws]) * math.sqrt(2 / inputs)
            return torch.stack([2 * torch.rand(shape, generator=g) - 1 for g in draws]) / math.sqrt(inputs)

        def shifts() -> Tensor:
            return drawn(1, width, False) / math.sqrt(width) if start == "torch" else torch.zeros(count, 1, width)

        self.stem = nn.Parameter(drawn(features, width, True))
        self.last = nn.Parameter(drawn(width, num_classes, False))
        self.stem_shift = nn.Parameter(torch.zeros(count, 1, width))
        self.last_shift = nn.Parameter(torch.zeros(count, 1, num_classes))
        he = start != "torch"
        pairs = [(drawn(width, width, he), drawn(width, width, he)) for _ in range(depth)]
        first, second = (torch.stack(one) for one in zip(*pairs, strict=True))
        self.first = nn.Parameter(first / math.sqrt(depth) if start == "fixup" else first)
        self.second = nn.Parameter(torch.zeros_like(second) if start in ("zero", "fixup") else second)
        places = 2 * depth + 1
        if norm:
            self.scales = nn.Parameter(torch.ones(places, count, 1, width))
            self.shifts = nn.Parameter(torch.zeros(places, count, 1, width))
            moments = torch.stack([torch.zeros(places, count, 1, width), torch.ones(places, count, 1, width)])
            self.register_buffer("moments", moments)
        else:
            self.shifts = nn.Parameter(torch.stack([shifts() for _ in range(2 * depth)]))

    def extra_repr(self) -> str:
        return f"{self.h.numel()} nets, depth={self.depth}, norm={self.norm}, start={self.start!r}"

    def _normed(self, place: int, x: Tensor) -> Tensor:
        """Batch norm number ``place``: 0 of the stem, 2n + 1 and 2n + 2 of block n. Without one, a shift."""
        if not self.norm:
            return x + self.shifts[place - 1] if place else x
        mean, variance = self.moments[:, place]
        if self.training:
            variance, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
            fresh = torch.stack([mean, variance * x.shape[1] / max(x.shape[1] - 1, 1)]).detach()
            self.moments[:, place].lerp_(fresh, 0.1)
        return (x - mean) * torch.rsqrt(variance + 1e-5) * self.scales[place] + self.shifts[place]

    def branch(self, n: int, x: Tensor) -> Tensor:
        """F_n(x) for states (nets, batch, width)."""
        inner = self._normed(2 * n + 1, x @ self.first[n]).relu()
        return self._normed(2 * n + 2, inner @ self.second[n])

    def step(self, n: int, x: Tensor) -> Tensor:
        """x_{n+1} = relu(x_n + h F_n(x_n)) for states (nets, batch, width)."""
        return (x + self.h * self.branch(n, x)).relu()

    def trajectory(self, x: Tensor) -> Iterator[Tensor]:
        """Yield x_0, the stem's output, and the state after every block, L + 1 tensors (nets, batch, width)."""
        count, features, _ = self.stem.shape
        checks.floating("x", x, hint="vectors are (batch, features) or (nets, batch, features)")
        if x.ndim not in (2, 3):
            checks.fail("x", "vectors (batch, features) or (nets, batch, features)", f"shape {tuple(x.shape)}")
        checks.same_shape("x", x, (*((count,) if x.ndim == 3 else ()), x.shape[-2], features))
        x = checks.reals("x", x, like=self.stem).expand(count, -1, -1)
        state = self._normed(0, x @ self.stem + self.stem_shift).relu()
        yield state
        for n in range(self.depth):
            state = self.step(n, state)
            yield state

    def forward(self, x: Tensor) -> Tensor:
        for state in self.trajectory(x):
            last = state
        return last @ self.last + self.last_shift

    def absorbed(self) -> SmallStepNet:
        """The same function with step 1: h is taken into V and c, or into the scale and shift of the second norm.

        Gradient descent with any momentum keeps the two equal if those parameters have the rate h² in place of 1.
        """
        other = copy.deepcopy(self)
        with torch.no_grad():
            if self.norm:
                other.scales[2::2].mul_(self.h)
                other.shifts[2::2].mul_(self.h)
            else:
                other.second.mul_(self.h)
                other.shifts[1::2].mul_(self.h)
            other.h.fill_(1.0)
        return other
