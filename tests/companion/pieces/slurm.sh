#!/usr/bin/env bash
# Pieces on a real Slurm of one node, this machine: a job is cut by its wall time, and its piece goes on in the next one.
# Run by hand, as root, on Debian: apt-get install slurm-wlm munge; bash tests/companion/pieces/slurm.sh
# It takes three minutes. Slurm and munge run in the foreground of a throw-away folder and end with this script.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
folder=$(mktemp -d)
chmod 755 "$folder"
daemons=()
finish() {
  scancel --full --state=RUNNING --state=PENDING --partition=pieces 2>/dev/null || true
  sleep 1
  for daemon in "${daemons[@]}"; do kill "$daemon" 2>/dev/null || true; done
  wait
  rm -rf "$folder"
}
trap finish EXIT

mkdir -m 755 "$folder/munge" "$folder/state" "$folder/spool"
head -c 1024 /dev/urandom > "$folder/munge/key"
chmod 400 "$folder/munge/key"
chown -R munge "$folder/munge"
host=$(hostname -s)
cat > "$folder/slurm.conf" <<CONF
ClusterName=pieces
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
KillWait=20
SchedulerParameters=sched_interval=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=pieces Nodes=$host Default=YES MaxTime=10 State=UP
CONF
export SLURM_CONF=$folder/slurm.conf
runuser -u munge -- munged --foreground --force --socket "$folder/munge/socket" --key-file "$folder/munge/key" \
  --log-file "$folder/munge/log" --pid-file "$folder/munge/pid" --seed-file "$folder/munge/seed" \
  > "$folder/munged.txt" 2>&1 &
daemons+=($!)
sleep 2
slurmctld -D > "$folder/slurmctld.txt" 2>&1 &
daemons+=($!)
slurmd -D > "$folder/slurmd.txt" 2>&1 &
daemons+=($!)
for _ in $(seq 30); do
  sinfo --noheader --format=%T 2>/dev/null | grep -q idle && break
  sleep 1
done
sinfo --noheader --format=%T | grep -q idle || { tail "$folder"/*.txt; exit 1; }
echo "Slurm $(sinfo --version | cut -d' ' -f2): one node, idle"

cat > "$folder/on.py" <<PY
from parsl import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            address="127.0.0.1",
            loopback_address="127.0.0.1",
            max_workers_per_node=1,
            heartbeat_period=2,
            heartbeat_threshold=10,
            provider=SlurmProvider(
                partition="pieces",
                exclusive=False,
                init_blocks=1,
                max_blocks=1,
                walltime="00:01:00",
                # no end is told to the piece: Slurm itself cuts it
                worker_init="export COMPANION_JOB_END=99999999999",
            ),
        )
    ],
    strategy="simple",
    strategy_period=2,
    retries=3,
)
PY
cat > "$folder/try.py" <<PY
import sys
from pathlib import Path

sys.path.insert(0, "$root/tests/companion")
import bundle_book
from companion.pieces.plan import pieces_of
from companion.pieces.receipts import find
from companion.pieces.running.engine import run_on

root = bundle_book.build(Path("$folder/book"))
plan = root / "book/toy/pieces.yml"
plan.write_text(plan.read_text().replace("steps: 6, pause: 0.4", "steps: 110, pause: 1.0"))
(piece,) = [piece for piece in pieces_of(root, "toy/euler") if piece.group == "unit"]
outcomes = run_on(root, [piece], Path("$folder/on.py"))
assert [outcome.word for outcome in outcomes] == ["done"], outcomes
receipt = find(root, piece)
print(f"done in {receipt.tries} tries, {receipt.result['computed']} of 110 steps computed")
assert receipt.tries == 2 and receipt.result["computed"] == 110, receipt
PY
PYTHONPATH=$root/lib "$python" "$folder/try.py" || { tail -n 20 "$folder"/*.txt; exit 1; }
scontrol --oneliner show job | grep -o 'JobId=[0-9]*\|JobState=[A-Z]*\|RunTime=[0-9:]*' | paste -sd' '
scontrol --oneliner show job | grep -q 'JobState=TIMEOUT' || { echo "expected that a job was cut by its wall time"; exit 1; }
