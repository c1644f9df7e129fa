"""Brownian trees and steps along a path: laws, repeatability, orders, the two notations, the way back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from contdepth import schemes
from contdepth.seeds import generator

HEUN, EULER, REVERSIBLE = schemes.StratonovichHeun(), schemes.EulerMaruyama(), schemes.ReversibleHeun()
PATHS = 200


def grid(steps, T=1.0):
    return torch.linspace(0, T, steps + 1, dtype=torch.float64)


def well(t, u):
    return u - u**3 + 0.3 * torch.sin(3 * t)


def waving(t, u):
    return 0.5 * torch.cos(u) * (1 + 0.5 * t)


def start(size=(PATHS, 1)):
    return torch.full(size, 0.4, dtype=torch.float64)


# The tree


def halved(seed, size, t, levels, t0=0.0, t1=1.0):
    """W(t) by the book: halve, draw, go on."""

    def drawn(node):
        return torch.randn(size, generator=generator(seed, f"brownian/{node}"), dtype=torch.float64)

    low, high, at_low = t0, t1, torch.zeros(size, dtype=torch.float64)
    at_high = math.sqrt(t1 - t0) * drawn("end")
    for level in range(levels):
        middle, index = (low + high) / 2, round((low - t0) / (high - low))
        at_middle = (at_low + at_high) / 2 + math.sqrt((high - low) / 4) * drawn(f"{2**level}/{index}")
        if t < middle:
            high, at_high = middle, at_middle
        else:
            low, at_low = middle, at_middle
    return at_low + (at_high - at_low) * (t - low) / (high - low)


def test_a_tree_is_halving_by_hand():
    tree = schemes.BrownianTree((3, 2), 0.5, 4.5, seed=5, levels=12)
    for t in (0.5, 4.5, 2.5, 1.0, 3.71, 0.50001, 4.4999):
        by_hand = halved(5, (3, 2), t, 12, 0.5, 4.5)
        torch.testing.assert_close(tree(t), by_hand, rtol=0, atol=2e-5)  # a time near a node may be the node's
    for t in (1.5, 2.75, 4.5 - 2**-8):
        torch.testing.assert_close(tree(t), halved(5, (3, 2), t, 12, 0.5, 4.5), rtol=1e-14, atol=1e-14)


def test_a_value_depends_on_no_other_question():
    """Forwards, backwards, at random, each from a new tree, and with another finest interval: equal to the bit."""
    times = [k / 64 for k in range(65)] + [0.1, 0.3, 1 / 3]
    tree = schemes.BrownianTree((4, 1), seed=3)
    known = {t: tree(t) for t in times}
    order = torch.randperm(len(times), generator=generator(0, "order")).tolist()
    for asked in (times[::-1], [times[k] for k in order]):
        assert all(torch.equal(tree(t), known[t]) for t in asked)
    assert all(torch.equal(schemes.BrownianTree((4, 1), seed=3)(t), known[t]) for t in times)
    coarse = schemes.BrownianTree((4, 1), seed=3, levels=6)
    assert all(torch.equal(coarse(t), known[t]) for t in times[:65])
    assert not torch.equal(schemes.BrownianTree((4, 1), seed=4)(0.5), known[0.5])
    tree(0.5).fill_(7.0)  # what was returned is the caller's own
    assert torch.equal(tree(0.5), schemes.BrownianTree((4, 1), seed=3)(0.5))


def test_a_path_has_the_law_of_brownian_motion():
    """Covariances are min(s, t); increments are independent and normal: within five standard errors."""
    n = 40000
    tree, times = schemes.BrownianTree((n,), 1.0, 3.0, seed=1), [1.25, 1.7, 2.0, 2.9, 3.0]
    w = torch.stack([tree(t) for t in times])
    wanted = torch.tensor([[min(s, t) - 1 for t in times] for s in times], dtype=torch.float64)
    spread = torch.sqrt((wanted**2 + wanted.diag()[:, None] * wanted.diag()) / n)
    assert ((w @ w.T / n - wanted).abs() < 5 * spread).all()
    steps = w.diff(dim=0) / torch.tensor(times, dtype=torch.float64).diff().sqrt()[:, None]
    assert ((steps**4).mean(1) - 3).abs().max() < 5 * math.sqrt(96 / n)
    assert (w.mean(1).abs() < 5 * wanted.diag().sqrt() / math.sqrt(n)).all()


def test_half_way_is_a_bridge():
    """W at a middle less the mean of its ends: variance a quarter of the time between, and nothing of the ends."""
    n = 40000
    tree = schemes.BrownianTree((n,), seed=2)
    for low, high in ((0.0, 1.0), (0.25, 0.5), (0.625, 0.75)):
        ends = tree(low), tree(high)
        rest = tree((low + high) / 2) - (ends[0] + ends[1]) / 2
        assert abs(rest.square().mean() / ((high - low) / 4) - 1) < 5 * math.sqrt(2 / n)
        assert all(abs((rest * end).mean()) < 5 * rest.std() * end.std() / math.sqrt(n) + 1e-15 for end in ends)


def test_a_tree_keeps_no_path():
    """Walking along 1,024 steps and back keeps at most an interval a level, and draws fewer than two a step."""
    tree = schemes.BrownianTree((5,), levels=20)
    drawn, draw = [], tree._drawn
    object.__setattr__(tree, "_drawn", lambda node: drawn.append(node) or draw(node))
    for k in (*range(1025), *range(1024, -1, -1)):
        tree(k / 1024)
    assert len(tree._trail) <= 11 and len(drawn) < 2 * 2048


# Steps


def order(scheme, drift, diffusion, tree, steps, true):
    errors = []
    for n in steps:
        found = schemes.march_sde(drift, diffusion, start(), grid(n), tree, scheme, keep="last")
        errors.append((found - true).abs().mean().item())
    return math.log(errors[0] / errors[-1]) / math.log(steps[-1] / steps[0])


@pytest.mark.parametrize(
    ("scheme", "low", "high"),
    [(EULER, 0.4, 0.65), (HEUN, 0.85, 1.15), (REVERSIBLE, 0.85, 1.15)],
    ids=lambda s: str(s),
)
def test_strong_orders(scheme, low, high):
    """On a linear equation against its formula, and on two that are not: a formula, and small steps."""
    tree, steps = schemes.BrownianTree((PATHS, 1), seed=4), (8, 32, 128)
    w = tree(1.0)
    cases = [
        (lambda t, u: 0.3 * u, lambda t, u: 0.5 * u, start() * torch.exp(0.3 + 0.5 * w)),
        (
            lambda t, u: 0.3 * (1 - u**2),
            lambda t, u: 0.5 * (1 - u**2),
            torch.tanh(torch.atanh(start()) + 0.3 + 0.5 * w),
        ),
        (well, waving, schemes.march_sde(well, waving, start(), grid(4096), tree, HEUN, keep="last")),
    ]
    for drift, diffusion, true in cases:
        if scheme is EULER:
            drift = schemes.ito_drift(drift, diffusion)
        assert low < order(scheme, drift, diffusion, tree, steps, true) < high


@pytest.mark.parametrize("scheme", [HEUN, REVERSIBLE], ids=lambda s: s.name)
def test_along_a_smooth_path_steps_solve_the_ordinary_equation(scheme):
    """W(t) = sin 3t: u' = b + σ W', to second order, against SciPy."""
    smooth = solve_ivp(
        lambda t, u: (u - u**3 + 0.3 * np.sin(3 * t)) + 0.5 * np.cos(u) * (1 + 0.5 * t) * 3 * np.cos(3 * t),
        (0, 1),
        [0.4],
        rtol=1e-11,
        atol=1e-12,
    ).y[0, -1]

    def path(t):
        return torch.full((1, 1), math.sin(3 * t), dtype=torch.float64)

    errors = [
        abs(schemes.march_sde(well, waving, start((1, 1)), grid(n), path, scheme, keep="last").item() - smooth)
        for n in (40, 80, 160)
    ]
    assert 1.9 < math.log2(errors[1] / errors[2]) < 2.1


def test_notations_of_a_linear_equation():
    u, t = torch.tensor([[0.5, -2.0]], dtype=torch.float64), grid(1)[0]
    there = schemes.stratonovich_drift(lambda t, u: 0.3 * u, lambda t, u: 0.5 * u)
    torch.testing.assert_close(there(t, u), (0.3 - 0.125) * u)
    back = schemes.ito_drift(there, lambda t, u: 0.5 * u)
    torch.testing.assert_close(back(t, u), 0.3 * u)


def test_a_shared_motion_turns_the_plane():
    """dX = J X∘dW turns X by W, and in Itô's notation has the drift -X/2: σ'σ is not that of each number alone."""
    tree, u0 = (
        schemes.BrownianTree((PATHS, 1), seed=6),
        torch.tensor([[1.0, 0.5]], dtype=torch.float64).repeat(PATHS, 1),
    )

    def turned(t, u):
        return torch.stack([-u[..., 1], u[..., 0]], -1)

    def none(t, u):
        return torch.zeros_like(u)

    w = tree(1.0)
    true = torch.cat([w.cos() - 0.5 * w.sin(), w.sin() + 0.5 * w.cos()], -1)
    ito = schemes.ito_drift(none, turned)
    torch.testing.assert_close(ito(grid(1)[0], u0), -u0 / 2)
    errors = {}
    for scheme, drift in ((HEUN, none), (EULER, ito)):
        for n in (32, 512):
            found = schemes.march_sde(drift, turned, u0, grid(n), tree, scheme, keep="last")
            errors[scheme.name, n] = (found - true).norm(dim=-1).mean().item()
    assert errors[HEUN.name, 512] < errors[HEUN.name, 32] / 8
    assert errors[EULER.name, 512] < errors[EULER.name, 32] / 2.5


def test_a_motion_for_each_number():
    """Four independent equations in one state are the four alone."""
    tree = schemes.BrownianTree((3, 4), seed=7)
    u0 = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(3, 4)
    together = schemes.march_sde(well, waving, u0, grid(16), tree, HEUN)
    for k in range(4):
        alone = schemes.march_sde(
            well, waving, u0[:, k : k + 1], grid(16), lambda t, k=k: tree(t)[:, k : k + 1], HEUN
        )
        assert torch.equal(together[..., k : k + 1], alone)


# The way back


def test_stratonovich_equations_return():
    """With the same path and signs changed, to the order of the scheme."""
    tree, misses = schemes.BrownianTree((PATHS, 1), seed=8), []
    for n in (32, 256):
        there = schemes.march_sde(well, waving, start(), grid(n), tree, HEUN, keep="last")
        back = schemes.march_sde(well, waving, there, grid(n).flip(0), tree, HEUN, keep="last")
        misses.append((back - start()).abs().mean().item())
    assert misses[0] < 2e-2 and misses[1] < misses[0] / 5


def test_ito_equations_do_not_return_by_themselves():
    with pytest.raises(ValueError, match="t: expected an increasing grid for Itô's equation"):
        schemes.march_sde(well, waving, start(), grid(4).flip(0), schemes.BrownianTree((PATHS, 1)), EULER)


@pytest.mark.parametrize(
    "t", [None, "0.5", float("nan"), 1.5, -1e-9, 1j, torch.zeros(2), torch.tensor(0.5j), True], ids=str
)
def test_a_time_that_is_none_is_named(t):
    with pytest.raises((TypeError, ValueError), match="t: expected a"):
        schemes.BrownianTree((2, 1))(t)


def test_a_time_may_be_a_tensor():
    tree = schemes.BrownianTree((2, 1), dtype=torch.float32)
    assert torch.equal(tree(torch.tensor(0.25)), tree(0.25)) and tree(0.25).dtype == torch.float32
    assert tree(0.0).abs().sum() == 0
