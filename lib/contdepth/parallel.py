"""Independent jobs side by side, one process and one thread each."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

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
    ``if __name__ == "__main__"`` guard. An error in a job is raised here and stops the jobs not yet begun.

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
        with ProcessPoolExecutor(min(workers, len(jobs)), context, prepare_worker, (os.getpid(),)) as pool:
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


def prepare_worker(parent: int) -> None:
    """One thread for each worker process, which ends by itself when its parent is gone."""
    torch.set_num_threads(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
