#!/usr/bin/env bash
# All that wants a GPU, in one go of nine minutes at most: the marked tests against the CPU, then the table of called and replayed steps.
# Run from the root of the project: bash benchmarks/gpu.sh [FOLDER]; both logs and the table are left in FOLDER (default: _build/gpu). Needs PyTorch for CUDA, NumPy, SciPy, pytest.
set -uo pipefail
out=${1:-_build/gpu}
mkdir -p "$out"
python=${PYTHON:-python3}
export PYTHONPATH="$PWD/lib${PYTHONPATH:+:$PYTHONPATH}"
timeout 240 "$python" -m pytest tests/contdepth/device -q --maxfail 20 -m device --device "${DEVICE:-cuda}" -p no:cacheprovider > "$out/tests.log" 2>&1
echo "tests: $(tail -n 1 "$out/tests.log")"
timeout 290 "$python" benchmarks/gpu.py --device "${DEVICE:-cuda}" --out "$out/gpu.json" > "$out/gpu.log" 2>&1
cat "$out/gpu.log"
