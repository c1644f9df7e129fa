"""Seconds of tasks measured side by side, by clocks that the tests set."""

from __future__ import annotations

import time

import pytest
import torch

from contdepth.timing import cpu_seconds, gpu_seconds


def test_cpu_seconds_interleaves_after_a_warm_up_and_takes_the_median(monkeypatch):
    order, clock = [], [0.0]
    lengths = {"a": iter([50, 1, 9, 2]), "b": iter([60, 4, 3, 8])}

    def task(name):
        order.append(name)
        clock[0] += next(lengths[name])

    monkeypatch.setattr(time, "process_time", lambda: clock[0])
    found = cpu_seconds({"a": lambda: task("a"), "b": lambda: task("b")}, rounds=3)
    assert order == ["a", "b"] * 4 and found == {"a": 2, "b": 4}


def test_rounds_are_counted_from_one():
    with pytest.raises(ValueError, match="rounds"):
        cpu_seconds({}, 0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_gpu_seconds_names_the_other_function():
    with pytest.raises(RuntimeError, match="use cpu_seconds"):
        gpu_seconds({})
