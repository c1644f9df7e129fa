"""Assignment distances against all permutations, sorted numbers and a shift."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from contdepth.flows import wasserstein1, wasserstein2
from contdepth.seeds import generator


def sample(purpose: str, n: int = 5, d: int = 2) -> Tensor:
    return torch.randn(n, d, generator=generator(0, purpose), dtype=torch.float64)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_no_permutation_is_better(d: int) -> None:
    x, y = sample("x", d=d), 3 * sample("y", d=d) + 1
    apart = [(x - y[list(way)]).norm(dim=-1) for way in itertools.permutations(range(5))]
    assert wasserstein1(x, y).item() == pytest.approx(min(one.mean().item() for one in apart), rel=1e-12)
    assert wasserstein2(x, y).item() == pytest.approx(min(one.square().mean().sqrt().item() for one in apart))


def test_the_two_are_matched_by_their_own_lengths() -> None:
    """In the plane the best assignments of |x - y| and of its square differ; here they do."""
    x = torch.tensor([[0.0, 0.0], [3.0, 0.0]], dtype=torch.float64)
    y = torch.tensor([[4.0, 0.0], [2.0, 2.0]], dtype=torch.float64)
    one, two = [(x - y[list(way)]).norm(dim=-1) for way in ((0, 1), (1, 0))]
    assert wasserstein1(x, y).item() == pytest.approx(min(one.mean().item(), two.mean().item()))
    squares = min(one.square().mean().item(), two.square().mean().item())
    assert wasserstein2(x, y).item() == pytest.approx(squares**0.5)


def test_on_a_line_the_sorted_numbers_are_matched() -> None:
    x, y = sample("x", 40, 1), sample("y", 40, 1).exp()
    apart = (x.sort(dim=0)[0] - y.sort(dim=0)[0]).abs()
    assert wasserstein1(x, y).item() == pytest.approx(apart.mean().item(), rel=1e-12)
    assert wasserstein2(x, y).item() == pytest.approx(apart.square().mean().sqrt().item(), rel=1e-12)


def test_a_shift_costs_its_length_whatever_the_order() -> None:
    x, shift = sample("x", 30), torch.tensor([3.0, -4.0], dtype=torch.float64)
    y = (x + shift)[torch.randperm(30, generator=generator(1, "order"))]
    for distance in (wasserstein1, wasserstein2):
        assert distance(x, y).item() == pytest.approx(5, rel=1e-12)
        assert distance(y, x).item() == pytest.approx(5, rel=1e-12)
        assert distance(x, x).item() == 0


def test_gradients_are_those_of_the_assignment() -> None:
    x, y = sample("x").requires_grad_(), sample("y").requires_grad_()
    for distance in (wasserstein1, wasserstein2):
        assert torch.autograd.gradcheck(distance, (x, y))


def test_what_does_not_fit_is_named() -> None:
    x = sample("x")
    for y, said in [
        (x[:4], r"y: expected shape \(5, 2\), found shape \(4, 2\)"),
        (x[:, :1], r"y: expected shape \(5, 2\)"),
        (x.float(), "y: expected dtype torch.float64"),
        (x / 0, "y: expected finite values"),
        (x[0], "y: expected a tensor with 2 dimensions"),
    ]:
        for distance in (wasserstein1, wasserstein2):
            with pytest.raises((TypeError, ValueError), match=said):
                distance(x, y)
    with pytest.raises(ValueError, match=r"x: expected points \(n, d\)"):
        wasserstein1(x[:0], x[:0])
