"""A job for processes: a module that imports little, since each process imports it anew."""

import os
import time

import torch
from torch import nn


def slow(number: int, seconds: float) -> tuple[int, int, int]:
    """Sleep, and return the number, the process and how many threads it has."""
    time.sleep(seconds)
    return number, os.getpid(), torch.get_num_threads()


def arithmetic(number: int) -> dict[str, object]:
    """Return what the settings of this process are, and numbers that follow from them."""
    from contdepth.parallel import process_settings

    x = torch.linspace(0, 1, 64 * 64).reshape(64, 64)
    return {
        "settings": process_settings(),
        "dtype": str(x.dtype),
        "product": ((x + number) @ x).double().sum().item(),
        "denormal": (x.new_tensor([1e-310]) * 1).sum().item(),
    }


def pair(seed: int) -> dict[str, nn.Module]:
    """A net under an arm's name, drawn in the default precision."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return {"linear": nn.Sequential(nn.Flatten(), nn.Linear(16, 3))}
