"""Shared by the library's tests."""

import sys

import pytest
import torch

from contdepth.moved import NAMES, SPLIT


def pytest_addoption(parser):
    parser.addoption("--device", help="where tests marked device compute, such as cuda (default: a fake device)")


def pytest_configure(config):
    """One line where the device that is asked for is not there."""
    asked = config.getoption("--device", None)
    try:
        torch.empty(0, device=asked)
    except (RuntimeError, AssertionError) as reason:
        pytest.exit(f"no device {asked!r} here, nothing tested: {str(reason).partition(chr(10))[0]}", returncode=0)


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


@pytest.fixture
def monkeypatch(monkeypatch):
    """The usual one; what it replaces in a module, the packages above that list the name have looked up before.

    They keep what they find at the first look: the replacement, for good, if the first look falls into the test.
    """
    plain = monkeypatch.setattr

    def replace(target, name, *value, **options):
        path = getattr(target, "__name__", "") if isinstance(target, type(sys)) else ""
        while path := path.rpartition(".")[0]:
            package = sys.modules.get(path)
            if name in getattr(package, "__all__", ()) and f"{path}.{name}" not in NAMES and path not in SPLIT:
                getattr(package, name)
        plain(target, name, *value, **options)

    monkeypatch.setattr = replace
    return monkeypatch
