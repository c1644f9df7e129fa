"""Jobs side by side."""

from __future__ import annotations

import os
from fractions import Fraction

import pytest
import torch
from light_jobs import slow

from contdepth.parallel import run_all


def test_run_all_keeps_the_order_and_leaves_this_process():
    jobs = [{"number": n, "seconds": 0.4 - 0.1 * n} for n in range(4)]
    found = run_all(slow, jobs, 2)
    assert [number for number, _, _ in found] == [0, 1, 2, 3]
    assert os.getpid() not in {pid for _, pid, _ in found} and {threads for _, _, threads in found} == {1}
    here = run_all(slow, [{"number": n, "seconds": 0} for n in range(3)])
    assert here == [(n, os.getpid(), torch.get_num_threads()) for n in range(3)]
    assert run_all(slow, [{"number": 5, "seconds": 0}], 4)[0][1] == os.getpid() and run_all(slow, [], 2) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_run_all_raises_the_error_of_a_job(workers):
    jobs = [{"numerator": 1, "denominator": d} for d in (1, 0, 2)]
    with pytest.raises(ZeroDivisionError):
        run_all(Fraction, jobs, workers)


@pytest.mark.parametrize(("workers", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError)])
def test_run_all_refuses_bad_workers(workers, error):
    with pytest.raises(error, match="workers"):
        run_all(Fraction, [{"numerator": 1}], workers)
