"""Claims A9 to A11: weak order of the random schemes, the role of √h, the two forms of stochastic LM."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from contdepth.schemes import (
    LinearTwoStep,
    ShakeShake,
    StochasticDepth,
    StochasticTwoStep,
    integrate,
    sample_moments,
    variances,
    weak_order,
)

STEPS = (8, 16, 32, 64, 128, 256)
FINE = (32_768, 65_536)
CASES = [
    (ShakeShake(), (-1.5, -0.5)),
    (ShakeShake(), (0.3, -1.0)),
    (StochasticDepth(0.8), -1.0),
    (StochasticDepth(0.5), -0.7),
    (StochasticTwoStep(k=-0.3, p=0.8), -1.0),
    (StochasticTwoStep(k=0.4, p=0.8), -1.0),
]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("scheme", "rate"), CASES)
def test_a9_weak_order_one(scheme, rate):
    for moment in weak_order(scheme, rate, STEPS):
        assert moment.last == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("scheme", "rate", "order"),
    [
        (ShakeShake(), (-1.5, -0.5), 1),
        (ShakeShake(), (0.3, -1.0), 1),
        (StochasticDepth(0.8), -1.0, 0.5),
        (StochasticDepth(0.3), 0.5, 0.5),
        (StochasticDepth(0.5), -1.0, 1),
        (StochasticDepth(1.0), -1.0, 1),
        (StochasticTwoStep(k=0.4, p=0.8), -1.0, 0.5),
        (StochasticTwoStep(k=-0.3, p=0.8), -1.0, 0.5),
        (StochasticTwoStep(k=0.4, p=0.5), -1.0, 1),
    ],
)
def test_weak_order_in_higher_moments_is_the_stated_one(scheme, rate, order):
    assert scheme.order == order
    low = weak_order(scheme, rate, FINE)
    high = weak_order(scheme, rate, FINE, powers=(3, 4))
    assert [moment.last for moment in low] == pytest.approx([1.0, 1.0], abs=0.01)
    assert [moment.last for moment in high] == pytest.approx([order, order], abs=0.05)


def test_a_plain_drop_has_order_one_to_its_own_limit():
    """x' = p f, for every p and every moment: the SDE is not its limit."""
    for scheme, rate in (
        (StochasticDepth(0.8, scaled=False), -0.8),
        (StochasticTwoStep(k=0.4, p=0.8, scaled=False), -0.8 / 1.4),
    ):
        assert scheme.order == 1
        for power in (1, 2, 3):
            errors = [abs(scheme.linear_moment(power, -1.0, n, 1.0) - math.exp(power * rate)) for n in FINE]
            assert math.log2(errors[0] / errors[1]) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("scheme", "rate"),
    [
        *CASES,
        (StochasticDepth(0.8, scaled=False), -1.0),
        (StochasticTwoStep(k=0.4, p=0.8, scaled=False), -1.0),
    ],
)
def test_a9_sampled_paths_follow_the_recursions(scheme, rate):
    found = sample_moments(scheme, rate, steps=8, paths=400_000, generator=generator())
    assert max(found.gaps) < 4
    assert max(found.standard_error) < 2e-3


@pytest.mark.parametrize("p", [0.8, 0.5])
def test_a9_recursion_against_all_outcomes(p):
    """Three steps of either scheme with η in {0, 1}: the moments are finite sums."""
    h, rate, k = 1 / 3, -1.0, 0.3
    depth, lm = [0.0] * 4, [0.0] * 4
    for outcome in range(8):
        kept = [(outcome >> i) & 1 for i in range(3)]
        probability = math.prod(p if eta else 1 - p for eta in kept)
        w = [p * h + math.sqrt(h) * (eta - p) for eta in kept]
        x = math.prod(1 + rate * weight for weight in w)
        old, new = 1.0, 1 + rate * w[0] / (1 + k)
        for weight in w[1:]:
            old, new = new, (1 - k) * new + k * old + weight * rate * new
        for i in range(4):
            depth[i] += probability * x ** (i + 1)
            lm[i] += probability * new ** (i + 1)
    for scheme, expected in ((StochasticDepth(p), depth), (StochasticTwoStep(k=k, p=p), lm)):
        assert scheme.linear_moments(rate, 3, 1.0) == pytest.approx(expected[:2], abs=1e-14)
        found = [scheme.linear_moment(power, rate, 3, 1.0, x0=-2.0) for power in (1, 2, 3, 4)]
        scaled = [(-2.0) ** power * moment for power, moment in zip((1, 2, 3, 4), expected, strict=True)]
        assert found == pytest.approx(scaled, abs=1e-13)


