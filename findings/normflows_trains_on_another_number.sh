#!/usr/bin/env bash
# normflows 1.7.3: in training mode a residual block returns a number for ln det whose gradient is right, and which is not ln det.
#
# Expected: Residual.forward returns the image and an estimate of the logarithm of the Jacobian's determinant; NormalizingFlow.log_prob and forward_kld of a model in training mode, as
#   while it is trained, are noisy, and right on average.
# What happens: reduce_memory=True, the default, gives sum_k (-1)^k v' J^(k+1) v in its place, the series of tr((I + J)^-1 J). Its gradient with the powers held is that of ln det. For
#   g = a x in d dimensions it is d a / (1 + a) where ln det is d ln(1 + a): at a = -0.9, for each dimension, -9 for -2.3.
# Why it matters: the loss that a training loop prints is then no likelihood: not to be compared with that of another flow, with a validation loss in evaluation mode, or over time. The
#   model is trained rightly, and everything that stops or chooses by the printed loss chooses by another number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check normflows==1.7.3 torch==2.13.0 numpy==2.4.6
cat > training.py <<'PY'
import math

import torch
from normflows.flows import Residual

torch.manual_seed(0)


class Stretch(torch.nn.Module):
    def __init__(self, slope):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.tensor(slope, dtype=torch.float64))

    def forward(self, x):
        return self.slope * x


wrong = []
x = torch.randn(4000, 3, dtype=torch.float64)
for slope in (0.5, -0.5):
    truth, other = 3 * math.log1p(slope), 3 * slope / (1 + slope)
    found = {}
    for mode in ("training", "evaluation"):
        block = Residual(Stretch(slope), reverse=False, geom_p=0.1, n_exact_terms=10).double()
        block.train(mode == "training")
        found[mode] = sum(block.forward(x.clone())[1].mean().item() for _ in range(20)) / 20
    print(f"g = {slope} x: ln det = {truth:.3f}; returned in training {found['training']:.3f}, in evaluation {found['evaluation']:.3f}; tr (I + J)^-1 J = {other:.3f}")
    wrong.append(abs(abs(found["training"]) - abs(other)) < 0.1 and abs(abs(found["evaluation"]) - abs(truth)) < 0.1)
raise SystemExit(not all(wrong))
PY
env/bin/python training.py
