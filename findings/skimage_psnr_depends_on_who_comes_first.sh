#!/usr/bin/env bash
# scikit-image 0.26.0: peak_signal_noise_ratio(a, b) and peak_signal_noise_ratio(b, a) differ by 6.02 dB when one picture has a value below zero.
#
# Expected: PSNR is 10 log10(range^2 / mean squared difference): symmetric, and for float pictures in [0, 1] with range 1.
# What happens: without data_range the range of a float picture is taken from the first argument alone: 1 if it has no negative value, else 2, the width of [-1, 1].
#   One pixel at -0.001 in the restored picture, which every denoiser and every addition of noise makes, and its order with the clean one decides about a factor of
#   four in the mean squared error. Values above 1 in the first picture raise an error; values below 0 only change the result.
# Why it matters: 6 dB are more than separates the best denoiser from the worst. The signature says image_true first, torchmetrics takes the prediction first, and nobody
#   looks twice at the order in a symmetric formula: a training log that calls it one way and a table that calls it the other do not agree. data_range=1.0 mends it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check scikit-image==0.26.0 numpy==2.4.6
cat > psnr.py <<'PY'
import warnings

import numpy as np
from skimage.data import camera
from skimage.metrics import peak_signal_noise_ratio as psnr

warnings.simplefilter("error")
clean = 0.8 * camera() / 255.0
noisy = clean + np.random.default_rng(0).normal(0, 0.03, clean.shape)
clipped = noisy.clip(0, 1)
by_hand = -10 * np.log10(((clean - noisy) ** 2).mean())
print(f"by hand {by_hand:.2f}; clean first {psnr(clean, noisy):.2f}; noisy first {psnr(noisy, clean):.2f}")
print(f"without negative values: {psnr(clean, clipped):.2f} and {psnr(clipped, clean):.2f}")
print(f"with data_range=1: {psnr(clean, noisy, data_range=1.0):.2f} and {psnr(noisy, clean, data_range=1.0):.2f}")
one = clipped.copy()
one[0, 0] = -0.001
print(f"one pixel at -0.001: {psnr(clean, one):.2f} and {psnr(one, clean):.2f}")
PY
env/bin/python psnr.py | tee seen
python3 - seen <<'PY'
import re
import sys

by_hand, first, second, *rest = map(float, re.findall(r"\d\d\.\d\d", open(sys.argv[1]).read()))
clipped, clipped_second, ranged, ranged_second, one, one_second = rest
same = lambda a, b: abs(a - b) < 0.011
swapped = same(second - first, 6.02) and same(one_second - one, 6.02)
sys.exit(not (same(first, by_hand) and swapped and same(clipped, clipped_second) and same(ranged, ranged_second)))
PY
