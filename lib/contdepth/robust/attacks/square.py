"""Square attack (Andriushchenko et al. 2020, arXiv 1912.00049): random search with squares, no gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.robust.attacks.pgd import Attack, Found, Runs, blank, store
from contdepth.robust.losses import checked_logits, margin
from contdepth.robust.threat import lengths

__all__ = ["Square", "share"]

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
TINY = 1e-12


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
    return total / total.norm().clamp_min(TINY)


def pair(side: int, transpose: bool) -> Tensor:
    """A positive bump above a negative one (beside it if ``transpose``), unit norm, (side, side)."""
    if side == 1:
        return torch.ones(1, 1)
    both = torch.cat([bump(side // 2, side), -bump(side - side // 2, side)])
    both = both / both.norm()
    return both.T if transpose else both


@dataclass(frozen=True)
class Square(Attack):
    """Random search on the margin loss: at most ``queries`` forward passes, an image leaves when misclassified.

    ℓ∞: stripes ±ε at first, then squares set to ±ε for each channel. ℓ2: tiles of bumps at first, then the budget
    of one window moves into another (Algorithm 3). ``p_init``: first share of pixels changed; its schedule is
    scaled from 10000 to ``queries``. Images must be (batch, C, H, W), of any C and size. Every image gets a square
    of its own, where the authors' code draws one for the whole batch; squares are cut to the image.
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
        checks.tensor("x", x, ndim=4, hint="Square needs images (batch, C, H, W)")
        return [lambda rows: self.hunt(model, x[rows], y[rows], source)] * self.restarts

    def hunt(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Found:
        """One search on images (n, C, H, W)."""
        found = blank(x)
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
            logits = checked_logits(model, x + trial)
            values, fooled = margin(logits, y).to(x.dtype), logits.argmax(1) != y
            better = fooled | (values > best)
            delta = torch.where(better[:, None, None, None], trial, delta)
            best = torch.where(better, values, best)
            if bool(fooled.any()):
                store(found, rows[fooled], delta[fooled], True, best[fooled])
                x, y, rows, delta, best = (part[~fooled] for part in (x, y, rows, delta, best))
                if len(rows) == 0:
                    return found
        store(found, rows, delta, False, best)
        return found


def signs(shape: tuple[int, ...], like: Tensor, source: torch.Generator) -> Tensor:
    """Random ±1."""
    return (2 * torch.randint(2, shape, generator=source) - 1).to(like.device, like.dtype)


def stripes(x: Tensor, radius: float, source: torch.Generator) -> Tensor:
    """Vertical stripes of ±ε, one pixel wide, for each channel, (n, C, H, W)."""
    n, c, _, w = x.shape
    return (signs((n, c, 1, w), x, source) * radius).expand_as(x)


def places(delta: Tensor, side: int, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows and columns, each (n, side), of one window in every image."""
    n, _, h, w = delta.shape
    top, left = (torch.randint(size - side + 1, (n, 1), generator=source) for size in (h, w))
    return tuple((corner + torch.arange(side)).to(delta.device) for corner in (top, left))  # type: ignore[return-value]


def squares(delta: Tensor, radius: float, p: float, source: torch.Generator) -> Tensor:
    """``delta`` with one square of every image set to ±ε for each channel (Algorithm 2, after projection)."""
    n, c, h, w = delta.shape
    side = min(max(round((p * h * w) ** 0.5), 1), h, w)
    rows, columns = places(delta, side, source)
    images = torch.arange(n, device=delta.device)[:, None, None]
    trial = delta.permute(0, 2, 3, 1).clone()
    trial[images, rows[:, :, None], columns[:, None]] = signs((n, 1, 1, c), delta, source) * radius
    return trial.permute(0, 3, 1, 2)


def tiles(x: Tensor, radius: float, source: torch.Generator) -> Tensor:
    """A grid of bump pairs with random signs, scaled to norm ε, (n, C, H, W)."""
    n, c, h, w = x.shape
    side = max(min(h, w) // 5, 1)
    down, across = h // side, w // side
    flip = bool(torch.randint(2, (1,), generator=source))
    grid = signs((n, c, down, 1, across, 1), x, source) * pair(side, flip).to(x)[:, None]
    delta = torch.zeros_like(x)
    delta[:, :, : down * side, : across * side] = grid.reshape(n, c, down * side, across * side)
    return delta * radius / lengths(delta)


def windows(delta: Tensor, radius: float, p: float, source: torch.Generator) -> Tensor:
    """``delta`` with window 2 emptied and window 1 given its budget and all unused budget, for each channel."""
    n, c, h, w = delta.shape
    side = max(round((p * h * w) ** 0.5), 3)
    side = min(side + 1 - side % 2, h, w)
    rows, columns = places(delta, side, source)
    rows2, columns2 = places(delta, side, source)
    images = torch.arange(n, device=delta.device)[:, None, None]
    first = (images, rows[:, :, None], columns[:, None])
    second = (images, rows2[:, :, None], columns2[:, None])
    trial = delta.permute(0, 2, 3, 1).clone()
    unused = (radius**2 - lengths(delta) ** 2).clamp_min(0)
    before = (trial**2).sum((1, 2), keepdim=True)
    old = trial[first]
    trial[first] = 0
    trial[second] = 0
    freed = before - (trial**2).sum((1, 2), keepdim=True)
    pattern = pair(side, bool(torch.randint(2, (1,), generator=source))).to(delta)[None, :, :, None]
    mixed = signs((n, 1, 1, c), delta, source) * pattern
    mixed = mixed + old / (old**2).sum((1, 2), keepdim=True).sqrt().clamp_min(TINY)
    mixed = mixed / (mixed**2).sum((1, 2), keepdim=True).sqrt().clamp_min(TINY)
    trial[first] = mixed * (freed.clamp_min(0) + unused / c).sqrt()
    return trial.permute(0, 3, 1, 2)
