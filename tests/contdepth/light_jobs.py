"""A job for processes: a module that imports little, since each process imports it anew."""

import os
import time

import torch


def slow(number: int, seconds: float) -> tuple[int, int, int]:
    """Sleep, and return the number, the process and how many threads it has."""
    time.sleep(seconds)
    return number, os.getpid(), torch.get_num_threads()
