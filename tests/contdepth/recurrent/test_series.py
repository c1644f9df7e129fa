"""The form of series: round trips, what is filled in, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from contdepth.recurrent import AntisymmetricCell, Recurrence, Series, from_nan, padded
from contdepth.seeds import generator

NAN = float("nan")


def doubles(*rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def same(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)


def ragged() -> tuple[list[Tensor], list[Tensor]]:
    """Three series of 2, 4 and 1 rows with numbers missing, and their times."""
    values = [
        doubles([1.0, NAN], [NAN, 2.0]),
        doubles([3.0, 4.0], [NAN, NAN], [5.0, NAN], [NAN, 6.0]),
        doubles([7.0, 8.0]),
    ]
    return values, [doubles(0.0, 0.5), doubles(-1.0, 0.25, 0.25, 3.0), doubles(9.0)]


def test_nan_marks_what_is_missing_and_comes_back() -> None:
    values = doubles([[1.0, NAN], [NAN, NAN]], [[NAN, 2.0], [0.0, 3.0]])
    series = from_nan(values)
    assert series.mask.tolist() == [[[True, False], [False, False]], [[False, True], [True, True]]]
    same(series.values, doubles([[1.0, 0.0], [0.0, 0.0]], [[0.0, 2.0], [0.0, 3.0]]))
    same(series.times, doubles([0.0, 1.0], [0.0, 1.0]))
    same(series.with_nan(), values)
    assert series.seen.tolist() == [[True, False], [True, True]]
    assert series.lengths.tolist() == [1, 2]


def test_unequal_lengths_come_back() -> None:
    values, times = ragged()
    series = padded(values, times)
    assert series.values.shape == (3, 4, 2)
    assert series.lengths.tolist() == [2, 4, 1]
    for (own, moments), one, at in zip(series.separate(), values, times, strict=True):
        same(own, one)
        same(moments, at)


def test_no_time_passes_in_padding() -> None:
    values, times = ragged()
    same(padded(values, times).times[0], doubles(0.0, 0.5, 0.5, 0.5))
    same(padded(values).times[0], doubles(0.0, 1.0, 1.0, 1.0))


def test_a_mask_of_rows_is_one_of_all_their_numbers() -> None:
    values, rows = torch.ones(1, 3, 2), torch.tensor([[True, False, True]])
    found = Series(values, torch.zeros(1, 3), rows)
    assert found.mask.tolist() == [[[True, True], [False, False], [True, True]]]
    same(found.values, torch.tensor([[[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]]))


def test_what_is_missing_has_no_gradient() -> None:
    values = doubles([[1.0, NAN], [2.0, 3.0]]).requires_grad_()
    from_nan(values).values.square().sum().backward()
    same(values.grad, doubles([[2.0, 0.0], [4.0, 6.0]]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"times": [[0.0, 2.0, 1.0]]},
            "times: expected times that never decrease, found 2.0 before 1.0 in series 0",
        ),
        ({"times": [[0.0, NAN, 1.0]]}, r"times: expected finite values, found nan at index \(0, 1\)"),
        ({"times": [[0.0, 1.0]]}, r"times: expected shape \(1, 3\), found shape \(1, 2\)"),
        ({"values": [[[1.0], [NAN], [3.0]]]}, "values: expected finite values.*set mask to False"),
        ({"values": [[[1.0], [float("inf")], [3.0]]]}, "values: expected finite values, found inf"),
        ({"values": [[1.0, 2.0, 3.0]]}, "values: expected a tensor with 3 dimensions.*series, rows, numbers"),
        ({"mask": [[[True], [True]]]}, r"mask: expected shape \(1, 3, 1\).*or one for each row"),
    ],
)
def test_what_does_not_fit_is_told(change: dict[str, list[object]], said: str) -> None:
    good = {"values": [[[1.0], [2.0], [3.0]]], "times": [[0.0, 1.0, 1.0]], "mask": [[[True]] * 3]}
    made = {name: torch.tensor(one) for name, one in {**good, **change}.items()}
    with pytest.raises(ValueError, match=said):
        Series(**made)


def test_a_mask_is_of_bool_and_dtypes_agree() -> None:
    values = torch.ones(1, 2, 1)
    with pytest.raises(TypeError, match="mask: expected a tensor of bool, found dtype torch.float32"):
        Series(values, torch.zeros(1, 2), values)
    with pytest.raises(TypeError, match="times: expected dtype torch.float32, found torch.float64"):
        Series(values, torch.zeros(1, 2, dtype=torch.float64), values > 0)


def test_series_that_do_not_belong_together_are_told() -> None:
    with pytest.raises(ValueError, match="values: expected at least one series, each with a row"):
        padded([torch.ones(2, 1), torch.ones(0, 1)])
    with pytest.raises(ValueError, match=r"values: expected shape \(3, 1\), found shape \(3, 2\)"):
        padded([torch.ones(2, 1), torch.ones(3, 2)])
    with pytest.raises(ValueError, match="times: expected 1 tensors, one for each series, found 2"):
        padded([torch.ones(2, 1)], [torch.zeros(2), torch.zeros(2)])


def recurrence() -> Recurrence:
    return Recurrence(AntisymmetricCell(2, 3, step=0.3, generator=generator(0, "cell"))).double()


def test_a_padded_series_ends_in_the_state_that_it_has_alone() -> None:
    values, net = ragged()[0], recurrence()
    together = net(padded(values))[:, -1]
    alone = torch.cat([net(padded([one]))[:, -1] for one in values])
    torch.testing.assert_close(together, alone)


def test_a_missing_number_enters_as_zero_and_a_missing_row_not_at_all() -> None:
    values, net = ragged()[0][1], recurrence()
    states = net(padded([values]))[0]
    same(states[1], states[0])
    filled = net(from_nan(values[[0, 2, 3]][None].nan_to_num(0.0)))[0]
    torch.testing.assert_close(states[[0, 2, 3]], filled)
    assert not torch.equal(states[2], states[1])
