"""Square attack (Andriushchenko et al. 2020, arXiv 1912.00049): random search with squares, no gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.robust.attacks.pgd import Attack, Found, Runs, blank, store
from contdepth.robust.losses import checked_logits, margin
from contdepth.robust.threat import lengths, unit

__all__ = ["Square", "share"]

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


def share(query: int, queries: int, initial: float) -> float:
    """Share p of pixels in the square at ``query``: ``initial``, halved at 10, 50, 200, … of 10000 queries."""
    return initial / 2 ** sum(query * 10000 // queries > at for at in HALVINGS)


def bump(height: int, width: int) -> Tensor:
    """Nested rectangles of growing size and weight 1/j² around the centre, unit norm, (height, width) (eq. 2)."""
    rows, columns = torch.arange(height), torch.arange(width)
    ring = torch.maximum((rows - height // 2).abs()[:, None], (columns - width // 2).abs()[None])
    count = max(height, width) // 2 + 1
    weights = 1 / torch.arange(1, count + 1, dtype=torch.float32) ** 2
    total = weights.flip(0).cumsum(0).flip(0)[ring]
    return total / total.norm()


def pair(down: int, across: int, transpose: bool) -> Tensor:
    """Two bumps of opposite signs, unit norm, (down, across): a square, or one row with one beside the other.

    In a square the positive one is above (on the left if ``transpose``).
    """
    if across == 1:
        return torch.ones(1, 1)
    if down == 1:
        both = torch.cat([bump(1, across // 2), -bump(1, across - across // 2)], 1)
        return both / both.norm()
    both = torch.cat([bump(down // 2, down), -bump(down - down // 2, down)])
    both = both / both.norm()
    return both.T if transpose else both


def picture(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, H, W) of what Square changes: a signal (C, L) or vector (L,) is one row, axes in between are joined."""
    channels, *inner = shape if len(shape) > 1 else (1, *shape)
    return channels, math.prod(inner[:-1]), inner[-1]


