"""Latent models: the bound against exact numbers, what changes nothing, the union's way, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from recurrent.irregular import NAN, latent, lists, models, plain, ragged, row
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from contdepth.recurrent import LatentODE, Series, padded
from contdepth.schemes import solve
from contdepth.seeds import generator

NAMES = list(models())


class Affine(nn.Module):
    """A map of given matrix and offset."""

    def __init__(self, matrix: Tensor, offset: Tensor | None = None) -> None:
        super().__init__()
        self.matrix, self.offset = nn.Parameter(matrix), offset

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.T + (0 if self.offset is None else self.offset)


def linear(size: int) -> tuple[LatentODE, Tensor, Tensor, Tensor]:
    """A model z' = A z, x = C z + c + noise, with A, C and c."""
    made = LatentODE(2, size, noise=0.3, rtol=1e-10, atol=1e-12, generator=generator(0, "linear")).double()
    a, c, offset = row(size, size, stream="A"), row(2, size, stream="C"), row(2, stream="c")
    made.field, made.decoder = Affine(a), Affine(c, offset)
    return made, a, c, offset


def marginal(series: Series, i: int, a: Tensor, c: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The observed numbers of a series, their mean, and the matrix that makes them of z₀."""
    maps = torch.stack([c @ torch.linalg.matrix_exp(a * (t - series.times[i, 0])) for t in series.times[i]])
    mask = series.mask[i]
    return series.values[i][mask], offset.expand_as(mask)[mask], maps[mask]


def exact(series: Series, i: int, a: Tensor, c: Tensor, offset: Tensor, noise: float = 0.3) -> Tensor:
    """ln p(x) of a series."""
    x, mean, maps = marginal(series, i, a, c, offset)
    law = MultivariateNormal(mean, maps @ maps.T + noise**2 * torch.eye(len(x), dtype=torch.float64))
    return law.log_prob(x)


def test_the_bound_is_exact_where_the_posterior_is() -> None:
    """One latent number: its posterior is a normal, and ln p(x | z₀) a parabola, whose mean two points tell."""
    made, a, c, offset = linear(1)
    series, laws = ragged(), []
    for i in range(4):
        x, mean, maps = marginal(series, i, a, c, offset)
        precision = 1 + float(maps.T @ maps) / 0.09
        laws.append((float(maps[:, 0] @ (x - mean)) / 0.09 / precision, precision**-0.5))
    centre, spread = torch.tensor(laws, dtype=torch.float64).T
    z = torch.stack((centre - spread, centre + spread))[..., None]
    found = made.log_likelihood(z, series).mean(0) - kl_divergence(Normal(centre, spread), Normal(0.0, 1.0))
    wanted = torch.stack([exact(series, i, a, c, offset) for i in range(4)])
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0)


def test_the_bound_lies_below_the_exact_likelihood() -> None:
    made, a, c, offset = linear(3)
    series = ragged()
    with torch.no_grad():
        found = made.evidence(series, samples=500, generator=generator(0, "draws"))
    for i in range(4):
        assert float(found.bound[i]) < float(exact(series, i, a, c, offset))


def test_the_parts_of_the_bound() -> None:
    made, series = latent(), ragged()
    mean, log_variance = made.encode(series)
    laws = Normal(mean, (0.5 * log_variance).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))
    found = made.evidence(series, weight=0.25, samples=2, generator=generator(0, "draws"))
    torch.testing.assert_close(found.divergence, kl_divergence(*laws).sum(-1))
    torch.testing.assert_close(found.bound, found.likelihood - 0.25 * found.divergence)
    drawn = torch.randn(2, 4, 3, generator=generator(0, "draws"), dtype=torch.float64)
    rows = made.decode(mean + laws[0].stddev * drawn, series.times)
    each = Normal(rows, made.log_noise.exp()).log_prob(series.values)
    torch.testing.assert_close(found.likelihood, torch.where(series.mask, each, 0).sum((-2, -1)).mean(0))


@pytest.mark.parametrize("name", NAMES)
def test_padding_order_and_other_series_change_nothing(name: str) -> None:
    made, (values, times), series = models()[name], lists(), ragged()
    z = row(4, 3, stream="z")
    mean, log_variance = made.encode(series)
    likelihood, rows = made.log_likelihood(z, series), made.reconstruct(series)
    order = torch.tensor([2, 0, 3, 1])
    turned = Series(series.values[order], series.times[order], series.mask[order])
    torch.testing.assert_close(made.log_likelihood(z[order], turned), likelihood[order], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(made.reconstruct(turned), rows[order], rtol=1e-10, atol=1e-10)
    for i in range(4):
        more = torch.cat([values[i], torch.full((2, 2), NAN).double()])
        late = torch.cat([times[i], times[i][-1] + torch.tensor([0.0, 1.0]).double()])
        for alone in (padded([values[i]], [times[i]]), padded([more], [late])):
            for part, whole in zip(made.encode(alone), (mean, log_variance), strict=True):
                torch.testing.assert_close(part[0], whole[i], rtol=1e-10, atol=1e-10)
            found = made.log_likelihood(z[i : i + 1], alone)
            torch.testing.assert_close(found[0], likelihood[i], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_and_a_row_that_is_change_nothing(name: str) -> None:
    made, series, z = models()[name], ragged(), row(4, 3, stream="z")
    filled = Series(torch.where(series.mask, series.values, 7.0), series.times, series.mask)
    torch.testing.assert_close(made.log_likelihood(z, filled), made.log_likelihood(z, series), rtol=0, atol=0)
    without = padded(
        [one[~one.isnan().all(-1)] for one in lists()[0]],
        [t[~one.isnan().all(-1)] for one, t in zip(*lists(), strict=True)],
    )
    if name != "latent ODE, Euler":  # its steps end at every row
        torch.testing.assert_close(made.encode(without), made.encode(series), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        made.log_likelihood(z, without), made.log_likelihood(z, series), rtol=1e-6, atol=1e-6
    )


def test_one_observation_is_enough_and_none_is_the_prior_of_the_net() -> None:
    for made in models().values():
        single = padded([row(1, 2)], [torch.tensor([3.0]).double()])
        found = made.evidence(single, generator=generator(0, "draws"))
        assert bool(torch.isfinite(found.bound).all())
        nothing = Series(single.values, single.times, torch.zeros(1, 1, dtype=torch.bool))
        assert float(made.evidence(nothing).likelihood.detach()) == 0


def test_the_path_is_that_of_the_union_of_all_times() -> None:
    made, series, z = latent(), ragged(), row(4, 3, stream="z")
    start = series.times.min().expand(4)
    union, where = series.times.unique(return_inverse=True)
    path = solve(lambda _, u: made.field(u), z, union, rtol=1e-10, atol=1e-12).u
    wanted = made.decoder(path[where, torch.arange(4)[:, None]])
    torch.testing.assert_close(made.decode(z, series.times, start), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_the_bound_are_finite_differences(name: str) -> None:
    made, series = models()[name], ragged()
    made.log_noise.requires_grad_()

    def bound() -> Tensor:
        return made.evidence(series, weight=0.5, samples=2, generator=generator(0, "draws")).bound.sum()

    bound().backward()
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for held, one in made.named_parameters():
        parts.setdefault(held.rpartition(".")[0], []).append((one, row(*one.shape, stream=f"way {held}")))
    assert len(parts) > 4
    for held, ways in parts.items():
        values, shift = [], 1e-5
        with torch.no_grad():
            for sign in (1, -2, 1):
                for one, way in ways:
                    one += sign * shift * way
                values.append(float(bound()) if len(values) < 2 else 0.0)
        wanted = (values[0] - values[1]) / (2 * shift)
        found = sum(float((one.grad * way).sum()) for one, way in ways)
        assert found == pytest.approx(wanted, rel=1e-4, abs=1e-4), held


def test_gradients_by_checkpoints_are_those_of_the_whole_graph() -> None:
    found = []
    for gradient in ("backprop", "checkpoints"):
        made = latent(gradient=gradient)
        made.evidence(ragged(), weight=0.5, generator=generator(0, "draws")).bound.sum().backward()
        found.append({held: one.grad for held, one in made.named_parameters() if one.requires_grad})
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_rows_between_and_behind(name: str) -> None:
    made, series = models()[name], ragged()
    asked = torch.linspace(2.0, 4.0, 7, dtype=torch.float64).expand(4, 7)
    assert made.reconstruct(series, asked).shape == (4, 7, 2)
    drawn = made.reconstruct(series, asked, samples=3, generator=generator(0, "draws"))
    assert drawn.shape == (3, 4, 7, 2)
    again = made.reconstruct(series, asked, samples=3, generator=generator(0, "draws"))
    torch.testing.assert_close(drawn, again, rtol=0, atol=0)
    mean, _ = made.encode(series)
    torch.testing.assert_close(
        made.decode(mean.expand(2, 4, 3), asked, series.times[:, 0])[1], made.reconstruct(series, asked)
    )


def test_later_by_the_same_time_is_the_same() -> None:
    for made in models().values():
        series = ragged()
        later = Series(series.values, series.times + 4, series.mask)
        torch.testing.assert_close(made.encode(later), made.encode(series), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(made.reconstruct(later), made.reconstruct(series), rtol=1e-6, atol=1e-6)


def test_a_target_of_its_own_and_an_earlier_start() -> None:
    made, series = latent(), ragged()
    late = Series(series.values, series.times + 1, series.mask)
    found = made.evidence(late, series, generator=generator(0, "draws"))
    wanted = made.encode(late, series.times[:, 0])
    law = Normal(wanted[0], (0.5 * wanted[1]).exp())
    prior = Normal(torch.zeros_like(wanted[0]), torch.ones_like(wanted[0]))
    torch.testing.assert_close(found.divergence, kl_divergence(law, prior).sum(-1))
    assert math.isfinite(float(found.bound.detach().sum()))
    drawn = torch.randn(1, 4, 3, generator=generator(0, "draws"), dtype=torch.float64)[0]
    z = wanted[0] + (0.5 * wanted[1]).exp() * drawn
    torch.testing.assert_close(found.likelihood, made.log_likelihood(z, series, series.times[:, 0]))


@pytest.mark.parametrize("name", NAMES)
def test_a_start_before_the_first_row_lets_time_pass_in_the_encoder(name: str) -> None:
    """A latent ODE's encoder goes on to the start, RNN-VAE's is told of the gap: the law of z₀ is another one."""
    made, series = models()[name], ragged()
    far = made.encode(series, series.times[:, 0] - 1)[0]
    assert float((far - made.encode(series)[0]).detach().abs().min()) > 1e-6


def test_noise_is_learned_only_where_it_is_asked_for() -> None:
    for learned in (True, False):
        for made in (latent(learn_noise=learned), plain(learn_noise=learned)):
            made.evidence(ragged(), generator=generator(0, "draws")).bound.sum().backward()
            assert (made.log_noise.grad is not None) == learned == made.log_noise.requires_grad


def test_checkpoints_keep_less_of_a_long_path() -> None:
    """Bytes kept for the way back, of a path at two times with many steps between them."""
    kept = []
    for gradient in ("backprop", "checkpoints"):
        made, sizes = latent(gradient=gradient, rtol=1e-10, atol=1e-12), []
        times = torch.tensor([[0.0, 40.0]], dtype=torch.float64)
        with torch.autograd.graph.saved_tensors_hooks(lambda x, s=sizes: s.append(x.numel()) or x, lambda x: x):
            rows = made.decode(row(1, 3, stream="z").requires_grad_(), times)
        assert rows.requires_grad
        kept.append(sum(sizes))
    assert kept[1] < 0.5 * kept[0]


def test_the_state_of_an_encoder_begins_where_it_is_told() -> None:
    """Forward through two halves of a series is forward through the whole."""
    made, series = latent().encoder, ragged()
    both = made(series)
    assert float((made(series, row(4, 4, stream="h"))[:, 0] - both[:, 0]).detach().abs().max()) > 1e-3
    one = padded([lists()[0][3]], [lists()[1][3]])
    halves = [Series(*(part[:, k] for part in (one.values, one.times, one.mask))) for k in (slice(2), slice(1, 4))]
    nothing = Series(halves[1].values, halves[1].times, halves[1].mask & (torch.arange(3) > 0)[None, :, None])
    again = made(nothing, made(halves[0])[:, -1])
    torch.testing.assert_close(again[:, -1], made(one)[:, -1], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda m, s: m.decode(row(4, 3), s.times.flip(1)),
            "times: expected times that never decrease.*sort the rows",
        ),
        (lambda m, s: m.decode(row(4, 2), s.times), r"z: expected shape \(4, 3\), found shape \(4, 2\)"),
        (lambda m, s: m.reconstruct(s, s.times - 1), "start: expected a time <= "),
        (lambda m, s: m.encode(s, s.times[:, 0] + 1), "start: expected a time <= 0.0, the first of series 0"),
        (lambda m, s: m.evidence(s, weight=-1.0), "weight: expected a number >= 0"),
        (lambda m, s: m.evidence(s, samples=0), "samples: expected a number >= 1, found 0"),
        (lambda m, s: m.evidence(s, padded([row(3, 2)])), r"target: expected shape \(4,\), found shape \(1,\)"),
        (lambda m, s: m.encode(padded([row(3, 1)])), r"series: expected shape \(2,\), found shape \(1,\)"),
        (lambda m, s: Series(s.values, s.times.flip(1), s.mask), "times: expected times that never decrease"),
    ],
)
def test_what_does_not_fit_is_told(call: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call(latent(), ragged())
