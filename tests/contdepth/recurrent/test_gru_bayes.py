"""The filter for series at irregular times: its parts, what changes nothing, its bound, its likelihood."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from contdepth.recurrent import GRUODEBayes, Series, from_nan, padded
from contdepth.seeds import generator

NAN = float("nan")


def row(*shape: int, stream: str = "row") -> Tensor:
    return torch.randn(*shape, generator=generator(1, stream), dtype=torch.float64)


def scaled(made: torch.nn.Module, factor: float) -> None:
    """Weights ``factor`` times as large, biases drawn."""
    with torch.no_grad():
        for name, one in made.named_parameters():
            one.copy_(factor * (row(*one.shape, stream=name) if one.ndim == 1 else one))


def model(step: float | None = 0.1, factor: float = 1.5) -> GRUODEBayes:
    made = GRUODEBayes(
        2, 4, features=3, step=step, rtol=1e-8, atol=1e-10, generator=generator(0, "model")
    ).double()
    scaled(made, factor)
    return made


def irregular() -> Series:
    values = torch.stack([row(4, 2), row(4, 2, stream="second")])
    values[0, 1, 0], values[1, 2] = NAN, NAN
    return from_nan(values, torch.tensor([[0.0, 0.4, 0.4, 2.0], [-1.0, 0.0, 0.5, 0.7]], dtype=torch.float64))


def test_the_filter_is_its_parts_one_after_the_other() -> None:
    made, series = model(), irregular()
    found = made(series)
    state = torch.zeros(2, 4, dtype=torch.float64)
    for k in range(4):
        if k:
            state = made.between(state, series.times[:, k] - series.times[:, k - 1])
        torch.testing.assert_close(found.before[:, k], state)
        mean, log_variance = made.predicted(state)
        state = made.jump(series.values[:, k], state, series.mask[:, k], mean, log_variance)
        torch.testing.assert_close(found.after[:, k], state)
    torch.testing.assert_close(found.after[1, 2], found.before[1, 2], rtol=0, atol=0)


def test_padding_and_rows_without_observations_change_nothing() -> None:
    made, values, times = model(step=None), row(3, 2), torch.tensor([0.0, 0.7, 2.0], dtype=torch.float64)
    alone = made(padded([values], [times])).after[0]
    with_longer = made(padded([values, row(5, 2)], [times, torch.arange(5.0).double()])).after[0]
    torch.testing.assert_close(with_longer[:3], alone)
    torch.testing.assert_close(with_longer[-1], alone[-1])
    nothing = torch.full((1, 2), NAN, dtype=torch.float64)
    more = torch.cat([times[:2], torch.tensor([1.1]).double(), times[2:]])
    asked = made(padded([torch.cat([values[:2], nothing, values[2:]])], [more])).after[0]
    torch.testing.assert_close(asked[[0, 1, 3]], alone, rtol=1e-6, atol=1e-7)


def test_times_count_only_by_their_differences() -> None:
    made, series = model(), irregular()
    later = Series(series.values, series.times + 5, series.mask)
    longer = Series(series.values, series.times * 2, series.mask)
    torch.testing.assert_close(made(later).after, made(series).after)
    assert float((made(longer).after - made(series).after).detach().abs().max()) > 1e-2


def test_states_of_the_filter_stay_between_minus_one_and_one() -> None:
    found = model(step=1.0, factor=10.0)(from_nan(10 * row(20, 30, 2)))
    assert float(torch.stack([found.before, found.after]).detach().abs().max()) <= 1 + 1e-12


def test_the_likelihood_is_of_observed_numbers_before_jumps() -> None:
    made, series = model(), irregular()
    found, numbers = made(series), []
    for i, k, d in series.mask.nonzero().tolist():
        law = torch.distributions.Normal(found.mean[i, k, d], (found.log_variance[i, k, d] / 2).exp())
        numbers.append(-law.log_prob(series.values[i, k, d]))
    torch.testing.assert_close(made.negative_log_likelihood(series), torch.stack(numbers).mean())
    empty = from_nan(torch.full((1, 2, 2), NAN, dtype=torch.float64))
    assert float(made.negative_log_likelihood(empty).detach()) == 0


@pytest.mark.parametrize("step", [0.5, None])
def test_gradients_are_those_of_finite_differences(step: float | None) -> None:
    made, series, h = model(step), irregular(), 0.5 * row(2, 4, stream="start")
    made.negative_log_likelihood(series, h).backward()
    for one in made.parameters():
        way, e = row(*one.shape, stream=str(tuple(one.shape))), 1e-5
        values = []
        with torch.no_grad():
            for sign in (1, -1):
                one += sign * e * way
                values.append(float(made.negative_log_likelihood(series, h)))
                one -= sign * e * way
        assert float((one.grad * way).sum()) == pytest.approx(
            (values[0] - values[1]) / (2 * e), rel=1e-4, abs=1e-6
        )


def test_the_defaults_work_in_single_precision() -> None:
    made = GRUODEBayes(2, 8, step=None, generator=generator(0, "single"))
    loss = made.negative_log_likelihood(from_nan(row(3, 4, 2).float()))
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(bool(torch.isfinite(one.grad).all()) for one in made.parameters())
