"""Pieces on a node with four GPUs, a quarter of an hour at a time, by Slurm; run it where sbatch works:

companion run --profile paper PAGE --on examples/slurm.py

The checkout and its .venv must be on a disk that the nodes share, on a path without blanks. A piece that does not
end within the wall time writes its checkpoint 30 s before and goes on in the next job. Ctrl-C loses nothing: the
same command goes on.
"""

import socket

from parsl import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

# Other systems: in place of SlurmProvider one of parsl.providers, with the same options init_blocks, max_blocks,
# walltime, worker_init and launcher:
# worker_init="export COMPANION_JOB_END=$(( $(date +%s) + 900 ))" tells pieces there when their job ends.
#   PBS         PBSProProvider(account=…, queue=…, select_options="ngpus=4"), TorqueProvider for older ones
#   LSF         LSFProvider(project=…, queue=…, bsub_redirection=True), launcher=JsrunLauncher() on Summit's kin
#   Kubernetes  KubernetesProvider(image=…, persistent_volumes=[("claim", "/path of the checkout")]), no launcher
provider = SlurmProvider(
    partition="gpu",
    # account="…",
    nodes_per_block=1,
    gpus_per_node=4,
    cores_per_node=32,
    init_blocks=1,
    max_blocks=2,  # jobs at a time
    walltime="00:15:00",
    # worker_init="module load python/3.11",  # where jobs need more than the environment that they inherit
    launcher=SrunLauncher(),
)

config = Config(
    executors=[
        HighThroughputExecutor(
            # The address of this machine as the nodes see it: never left out, since Parsl would then ask a public
            # server. Where the name leads to a wrong network: parsl.addresses.address_by_interface("ib0").
            address=socket.gethostbyname(socket.gethostname()),
            loopback_address="127.0.0.1",
            available_accelerators=4,  # one GPU for each worker
            drain_period=13 * 60,  # seconds after which a job takes no further piece: below the wall time
            cores_per_worker=8,
            provider=provider,
        )
    ],
    strategy="simple",  # jobs are ordered while pieces wait, and cancelled when none do
    max_idletime=30.0,
    retries=2,
)
