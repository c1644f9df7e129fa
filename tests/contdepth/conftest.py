"""Shared by the library's tests."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def single_thread():
    """One thread, for wider fixtures too: tensors are small, and several test processes share the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def single_thread_again():
    """One thread for the next test, whatever this one has set."""
    yield
    torch.set_num_threads(1)
