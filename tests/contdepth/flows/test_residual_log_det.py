"""Logarithms of determinants of residual maps against dense ones, with gradients, and errors against bounds."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.func import jacrev, vmap

from contdepth.flows import (
    ExactLogDet,
    NumberOfTerms,
    ResidualBlock,
    ResidualFlow,
    RouletteLogDet,
    SeriesLogDet,
    lipschitz_net,
    series_error,
    settle,
)
from contdepth.seeds import generator

LAWS = [NumberOfTerms(), NumberOfTerms(rate=0.7, certain=1), NumberOfTerms("poisson", 2.0, 2)]


def points(n: int = 4, d: int = 3) -> Tensor:
    return torch.randn(n, d, generator=generator(0, "points"), dtype=torch.float64)


def weights(size: float = 0.55) -> tuple[Tensor, Tensor]:
    """Of g = B tanh(A x), with |B| |A| = ``size`` and no symmetry."""
    source = generator(1, "weights")
    a, b = (torch.randn(*s, generator=source, dtype=torch.float64) for s in ((5, 3), (3, 5)))
    scale = math.sqrt(size)
    return scale * a / torch.linalg.matrix_norm(a, 2), scale * b / torch.linalg.matrix_norm(b, 2)


def true(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """ln det of the dense Jacobian, by another way."""
    full = vmap(jacrev(lambda one: one + b @ torch.tanh(a @ one)))(x)
    return torch.linalg.slogdet(full).logabsdet


def test_exact() -> None:
    x, (a, b) = points(), weights()
    found = ExactLogDet()(lambda y: torch.tanh(y @ a.T) @ b.T, x)
    torch.testing.assert_close(found.log_det, true(x, a, b), rtol=0, atol=1e-12)
    torch.testing.assert_close(found.x, x + torch.tanh(x @ a.T) @ b.T)
    columns = ExactLogDet()(lambda y: torch.tanh(y.mT @ a.T).matmul(b.T).mT, x[:, :, None])
    torch.testing.assert_close(columns.log_det, found.log_det, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [0.3, 0.9])
@pytest.mark.parametrize("terms", [1, 2, 5, 10])
def test_the_series_is_off_by_no_more_than_the_bound(size: float, terms: int) -> None:
    """Also where it is attained: g = -c x leaves out the bound itself."""
    x, (a, b) = points(), weights(size)
    found = SeriesLogDet(terms, None)(lambda y: torch.tanh(y @ a.T) @ b.T, x).log_det
    bound = series_error(3, size, terms)
    assert 0 < (found - true(x, a, b)).abs().max().item() <= bound
    worst = SeriesLogDet(terms, None)(lambda y: -size * y, x).log_det
    torch.testing.assert_close(worst - 3 * math.log1p(-size), torch.full_like(worst, bound), rtol=1e-9, atol=0)


def test_the_bound_is_the_tail() -> None:
    for c, n in ((0.9, 5), (0.5, 0), (0.99, 20), (0.1, 3)):
        tail = math.fsum(c**k / k for k in range(n + 1, 9000))
        assert series_error(7, c, n) == pytest.approx(7 * tail, rel=1e-9)


def estimates(how: SeriesLogDet | RouletteLogDet, rounds: int) -> tuple[Tensor, Tensor]:
    """Means of 400 values, and their gradients in A, flattened, and in x; new numbers each round."""
    a, b = weights()
    x = points(1).expand(400, 3).clone().requires_grad_()
    a, source = a.requires_grad_(), generator(7, "probes")
    values, grads = [], []
    for _ in range(rounds):
        found = how(lambda y: torch.tanh(y @ a.T) @ b.T, x, source).log_det
        in_a, in_x = torch.autograd.grad(found.mean(), (a, x))
        values.append(found.detach().mean())
        grads.append(torch.cat([in_a.flatten(), in_x.sum(0)]))
    return torch.stack(values), torch.stack(grads)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("gradient", ["neumann", "backprop"])
def test_roulette_is_right_on_average_and_its_gradient_too(law: NumberOfTerms, gradient: str) -> None:
    """Within 3.5 standard errors of 300 rounds, in the value and in 18 derivatives."""
    x, (a, b) = points(1).requires_grad_(), weights()
    exact = true(x, a.requires_grad_(), b)
    in_a, in_x = torch.autograd.grad(exact.sum(), (a, x))
    wanted = torch.cat([exact.detach(), in_a.flatten(), in_x.flatten()])
    values, grads = estimates(RouletteLogDet(law, gradient=gradient), 300)
    rows = torch.cat([values[:, None], grads], 1)
    error = rows.std(0) / math.sqrt(len(rows))
    assert ((rows.mean(0) - wanted) / error).abs().max().item() < 3.5


def test_the_short_series_is_biased_where_roulette_is_not() -> None:
    x, (a, b) = points(1), weights()
    values, _ = estimates(SeriesLogDet(1), 60)
    error = values.std().item() / math.sqrt(len(values))
    assert abs(values.mean().item() - true(x, a, b).item()) > 6 * error


def test_both_gradients_have_the_same_value() -> None:
    x, (a, b) = points().requires_grad_(), weights()
    found = []
    for gradient in ("neumann", "backprop"):
        how = RouletteLogDet(NumberOfTerms(rate=0.8), 2, gradient)
        found.append(how(lambda y: torch.tanh(y @ a.T) @ b.T, x, generator(3, "p")).log_det)
    torch.testing.assert_close(*found, rtol=0, atol=1e-12)
    with torch.no_grad():
        quiet = how(lambda y: torch.tanh(y @ a.T) @ b.T, x, generator(3, "p")).log_det
    assert not quiet.requires_grad
    torch.testing.assert_close(quiet, found[0].detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_the_number_of_terms_has_its_law(law: NumberOfTerms) -> None:
    source = generator(0, "law")
    drawn = torch.tensor([law.draw(source) for _ in range(4000)])
    for k in range(8):
        share = (drawn >= k).double().mean().item()
        p = law.survival(k)
        assert abs(share - p) <= 3.5 * math.sqrt(p * (1 - p) / 4000) + 1e-12
    assert law.survival(law.certain) == 1 > law.survival(law.certain + 1)


def chain(log_det: object = None, scaled: bool = False) -> ResidualFlow:
    torch.manual_seed(0)
    blocks = [ResidualBlock(lipschitz_net((2, 8, 8, 2), 0.95).double()) for _ in range(2)]
    with torch.no_grad():
        for parameter in torch.nn.ModuleList(blocks).parameters():
            parameter.mul_(2)
    flow = ResidualFlow(blocks, 2, log_det=log_det, tolerance=1e-10, most=400, scaled=scaled).eval()
    if scaled:
        with torch.no_grad():
            flow.log_scales.copy_(torch.tensor([[0.3, -0.4], [0.2, 0.1]]))
            flow.shifts.copy_(torch.tensor([[0.5, -1.0], [-0.2, 0.3]]))
    settle(flow, 1e-10)
    return flow


@pytest.mark.parametrize("scaled", [False, True])
def test_a_chain_is_a_density(scaled: bool) -> None:
    """Its logarithm is that of the determinant of the whole map, its integral one, and samples come back."""
    flow, x = chain(scaled=scaled), points(4, 2)

    def through(one: Tensor) -> Tensor:
        for k, block in enumerate(flow.blocks):
            if scaled:
                one = one * flow.log_scales[k].exp() + flow.shifts[k]
            one = block(one[None])[0]
        return one

    with torch.no_grad():
        full = torch.stack([torch.autograd.functional.jacobian(through, one) for one in x])
        z = torch.stack([through(one) for one in x])
        expected = -0.5 * z.square().sum(1) - math.log(2 * math.pi) + torch.linalg.slogdet(full).logabsdet
        torch.testing.assert_close(flow.log_density(x), expected, rtol=0, atol=1e-10)
        side = torch.linspace(-16, 16, 161, dtype=torch.float64)
        total = flow.log_density(torch.cartesian_prod(side, side)).exp().sum() * (side[1] - side[0]) ** 2
        assert total.item() == pytest.approx(1, abs=2e-3)
    drawn = flow.draw(5, generator(0, "draw"))
    torch.testing.assert_close(flow.log_density(drawn.x), drawn.log_density, rtol=0, atol=1e-7)
    torch.testing.assert_close(flow.to_base(drawn.x).x, flow._draw(5, generator(0, "draw")), rtol=0, atol=1e-7)
    assert flow.log_density(x.reshape(2, 2, 2)).shape == (2, 2)


def test_volumes_by_roulette_in_a_chain() -> None:
    flow = chain(RouletteLogDet(NumberOfTerms(rate=0.9), 2))
    rows = torch.stack(
        [flow.log_density(points(1, 2).expand(50, 2), generator(n, "p")) for n in range(60)]
    ).detach()
    flow.log_det = ExactLogDet()
    per_round = rows.mean(1)
    error = per_round.std().item() / math.sqrt(60)
    assert abs(per_round.mean().item() - flow.log_density(points(1, 2)).item()) < 3.5 * error
    with pytest.raises(TypeError, match="log_det: expected ExactLogDet"):
        chain("exact")
    with pytest.raises(ValueError, match="blocks: expected at least one"):
        ResidualFlow([], 2)


@pytest.mark.parametrize("how", [SeriesLogDet(10), RouletteLogDet(NumberOfTerms(certain=10))])
def test_memory_of_the_way_back(how: SeriesLogDet | RouletteLogDet) -> None:
    """Bytes kept for the gradient: with the Neumann series at most a third of those of ten terms."""
    x, (a, b) = points(64), weights()
    a.requires_grad_()

    def bytes_of(one: SeriesLogDet | RouletteLogDet) -> int:
        seen: dict[int, int] = {}

        def note(t: Tensor) -> Tensor:
            seen[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
            found = one(lambda y: torch.tanh(y @ a.T) @ b.T, x, generator(0, "p"))
        assert found.log_det.requires_grad
        return sum(seen.values())

    share = bytes_of(how) / bytes_of(SeriesLogDet(10))
    assert share == 1 if isinstance(how, SeriesLogDet) else share <= 1 / 3
