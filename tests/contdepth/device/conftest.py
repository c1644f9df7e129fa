"""The device of these tests: a fake one, or the one named by ``--device``."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
import torch
from device.cases import Device
from device.fake import fake_device

NEEDS = {
    "test_meanfield.py": ("torchdiffeq",),
    "test_restoration.py": ("PIL", "pywt", "safetensors", "skimage"),
    "test_pde.py": ("sklearn", "sympy"),
    "test_naming.py": ("safetensors", "sklearn", "torchdiffeq"),
}
"""What the tests of a room import beyond PyTorch, NumPy and SciPy; a bare machine with a GPU may lack it."""

collect_ignore = [file for file, packages in NEEDS.items() if not all(map(find_spec, packages))]


@pytest.fixture
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """The device; it raises on any mixture with the CPU."""
    asked = request.config.getoption("--device", None)
    if asked is None:
        with fake_device() as fake:
            yield Device(fake.device, exact=True)
    else:
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
        yield Device(torch.device(asked), exact=False)
