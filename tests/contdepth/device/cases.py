"""The same call on the CPU and on a device, and what is compared."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from device.moving import leaves
from torch import Tensor

Case = Callable[[torch.device], Any]
"""From where to compute to what came out."""


@dataclass
class Device:
    """Where a test computes, and whether to the CPU's bits."""

    device: torch.device
    exact: bool


def equal(found: Any, wanted: Any, device: Device) -> None:
    """Both hold the same, tensors on the device: to the bit on the fake one, to rounding on another."""
    ours, cpu = dict(leaves(found)), dict(leaves(wanted))
    assert ours.keys() == cpu.keys()
    for path, value in ours.items():
        if isinstance(value, Tensor):
            assert value.device.type == device.device.type, f"{path or 'the result'} is on {value.device}"
        compare(path, value, cpu[path], device)


def compare(path: str, found: Any, wanted: Any, device: Device) -> None:
    """One tensor, array or number; measured times are not compared."""
    if isinstance(wanted, bool) or path.endswith(("seconds", "seconds']")):
        return
    if isinstance(wanted, Tensor):
        rough = {"rtol": 1e-3, "atol": 1e-4} if wanted.dtype == torch.float32 else {"rtol": 1e-6, "atol": 1e-8}
        how = {"rtol": 0, "atol": 0} if device.exact else rough
        torch.testing.assert_close(found.detach().cpu(), wanted.detach().cpu(), equal_nan=True, **how)
    elif isinstance(wanted, (np.ndarray, int, float, complex)):
        how = {"rtol": 0} if device.exact else {"rtol": 1e-3, "atol": 1e-6}
        np.testing.assert_allclose(found, wanted, **how)


def as_on_the_cpu(case: Case, device: Device) -> None:
    """The test of one case; without a package that it needs it is skipped, but not with the fake device."""
    found = []
    for where in (device.device, torch.device("cpu")):
        with warnings.catch_warnings(), torch.random.fork_rng():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            try:
                found.append(case(where))
            except ImportError as missing:
                if device.exact:
                    raise
                pytest.skip(str(missing))
    equal(*found, device)
