"""Nets, counted bytes and derivatives of the page on neural ODEs."""

from __future__ import annotations

import pytest
import torch

from contdepth import schemes
from contdepth.studies.depth import node_gaps, node_memory, node_nets, node_peer

PUBLISHED = {"ODE block": 208_266, "no block": 132_874}
U0 = torch.linspace(-1, 1, 4, dtype=torch.float64)


def test_the_nets_have_the_published_numbers_of_parameters() -> None:
    nets = node_nets.arms("convolutions", side=28)
    assert tuple(nets) == node_nets.ARMS
    for name, count in PUBLISHED.items():
        assert node_nets.numbers(nets[name])[0] == count
    assert node_nets.numbers(nets["no block"])[1] == 0
    assert node_nets.numbers(nets["one block"])[1] == 2 * 64 * 64 * 9 + 2 * 2 * 64  # two convolutions, two norms
    assert node_nets.numbers(nets["six blocks"])[1] == 6 * node_nets.numbers(nets["one block"])[1]


@pytest.mark.parametrize("stem", ["linear", "convolutions"])
def test_arms_differ_by_their_blocks_alone(stem: str) -> None:
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    nets = node_nets.arms(stem, side=8, width=8, halvings=1, adjoint=True, seed=3)
    again = node_nets.arms(stem, side=8, width=8, halvings=1, seed=3)
    logits = {name: net(x) for name, net in nets.items()}
    assert {found.shape for found in logits.values()} == {(3, 10)}
    for name, net in nets.items():
        torch.testing.assert_close(net.stem(x), nets["no block"].stem(x), rtol=0, atol=0)
        torch.testing.assert_close(net.head(net.stem(x)), logits["no block"], rtol=0, atol=0)
        if name in again:
            torch.testing.assert_close(again[name](x), logits[name], rtol=0, atol=0)
    torch.testing.assert_close(logits["ODE block"], logits["ODE block, adjoint"], rtol=0, atol=0)


def test_an_ode_block_is_classical_runge_kutta() -> None:
    field, u, h = node_nets.DenseField(5, timed=True), torch.randn(2, 5), 0.5
    found = node_nets.OdeBlock(field, 2)(u)
    for t in (0.0, 0.5):
        at = [torch.tensor(t + c) for c in (0.0, h / 2, h)]
        k1 = field(at[0], u)
        k2 = field(at[1], u + h / 2 * k1)
        k3 = field(at[1], u + h / 2 * k2)
        u = u + h / 6 * (k1 + 2 * k2 + 2 * k3 + field(at[2], u + h * k3))
    torch.testing.assert_close(found, u)
    assert not torch.equal(field(at[0], u), field(at[2], u))


def test_peaks_of_gradients_grow_as_they_are_said_to() -> None:
    u0 = torch.ones(64, 4, dtype=torch.float64)
    field = node_gaps.SmallField()
    peaks = {
        how: node_memory.gradient_peaks(field, u0, (16, 64), how) for how in ("backprop", "checkpoints", "adjoint")
    }
    ratio = {how: last / first for how, (first, last) in peaks.items()}
    assert 3.7 < ratio["backprop"] < 4.0
    assert 1.5 < ratio["checkpoints"] < 2.2
    assert ratio["adjoint"] < 1.1


def test_derivatives_beside_torchdiffeq() -> None:
    field = node_gaps.SmallField()
    t = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    grid = torch.linspace(0, 1, 17, dtype=torch.float64)
    ours = node_gaps.gradients(field, U0, grid, schemes.RungeKutta(schemes.THREE_EIGHTHS), "adjoint")
    torch.testing.assert_close(node_peer.peer_gradients(field, U0, 1.0, 16), ours, rtol=1e-12, atol=1e-14)
    solved = [node_peer.solved_gradients(field, U0, 1.0, how) for how in ("backprop", "adjoint")]
    torch.testing.assert_close(*solved, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(node_peer.peer_gradients(field, U0, 1.0), solved[0], rtol=1e-7, atol=1e-9)
    found = node_peer.in_times(field, U0, t, 32, "adjoint")
    shift = 1e-5

    def moved(n: int, by: float) -> float:
        other = t.clone()
        other[n] += by
        with torch.no_grad():
            return float(schemes.solve(field, U0, other, rtol=1e-12, atol=1e-14).u[1:].cos().sum())

    for n in range(3):
        assert found[n] == pytest.approx((moved(n, shift) - moved(n, -shift)) / (2 * shift), rel=1e-6)
    value, second = node_peer.penalty(field, U0, 1.0, "adjoint")
    again, exact = node_peer.penalty(field, U0, 1.0, "backprop")
    assert value == pytest.approx(again, rel=1e-8)
    torch.testing.assert_close(second, exact, rtol=1e-6, atol=1e-8)