def window(p: float, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a window with the share ``p`` of the pixels: a square, or a part of the only row."""
    if height == 1:
        return 1, min(max(round(p * width), 1), width)
    side = min(max(round((p * height * width) ** 0.5), 1), height, width)
    return side, side


@dataclass(frozen=True)
class Square(Attack):
    """Random search on the margin loss: at most ``queries`` forward passes, an image leaves when misclassified.

    ℓ∞: stripes ±ε at first, then squares set to ±ε for each channel. ℓ2: tiles of bumps at first, then the budget
    of one window moves into another (Algorithm 3). ``p_init``: first share of pixels changed; its schedule is
    scaled from 10000 to ``queries``. Images are (batch, C, H, W), of any C and size; in signals (batch, C, L) and
    vectors (batch, L) the windows are intervals. Every image gets a square of its own, where the authors' code
    draws one for the whole batch; squares are cut to the image.
    """

    queries: int = 5000
    restarts: int = 1
    p_init: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integer("queries", self.queries, at_least=1)
        checks.integer("restarts", self.restarts, at_least=1)
        checks.real("p_init", self.p_init, above=0, at_most=1)

    def runs(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Runs:
        """One search each."""
        return [lambda rows: self.hunt(model, x[rows], y[rows], source)] * self.restarts

    def hunt(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Found:
        """One search on images (n, …)."""
        found, shape = blank(x), x.shape[1:]
        x = x.reshape(len(x), *picture(shape))
        rows = torch.arange(len(x), device=x.device)
        linf = self.threat.norm == "linf"
        delta = torch.zeros_like(x)
        best = torch.full_like(found.loss, -torch.inf)
        for query in range(self.queries):
            if query == 0:
                trial = stripes(x, self.threat.radius, source) if linf else tiles(x, self.threat.radius, source)
            else:
                p = share(query - 1, self.queries, self.p_init)
                trial = (squares if linf else windows)(delta, self.threat.radius, p, source)
            trial = self.threat.project(trial, x)
            logits = checked_logits(model, (x + trial).reshape(-1, *shape), y)
            values, fooled = margin(logits, y).to(x.dtype), logits.argmax(1) != y
            better = fooled | (values > best)
            delta = torch.where(better[:, None, None, None], trial, delta)
            best = torch.where(better, values, best)
            if bool(fooled.any()):
                store(found, rows[fooled], delta[fooled].reshape(-1, *shape), True, best[fooled])
                x, y, rows, delta, best = (part[~fooled] for part in (x, y, rows, delta, best))
                if len(rows) == 0:
                    return found
        store(found, rows, delta.reshape(-1, *shape), False, best)
        return found


def signs(shape: tuple[int, ...], like: Tensor, source: torch.Generator) -> Tensor:
    """Random ±1."""
    drawn = torch.randint(2, shape, generator=source, device=devices.drawn_on(source))
    return (2 * drawn - 1).to(like.device, like.dtype)


def stripes(x: Tensor, radius: float, source: torch.Generator) -> Tensor:
    """Vertical stripes of ±ε, one pixel wide, for each channel, (n, C, H, W)."""
    n, c, _, w = x.shape
    return (signs((n, c, 1, w), x, source) * radius).expand_as(x)


def places(delta: Tensor, sides: tuple[int, int], source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows (n, down) and columns (n, across) of one window of ``sides`` in every image, to index with."""
    found = []
    for size, side in zip(delta.shape[2:], sides, strict=True):
        corner = torch.randint(size - side + 1, (len(delta), 1), generator=source, device=devices.drawn_on(source))
        found.append((corner + torch.arange(side, device=devices.drawn_on(source))).to(delta.device))
    return found[0][:, :, None], found[1][:, None]


def squares(delta: Tensor, radius: float, p: float, source: torch.Generator) -> Tensor:
    """``delta`` with one square of every image set to ±ε for each channel (Algorithm 2, after projection)."""
    n, c, h, w = delta.shape
    rows, columns = places(delta, window(p, h, w), source)
    images = torch.arange(n, device=delta.device)[:, None, None]
    trial = delta.permute(0, 2, 3, 1).clone()
    trial[images, rows, columns] = signs((n, 1, 1, c), delta, source) * radius
    return trial.permute(0, 3, 1, 2)


def tiles(x: Tensor, radius: float, source: torch.Generator) -> Tensor:
    """A grid of bump pairs with random signs, scaled to norm ε, (n, C, H, W)."""
    n, c, h, w = x.shape
    side = max((w if h == 1 else min(h, w)) // 5, 1)
    high = min(side, h)
    down, across = h // high, w // side
    flip = bool(torch.randint(2, (1,), generator=source, device=devices.drawn_on(source)))
    grid = signs((n, c, down, 1, across, 1), x, source) * pair(high, side, flip).to(x)[:, None]
    delta = torch.zeros_like(x)
    delta[:, :, : down * high, : across * side] = grid.reshape(n, c, down * high, across * side)
    return radius * unit(delta)


def windows(delta: Tensor, radius: float, p: float, source: torch.Generator) -> Tensor:
    """``delta`` with window 2 emptied and window 1 given its budget and all unused budget, for each channel.

    Budgets are squares, in units of ``radius``.
    """
    n, c, h, w = delta.shape
    side = max(round(p * w if h == 1 else (p * h * w) ** 0.5), 3)
    side += 1 - side % 2
    sides = (1, min(side, w)) if h == 1 else (min(side, h, w),) * 2
    images = torch.arange(n, device=delta.device)[:, None, None]
    first, second = ((images, *places(delta, sides, source)) for _ in range(2))
    delta = delta / radius
    trial = delta.permute(0, 2, 3, 1).clone()
    unused = (1 - lengths(delta) ** 2).clamp_min(0)
    before = (trial**2).sum((1, 2), keepdim=True)
    old = trial[first]
    trial[first] = 0
    trial[second] = 0
    freed = before - (trial**2).sum((1, 2), keepdim=True)
    turned = bool(torch.randint(2, (1,), generator=source, device=devices.drawn_on(source)))
    pattern = pair(*sides, turned).to(delta)[None, :, :, None]
    mixed = unit(signs((n, 1, 1, c), delta, source) * pattern + unit(old, (1, 2)), (1, 2))
    trial[first] = mixed * (freed.clamp_min(0) + unused / c).sqrt()
    return radius * trial.permute(0, 3, 1, 2)
