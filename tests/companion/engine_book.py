"""The throw-away repository with pieces for an engine: some lose their worker, or are stopped."""

from __future__ import annotations

from pathlib import Path

import toy_pieces

FUNCTIONS = '''"""Pieces of toys."""

import os
import signal
import time


def total(*, seed, loses=False, given=None, checkpoint=None):
    """Return a sum; with ``loses``, an engine's worker that waits for this one is killed in the middle, once."""
    path = checkpoint / "half.txt"
    if not path.is_file():
        path.write_text(str(sum(range(100 * seed))))
        if loses and "PARSL_WORKER_RANK" in os.environ:
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
    before = given["other"]["result"]["sum"] if given and "other" in given else 0
    return {"sum": int(path.read_text()) + before, "gpus": os.environ["CUDA_VISIBLE_DEVICES"]}


def stubborn(*, seed):
    """Do not end."""
    time.sleep(600)
    return {}
'''

PIECES = """chapter: toy
pieces:
  - name: sums
    page: euler
    function: contdepth.studies.toy.pieces:total
    grid: {seed: [1, 2, 3]}
    arguments: {loses: false}
    device: cpu
    minutes: 0.05
  - name: lost
    page: euler
    function: contdepth.studies.toy.pieces:total
    arguments: {loses: true}
    grid: {seed: [2]}
    device: cpu
    minutes: 0.05
  - name: after
    page: euler
    function: contdepth.studies.toy.pieces:total
    arguments: {loses: false}
    grid: {seed: [2]}
    needs: {other: lost}
    device: cpu
    minutes: 0.05
  - name: endless
    page: euler
    function: contdepth.studies.toy.pieces:stubborn
    grid: {seed: [0]}
    device: cpu
    minutes: 0.05
"""

LOCAL = """
from parsl import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            address="127.0.0.1",
            loopback_address="127.0.0.1",
            max_workers_per_node=2,
            heartbeat_period=1,
            heartbeat_threshold=20,
            provider=LocalProvider(init_blocks=1, max_blocks=1),
        )
    ],
    strategy="none",
)
"""


def build(folder: Path) -> Path:
    """Write the repository into ``folder`` and return it; its ``local.py`` is a configuration with two workers."""
    return toy_pieces.lay(folder, FUNCTIONS, PIECES, {"local.py": LOCAL})
