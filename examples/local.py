"""Pieces on this machine, two at a time, by Parsl: companion run --profile paper PAGE --on examples/local.py"""

from parsl import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            # Both addresses are this machine's: without them Parsl asks a public server for one.
            address="127.0.0.1",
            loopback_address="127.0.0.1",
            max_workers_per_node=2,
            cores_per_worker=1,  # threads of a piece
            # available_accelerators=["0", "1"],  # one GPU for each worker, by the names of CUDA_VISIBLE_DEVICES
            heartbeat_period=5,  # seconds after which a worker that died is missed
            heartbeat_threshold=30,
            provider=LocalProvider(init_blocks=1, max_blocks=1),
        )
    ],
    strategy="none",
    retries=2,  # of a piece whose worker died; one that was stopped at its time is given out again anyway
)
