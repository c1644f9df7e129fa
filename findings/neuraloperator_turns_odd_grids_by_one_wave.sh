#!/usr/bin/env bash
# neuraloperator 2.0.0: on a plane with an odd number of points along the first axis the spectral convolution puts every wave one place too far.
#
# Expected: with all weights 1 the layer is a filter that keeps low waves, on every grid: cos(2 pi x) comes out as it went in, on 16, 17 or 33 points. One network is to be
#   evaluated on any grid; that is what a neural operator is for.
# What happens: the spectrum is shifted by fftshift and shifted back by fftshift again, where ifftshift belongs. For an even number of points the two are the same. For an
#   odd number the result is turned by one wave: cos(2 pi x) comes out as another function, and the error is as large as the function. Nothing warns. On a line nothing is
#   shifted, so odd grids are right there. (Pull request 688 of the project switches to ifftshift; release 2.0.0 does not have it.)
# Why it matters: a network that was trained at 64 x 64 and is evaluated at 65 x 65, a grid with both ends, looks as if it did not carry over to other grids.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check --no-deps neuraloperator==2.0.0 tensorly==0.10.0 tensorly-torch==0.5.0 opt-einsum==3.4.0
env/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 scipy requests tqdm packaging
cat > grids.py <<'PY'
import math

import torch
from neuralop.layers.spectral_convolution import SpectralConv

layer = SpectralConv(1, 1, (8, 8), bias=False)
with torch.no_grad():
    for weight in layer.parameters():
        weight.fill_(1)
    for n in (16, 32, 17, 33):
        x = torch.arange(n) / n
        wave = torch.cos(2 * math.pi * x)[:, None].expand(n, 32)[None, None].contiguous()
        print(f"{n} x 32: off by {float((layer(wave) - wave).abs().max()):.1f}")
        wave = wave.transpose(2, 3).contiguous()
        print(f"32 x {n}: off by {float((layer(wave) - wave).abs().max()):.1f}")
PY
env/bin/python grids.py | tee seen
[ "$(cat seen)" = "16 x 32: off by 0.0
32 x 16: off by 0.0
32 x 32: off by 0.0
32 x 32: off by 0.0
17 x 32: off by 1.9
32 x 17: off by 0.0
33 x 32: off by 2.0
32 x 33: off by 0.0" ]
