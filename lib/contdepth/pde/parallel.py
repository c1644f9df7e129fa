"""Independent training runs side by side, as ``contdepth.parallel`` runs them, without a progress bar.

The stored runs of the PDE chapters come from this form; theirs would have to be made again with the other one.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from contdepth import checks
from contdepth.parallel import packed, prepare_worker, process_settings

__all__ = ["run_all"]


def run_all(function: Callable[..., Any], jobs: Sequence[dict[str, Any]], workers: int = 1) -> list[Any]:
    """``[function(**job) for job in jobs]``, ``workers`` jobs at a time; the results in the order of ``jobs``.

    With one worker everything runs here, with this process's number of threads. With more, ``function`` must be
    importable (of a module, no lambda), arguments and results must pickle, and a script needs its
    ``if __name__ == "__main__"`` guard. An error in a job is raised here and stops the jobs not yet begun.

    Raises:
        TypeError, ValueError: ``workers`` is not a positive integer.
    """
    checks.integer("workers", workers, at_least=1)
    if workers == 1 or len(jobs) < 2:
        return [function(**job) for job in jobs]
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(jobs))
    with ProcessPoolExecutor(count, context, prepare_worker, (os.getpid(), process_settings())) as pool:
        waiting = [pool.submit(packed, pickle.dumps((function, job))) for job in jobs]
        try:
            return [pickle.loads(one.result()) for one in waiting]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
