"""Independent jobs side by side, one process and one thread each."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from contdepth import checks

__all__ = ["run_all"]


def run_all(
    function: Callable[..., Any], jobs: Sequence[dict[str, Any]], workers: int = 1, *, progress: bool = False
) -> list[Any]:
    """``[function(**job) for job in jobs]``, ``workers`` jobs at a time; the results in the order of ``jobs``.

    With one worker everything runs here, with this process's number of threads. With more, ``function`` must be
    importable (of a module, no lambda), arguments and results must pickle, and a script needs its
    ``if __name__ == "__main__"`` guard. Workers have this process's settings of PyTorch and NumPy (``settings``),
    but one thread each, and no state of global random generators: a job draws from seeds of its own. An error in a
    job is raised here and stops the jobs not yet begun.

    Raises:
        TypeError, ValueError: ``workers`` is not a positive integer.
    """
    checks.integer("workers", workers, at_least=1)
    with tqdm(total=len(jobs), disable=None if progress else True, unit="run") as bar:
        if workers == 1 or len(jobs) < 2:
            done = []
            for job in jobs:
                done.append(function(**job))
                bar.update()
            return done
        context = multiprocessing.get_context("spawn")
        count = min(workers, len(jobs))
        with ProcessPoolExecutor(count, context, prepare_worker, (os.getpid(), process_settings())) as pool:
            waiting = [pool.submit(packed, pickle.dumps((function, job))) for job in jobs]
            try:
                for one in as_completed(waiting):
                    one.result()
                    bar.update()
                return [pickle.loads(one.result()) for one in waiting]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def packed(job: bytes) -> bytes:
    """One job in another process; bytes both ways, so that no tensor needs shared memory."""
    function, arguments = pickle.loads(job)
    return pickle.dumps(function(**arguments))


def flushes_denormals() -> bool:
    """Whether numbers below the normal range become zero here: PyTorch sets it, but does not tell."""
    return not bool(torch.tensor([1e-310], dtype=torch.float64, device="cpu").mul(1.0).any())


def settings() -> dict[str, tuple[Any, Callable[[Any], object]]]:
    """What this process is set to, as far as numbers depend on it: name -> (value, how another one is set)."""
    units = ("cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")
    flags = ("mkldnn.enabled", "mkldnn.deterministic", "cudnn.enabled", "cudnn.deterministic", "cudnn.benchmark")
    paths = [path.rpartition(".") for path in (*(f"{unit}.fp32_precision" for unit in units), *flags)]
    # asked in the older way, PyTorch fails where precision was set for each unit
    products = {"bf16": "medium", "tf32": "high"}.get(
        attrgetter("mkldnn.matmul.fp32_precision")(torch.backends), "highest"
    )
    return {
        "dtype": (torch.get_default_dtype(), torch.set_default_dtype),
        "device": (torch.get_default_device(), torch.set_default_device),
        "gradients": (torch.is_grad_enabled(), torch.set_grad_enabled),
        "denormals": (flushes_denormals(), torch.set_flush_denormal),
        "errors": (np.geterr(), lambda new: np.seterr(**new)),
        "products": (products, torch.set_float32_matmul_precision),
        "deterministic": (torch.are_deterministic_algorithms_enabled(), torch.use_deterministic_algorithms),
        "deterministic, else a warning": (
            torch.is_deterministic_algorithms_warn_only_enabled(),
            lambda new: torch.use_deterministic_algorithms(
                torch.are_deterministic_algorithms_enabled(), warn_only=new
            ),
        ),
        **{
            f"autocast, {device}": (torch.is_autocast_enabled(device), partial(torch.set_autocast_enabled, device))
            for device in ("cpu", "cuda")
        },
        **{
            f"autocast to, {device}": (torch.get_autocast_dtype(device), partial(torch.set_autocast_dtype, device))
            for device in ("cpu", "cuda")
        },
        **{
            f"{unit}.{name}": (getattr(holder, name), partial(setattr, holder, name))
            for unit, _, name in paths
            for holder in [attrgetter(unit)(torch.backends)]
        },
    }


def process_settings() -> dict[str, Any]:
    """The values of ``settings``, for ``prepare_worker``."""
    return {name: value for name, (value, _) in settings().items()}


def prepare_worker(parent: int, given: dict[str, Any]) -> None:
    """Set a worker process to what is ``given`` of its parent's settings; it has one thread, and ends by itself
    when its parent is gone.
    """
    torch.set_num_threads(1)
    [put(given[name]) for name, (_, put) in settings().items() if given[name] != process_settings()[name]]

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
