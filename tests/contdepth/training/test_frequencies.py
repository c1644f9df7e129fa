"""Errors by frequency against sums written out, and the Gaussian filter against weights of two points."""

from __future__ import annotations

import math

import pytest
import torch

from contdepth.training import filtered_errors, mode_errors


def grid(count: int = 32) -> torch.Tensor:
    return torch.arange(count, dtype=torch.float64) * (2 * math.pi / count) - math.pi


def test_the_error_of_a_mode_is_that_of_its_amplitude():
    x = grid()
    target = torch.sin(x) + 2 * torch.cos(3 * x) - torch.sin(5 * x)
    outputs = torch.stack(
        [0.75 * torch.sin(x) + 5 * torch.cos(3 * x) - torch.sin(5 * x) + torch.sin(7 * x), target]
    )
    found = mode_errors(outputs, target, (1, 3, 5))
    wanted = torch.tensor([[0.25, 1.5, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-13)


def test_a_mode_that_is_turned_is_wrong_by_twice_the_sine_of_half_the_angle():
    x = grid()
    assert float(mode_errors(torch.sin(2 * x + 0.4), torch.sin(2 * x), [2])[0]) == pytest.approx(2 * math.sin(0.2))


def test_the_filter_mixes_two_points_by_their_distance():
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64)
    target = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    other = math.exp(-25 / (2 * 10))
    share = (1 - other) / (1 + other)
    output = torch.tensor([[[1.5], [-1.5]], [[2.0], [0.0]]], dtype=torch.float64)
    low, high = filtered_errors(output, target, points, 10.0)
    assert low[0] == pytest.approx(0.5) and high[0] == pytest.approx(0.5)
    assert low[1] == pytest.approx(1 / share) and high[1] == pytest.approx(0, abs=1e-12)


def test_an_error_that_is_a_constant_is_low_and_one_that_alternates_is_high():
    points = torch.arange(40, dtype=torch.float64)[:, None] / 4
    target = torch.sin(points) + (-1.0) ** torch.arange(40)[:, None]
    for error, smooth in ((torch.ones(40, 1).double(), True), ((-1.0) ** torch.arange(40)[:, None], False)):
        low, high = filtered_errors(target + error, target, points, 1.0)
        assert (low > 10 * high) == smooth and (high > 10 * low) == (not smooth)


def test_odd_requests_are_told():
    x = grid()
    with pytest.raises(ValueError, match="^modes: expected frequencies that the target has"):
        mode_errors(torch.sin(x), torch.sin(x), [2])
    with pytest.raises(ValueError, match="^output: expected values at the 32 points"):
        mode_errors(torch.sin(x)[:-1], torch.sin(x), [1])
    with pytest.raises(ValueError, match="^variance: expected one that splits"):
        filtered_errors(*[torch.ones(4, 1).double()] * 2, torch.rand(4, 2).double(), 1.0)
