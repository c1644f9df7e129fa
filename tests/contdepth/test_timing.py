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


def test_gpu_seconds_waits_for_the_device_before_it_reads_the_clock(monkeypatch):
    """A device that works for 5 s after each task has returned."""
    clock, left = [0.0], [0.0]

    def task():
        clock[0], left[0] = clock[0] + 1, 5.0

    def synchronize():
        clock[0], left[0] = clock[0] + left[0], 0.0

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    assert gpu_seconds({"a": task, "b": task}, rounds=2) == {"a": 6, "b": 6}


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_gpu_seconds_names_the_other_function():
    with pytest.raises(RuntimeError, match="use cpu_seconds"):
        gpu_seconds({})
