"""Jobs side by side."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import pytest
import torch
from light_jobs import arithmetic, pair, slow

from contdepth import parallel
from contdepth.parallel import run_all
from contdepth.studies.common.matched import compare
from contdepth.training.recipes import Recipe


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


SETTINGS = {
    "default dtype": (torch.set_default_dtype, torch.float64),
    "default device": (torch.set_default_device, "meta"),
    "deterministic algorithms": (torch.use_deterministic_algorithms, True),
    "a warning where there is none": (lambda on: torch.use_deterministic_algorithms(True, warn_only=on), True),
    "no gradients": (torch.set_grad_enabled, False),
    "denormals to zero": (torch.set_flush_denormal, True),
    "matmul precision": (torch.set_float32_matmul_precision, "medium"),
    "NumPy's errors": (lambda how: np.seterr(over=how), "raise"),
    "autocast": (lambda on: torch.set_autocast_enabled("cpu", on), True),
    "autocast dtype": (lambda dtype: torch.set_autocast_dtype("cpu", dtype), torch.float16),
    "precision of one backend": (lambda how: setattr(torch.backends.mkldnn.matmul, "fp32_precision", how), "bf16"),
    "no oneDNN": (lambda on: setattr(torch.backends.mkldnn, "enabled", on), False),
    "deterministic cuDNN": (lambda on: setattr(torch.backends.cudnn, "deterministic", on), True),
}


@pytest.fixture
def before():
    """Put this process's settings back."""
    kept = parallel.process_settings()
    yield kept
    for name, (_, put) in parallel.settings().items():
        if parallel.process_settings()[name] != kept[name]:
            put(kept[name])
    assert parallel.process_settings() == kept


@pytest.mark.parametrize("change", SETTINGS.values(), ids=SETTINGS)
def test_each_setting_can_be_read_and_put_back(before, change):
    put, value = change
    put(value)
    changed = parallel.process_settings()
    assert changed != before


def test_workers_have_the_settings_of_their_parent(before):
    """All at once: a process that starts costs a second."""
    for name, (put, value) in SETTINGS.items():
        if name not in ("default device", "precision of one backend"):
            put(value)
    jobs = [{"number": n} for n in range(2)]
    assert (found := run_all(arithmetic, jobs, 2)) == run_all(arithmetic, jobs)
    assert found[0]["settings"] == parallel.process_settings() and found[0]["dtype"] == "torch.float64"


def test_precision_set_for_each_backend_reaches_the_workers(before):
    """Where the older way of asking for it fails."""
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    torch.set_default_device("cpu")
    jobs = [{"number": n} for n in range(2)]
    assert run_all(arithmetic, jobs, 2) == run_all(arithmetic, jobs)


def test_a_comparison_gives_the_same_numbers_with_one_worker_and_with_two(before):
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    source = torch.Generator().manual_seed(0)
    data = torch.randn(24, 1, 4, 4, generator=source), torch.randint(3, (24,), generator=source)
    recipe = Recipe("toy", epochs=2, batch=8, precision="fp64")
    found = [compare(pair, data, data, recipe, (0, 1), workers=n, progress=False) for n in (1, 2)]
    losses = [one.histories["linear"]["train_loss"] for one in found]
    assert losses[0].tolist() == losses[1].tolist()
