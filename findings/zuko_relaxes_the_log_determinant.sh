#!/usr/bin/env bash
# zuko 1.6.0: a continuous flow holds its log-determinant to a hundred times the tolerance that it was given.
#
# Expected: FreeFormJacobianTransform(f, atol=a, rtol=r) integrates the point and its log-determinant, and holds both to the tolerances; the documentation calls them the
#   integration tolerances and makes no difference between the two.
# What happens: the trace enters the system of equations multiplied by 0.01 and the result is multiplied by 100, so that the solver's test of its error sees a hundredth of
#   the log-determinant's. For a linear field, whose log-determinant is known, an absolute tolerance of 1e-4 gives a point within 2e-5 and a log-determinant wrong by 1e-2.
# Why it matters: the log-determinant is what a density is made of. Whoever chooses the tolerance by the points, or compares likelihoods of flows solved by other packages at
#   the same tolerance, compares errors; and the map that comes with the density (call_and_ladj) takes other steps than the map alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check zuko==1.6.0 torch==2.13.0 numpy==2.4.6
cat > flow.py <<'PY'
import math

import torch
from zuko.transforms import FreeFormJacobianTransform

torch.set_default_dtype(torch.float64)
truth = math.sin(9) / 3  # of x' = 3 cos(9 t) x over one unit of time


def field(t, x):
    return 3 * torch.cos(9 * torch.as_tensor(t)) * x


shares = []
for tolerance in (1e-4, 1e-6, 1e-8):
    flow = FreeFormJacobianTransform(field, atol=tolerance, rtol=0.0)
    point = abs(flow(torch.full((1, 1), 0.5)).item() - 0.5 * math.exp(truth))
    density = abs(flow.call_and_ladj(torch.zeros(1, 1))[1].item() - truth)
    print(f"tolerance {tolerance:.0e}: the point is off by {point:.1e}, the log-determinant by {density:.1e}")
    shares.append((point / tolerance, density / tolerance))
raise SystemExit(not all(point < 1 and density > 10 for point, density in shares))
PY
env/bin/python flow.py
