"""Jumps at times of their own: the rounds of a batch against one row after the other, and each series alone."""

from __future__ import annotations

import pytest
import torch
from recurrent.irregular import latent, lists, ragged, row, scaled
from torch import Tensor
from torchdiffeq import odeint

from contdepth import errors
from contdepth.recurrent import GRUODE, ODERNN, GRUODEBayes, Series, padded
from contdepth.schemes import DORMAND_PRINCE, pair_step
from contdepth.schemes.adaptive.own.jumps import pair_stage
from contdepth.seeds import generator


def encoder(step: float | None) -> ODERNN:
    made = ODERNN(2, 4, width=5, step=step, rtol=1e-8, atol=1e-10, generator=generator(0, "encoder")).double()
    return scaled(made)


def row_after_row(made: ODERNN, series: Series) -> Tensor:
    """All series wait at each row."""
    h, found = made.start(len(series.times)), []
    gaps = series.times.diff(dim=1, prepend=series.times[:, :1])
    for k in range(gaps.shape[1]):
        h = made.between(h, gaps[:, k])
        told = torch.cat([series.values[:, k], series.mask[:, k].double()], dim=-1)
        h = torch.where(series.seen[:, k, None], made.jump(told, h), h)
        found.append(h)
    return torch.stack(found, dim=1)


@pytest.mark.parametrize(("step", "far"), [(0.1, 1e-12), (0.5, 1e-12), (None, 1e-7)])
def test_rounds_of_a_batch_are_one_row_after_the_other(step: float | None, far: float) -> None:
    made = encoder(step)
    torch.testing.assert_close(made(ragged()), row_after_row(made, ragged()), rtol=far, atol=far)


def test_solved_it_is_what_torchdiffeq_finds_at_the_union_of_all_times() -> None:
    made, series = encoder(None), ragged()
    h, found = made.start(4), torch.zeros(4, 5, 4, dtype=torch.float64)
    union = series.times.unique()
    begun = torch.zeros(4, dtype=torch.bool)
    for at, time in enumerate(union):
        if at and begun.any():
            moved = odeint(lambda _, u: made.between.rate(u), h, union[at - 1 : at + 1], rtol=1e-9, atol=1e-11)
            h = torch.where(begun[:, None], moved[-1], h)
        for k in range(5):
            here = series.times[:, k] == time
            begun |= here
            told = torch.cat([series.values[:, k], series.mask[:, k].double()], dim=-1)
            h = torch.where((here & series.seen[:, k])[:, None], made.jump(told, h), h)
            found[here, k] = h[here]
    torch.testing.assert_close(made(series), found, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("step", [0.1, None])
def test_backwards_is_forwards_along_turned_times(step: float | None) -> None:
    made, (values, times) = encoder(step), lists()
    series = padded(values, times)
    start = torch.tensor([-0.5, -1.0, 1.0, -0.25], dtype=torch.float64)
    found = made.backwards(series, start)
    for i in range(4):
        turned = padded([values[i].flip(0)], [-times[i].flip(0)])
        after = made(turned)[:, -1]
        alone = made.between(after, (times[i][:1] - start[i : i + 1]))
        torch.testing.assert_close(found[i : i + 1], alone, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("step", [0.1, None])
def test_padding_and_other_series_change_nothing(step: float | None) -> None:
    made, (values, times) = encoder(step), lists()
    together, back = made(ragged()), made.backwards(ragged())
    order = torch.tensor([3, 1, 0, 2])
    turned = Series(ragged().values[order], ragged().times[order], ragged().mask[order])
    torch.testing.assert_close(made(turned), together[order], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(made.backwards(turned), back[order], rtol=1e-12, atol=1e-12)
    for i in range(4):
        alone = padded([values[i]], [times[i]])
        torch.testing.assert_close(made(alone)[0], together[i, : len(values[i])], rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(made.backwards(alone)[0], back[i], rtol=1e-11, atol=1e-11)


def test_a_missing_row_at_the_end_changes_nothing_backwards_even_where_time_passes() -> None:
    made, (values, times) = encoder(0.1), lists()
    longer = torch.cat([values[0], torch.full((1, 2), torch.nan, dtype=torch.float64)])
    later = torch.cat([times[0], times[0][-1:] + 3])
    torch.testing.assert_close(
        made.backwards(padded([longer], [later])),
        made.backwards(padded([values[0]], [times[0]])),
        rtol=1e-14,
        atol=0,
    )
    nothing = padded([torch.full((2, 2), torch.nan, dtype=torch.float64)])
    assert float(made.backwards(nothing).detach().abs().max()) == 0


@pytest.mark.parametrize("step", [0.3, None])
def test_gradients_are_finite_differences(step: float | None) -> None:
    made, series = encoder(step), ragged()
    names, held = zip(*made.named_parameters(), strict=True)

    def loss(values: Tensor, *weights: Tensor) -> Tensor:
        told = Series(values, series.times, series.mask)
        return (
            torch.func.functional_call(made, dict(zip(names, weights, strict=True)), (told,)).square().sum((0, 2))
        )

    values = series.values.clone().requires_grad_()
    torch.autograd.gradcheck(loss, (values, *held), eps=1e-6, atol=2e-5, rtol=1e-4, fast_mode=True)


def test_a_step_taken_again_is_that_of_the_pair() -> None:
    rate, u, size = encoder(None).between.rate, row(3, 4), torch.tensor([[0.1], [0.0], [0.7]]).double()
    wanted, _ = pair_step(DORMAND_PRINCE, lambda _, u: rate(u), torch.zeros(3, 1).double(), u, size)
    torch.testing.assert_close(pair_stage(DORMAND_PRINCE, rate, u, size), wanted, rtol=1e-13, atol=1e-13)


def test_the_filter_waits_for_none() -> None:
    for step, far in ((0.1, 1e-12), (None, 1e-7)):
        made = GRUODEBayes(2, 3, step=step, rtol=1e-8, atol=1e-10, generator=generator(0, "bayes")).double()
        scaled(made)
        found, (values, times) = made(ragged()), lists()
        for i in range(4):
            alone = made(padded([values[i]], [times[i]]))
            for part, own in zip(found, alone, strict=True):
                torch.testing.assert_close(part[i, : len(values[i])], own[0], rtol=far, atol=far)


def test_what_cannot_be_solved_or_takes_too_long_is_told() -> None:
    made = GRUODE(1, step=None)
    made._rate = lambda h: h.square()
    with pytest.raises(errors.IntegrationError, match="member 1 of 2 at t = 1"):
        made.along(torch.ones(2, 1), torch.tensor([[0.0, 0.5], [0.5, 2.0]]), lambda h, who, k: (h,))
    series = Series(torch.ones(1, 3, 2), torch.tensor([[0.0, 6e3, 1.2e4]]), torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="gaps: expected at most 100,000 steps of 0.1 in a series"):
        ODERNN(2, 2, step=0.1)(series)
    with pytest.raises(ValueError, match=r"start: expected a time <= 0.0, the first of series 0, found 1.0"):
        latent().encoder.backwards(ragged(), torch.ones(4, dtype=torch.float64))