def test_a9_shake_shake_moments_against_quadrature():
    """Three steps; Gauss-Legendre with 5 nodes is exact for the polynomials of η up to degree 9."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    h, (r1, r2) = 1 / 3, (-1.5, 0.5)
    noise = math.sqrt(h) * nodes / 2
    factor = 1 + (h / 2 + noise) * r1 + (h / 2 - noise) * r2
    for power in (1, 2, 3, 4):
        expected = 2.0**power * (weights @ factor**power / 2) ** 3
        found = ShakeShake().linear_moment(power, (r1, r2), 3, 1.0, x0=2.0)
        assert found == pytest.approx(expected, abs=1e-13)


def test_a9_limits_solve_the_moment_equations():
    """d E X^m = (m a + m (m - 1)/2 b²) E X^m dt (Itô's formula), checked by central differences."""
    e = 1e-5
    for scheme, rate, drift, spread in (
        (ShakeShake(), (-1.5, -0.5), -1.0, 1 / 12),
        (StochasticDepth(0.8), -1.0, -0.8, 0.16),
        (StochasticTwoStep(k=0.25, p=0.8), -1.0, -0.64, 0.16 / 1.25**2),
    ):
        low, middle, high = (scheme.limit_moments(rate, T) for T in (1 - e, 1.0, 1 + e))
        growth = [(b - a) / (2 * e * c) for a, c, b in zip(low, middle, high, strict=True)]
        assert growth == pytest.approx([drift, 2 * drift + spread], abs=1e-8)
        low, middle, high = (scheme.limit_moment(3, rate, T, x0=2.0) for T in (1 - e, 1.0, 1 + e))
        assert (high - low) / (2 * e * middle) == pytest.approx(3 * drift + 3 * spread, abs=1e-8)
        assert scheme.limit_moment(3, rate, 0.0, x0=2.0) == 8.0


def test_step_one_is_the_network():
    u, t = torch.ones(1000, 3, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    depth = StochasticDepth(0.7).step(lambda t, u: 2 * u, t, u, 1.0, generator())
    kept = (depth[:, 0] - 1) / 2
    torch.testing.assert_close(kept, kept.round())
    torch.testing.assert_close(kept.unsqueeze(-1).expand(-1, 3), (depth - u) / 2)  # one draw per sample
    assert kept.mean().item() == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / 1000))
    shaken = ShakeShake().step((lambda t, u: u, lambda t, u: 3 * u), t, u, 1.0, generator()) - u
    assert (shaken >= 1 - 1e-12).all()
    assert (shaken <= 3 + 1e-12).all()


def test_a10_a_plain_drop_loses_its_noise():
    found, limit = variances(StochasticDepth(0.8, scaled=False), -1.0, STEPS)
    ratios = [b / a for a, b in zip(found, found[1:], strict=False)]
    assert ratios[-3:] == pytest.approx([0.5] * 3, abs=0.03)
    scaled, same = variances(StochasticDepth(0.8), -1.0, STEPS)
    assert same == limit
    assert scaled[-1] == pytest.approx(limit, rel=0.01)
    assert limit > 100 * found[-1]
    assert limit == pytest.approx(math.exp(-1.6) * (math.exp(0.16) - 1), abs=1e-14)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("k", [-0.7, 0.0, 0.25, 0.9])
