"""How many terms of a series are taken: what a fixed number leaves out, and laws of a random one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.special import gammainc, hyp2f1

from contdepth import checks

__all__ = ["NumberOfTerms", "series_error"]


def series_error(dimension: int, lipschitz: float, terms: int) -> float:
    """Return the bound d Σ_{k>n} c^k / k of what a series of n ``terms`` leaves out, c = ``lipschitz`` in (0, 1).

    Behrmann et al. 2019, there as -d (ln(1 - c) + Σ_{k≤n} c^k / k), whose digits cancel.
    """
    checks.integer("dimension", dimension, at_least=1)
    c, n = checks.real("lipschitz", lipschitz, above=0, below=1), checks.integer("terms", terms, at_least=0)
    checks.real("dimension", dimension, at_most=1e300)
    checks.real("terms", terms, at_most=1e6)
    return dimension * c ** (n + 1) / (n + 1) * float(hyp2f1(1, n + 1, n + 2, c))


@dataclass(frozen=True)
class NumberOfTerms:
    """The law of N = ``certain`` + M: M geometric, P(M ≥ j) = ``rate``^j, or Poisson with the mean ``rate``.

    The default is that of the code of Chen et al. 2019: two terms, and a geometric number of at least one more.
    The variance of a sum over N is finite where tr(J^k)² / P(N ≥ k) can be summed: for a geometric law while
    |J|² < ``rate``; a Poisson law's tail falls faster than any power, so that the variance is infinite unless
    tr(J^k) falls as fast.
    """

    law: str = "geometric"
    rate: float = 0.5
    certain: int = 3

    def __post_init__(self) -> None:
        checks.one_of("law", self.law, ("geometric", "poisson"))
        most = 0.999 if self.law == "geometric" else 1000
        checks.real("rate", self.rate, above=0, at_most=most)
        checks.integer("certain", self.certain, at_least=1, at_most=10_000)

    def survival(self, k: int) -> float:
        """Return P(N ≥ k)."""
        more = checks.integer("k", k, at_most=10**9) - self.certain
        if more <= 0:
            return 1.0
        return self.rate**more if self.law == "geometric" else float(gammainc(more, self.rate))

    def draw(self, generator: torch.Generator) -> int:
        """Draw N."""
        checks.instance("generator", generator, torch.Generator, "make one with contdepth.seeds.generator")
        one = torch.ones((), dtype=torch.float64, device=generator.device)
        if self.law == "poisson":
            return self.certain + int(torch.poisson(self.rate * one, generator))
        u = float(one.uniform_(generator=generator))
        return self.certain + math.floor(math.log1p(-u) / math.log(self.rate))
