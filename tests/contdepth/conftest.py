"""Shared by the library's tests."""

import pytest
import torch


@pytest.fixture(autouse=True)
def single_thread():
    """One thread a test: tensors are small, and several test processes share the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
