"""The device of these tests: a fake one, or the one named by ``--device``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from device.fake import fake_device


@dataclass
class Device:
    """Where a test computes."""

    device: torch.device
    exact: bool


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """The device; it raises on any mixture with the CPU."""
    asked = request.config.getoption("--device", None)
    if asked is None:
        with fake_device() as fake:
            yield Device(fake.device, exact=True)
    else:
        torch.backends.cudnn.allow_tf32 = False
        yield Device(torch.device(asked), exact=False)