def test_a11_g_form_by_hand_gives_the_same_path(k, scaled):
    g, p, h, f = -1 - k, 0.6, 0.25, torch.sin
    size = math.sqrt(h) if scaled else h
    scheme = StochasticTwoStep(k=k, p=p, scaled=scaled)
    assert scheme.g == g
    u0, t = (
        torch.tensor([[1.0, -0.5], [0.2, 2.0]], dtype=torch.float64),
        torch.linspace(0, 1, 5, dtype=torch.float64),
    )
    paths = [
        integrate(lambda t, u: f(u), u0, t, form, generator=generator(5))
        for form in (scheme, StochasticTwoStep.from_g(g, p=p, scaled=scaled))
    ]
    source = generator(5)
    w = [
        p * h + size * ((torch.rand(2, 1, generator=source, dtype=torch.float64) < p).double() - p)
        for _ in range(4)
    ]
    path = [u0, u0 + w[0] / -g * f(u0)]
    for n in range(1, 4):
        path.append((2 + g) * path[n] - (1 + g) * path[n - 1] + w[n] * f(path[n]))
    for found in paths:
        torch.testing.assert_close(found, torch.stack(path), rtol=0, atol=1e-12)


def test_without_noise_stochastic_lm_is_lm():
    t, u0 = torch.linspace(0, 1, 6, dtype=torch.float64), torch.tensor([0.5, 1.0], dtype=torch.float64)
    noisy = integrate(lambda t, u: -u.sin(), u0, t, StochasticTwoStep(k=0.3, p=1.0), generator=generator())
    first = u0 - 0.2 / 1.3 * u0.sin()
    plain = integrate(lambda t, u: -u.sin(), first, t[1:], LinearTwoStep(k=0.3, rescale=False, start=u0))
    torch.testing.assert_close(noisy[1:], plain, rtol=0, atol=1e-14)


def test_same_seed_same_path_and_another_seed_another():
    t, u0 = torch.linspace(0, 1, 6, dtype=torch.float64), torch.ones(4, 2, dtype=torch.float64)
    paths = [integrate(lambda t, u: -u, u0, t, StochasticDepth(), generator=generator(seed)) for seed in (1, 1, 2)]
    assert torch.equal(paths[0], paths[1])
    assert not torch.equal(paths[0], paths[2])


# Mutants


class HalfNoise(ShakeShake):
    def step(self, f, t, u, h, generator):  # h in place of √h
        noise = h * (torch.rand((*u.shape[:-1], 1), generator=generator, dtype=u.dtype) - 0.5)
        return u + (h / 2 + noise) * f[0](t, u) + (h / 2 - noise) * f[1](t, u)


class PlainDrop(StochasticDepth):
    def weight(self, u, h, generator):
        return StochasticDepth(self.p, scaled=False).weight(u, h, generator)


class WrongProbability(StochasticDepth):
    def weight(self, u, h, generator):
        return StochasticDepth(self.p - 0.02).weight(u, h, generator)


class WrongSkip(StochasticTwoStep):
    def next_step(self, n, f, t, u, previous, h, generator):
        return super().next_step(n, f, t, u, previous, h, generator) + 0.02 * (u - previous)


@pytest.mark.parametrize(
    ("mutant", "rate"),
    [
        (HalfNoise(), (-3.0, 1.0)),
        (PlainDrop(0.8), -1.0),
        (WrongProbability(0.8), -1.0),
        (WrongSkip(k=0.4, p=0.8), -1.0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_wrong_sampler_leaves_the_recursion(mutant, rate):
    found = sample_moments(mutant, rate, steps=8, paths=400_000, generator=generator())
    assert max(found.gaps) > 4


def test_a_plain_drop_loses_the_weak_order():
    second = weak_order(StochasticDepth(0.8, scaled=False), -1.0, STEPS)[1]
    assert abs(second.last) < 0.05
