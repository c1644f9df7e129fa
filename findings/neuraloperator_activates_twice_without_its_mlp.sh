#!/usr/bin/env bash
# neuraloperator 2.0.0: a block without its channel MLP applies the activation twice.
#
# Expected: with use_channel_mlp=False a block is the layer of the paper, v <- s(K v + W v), one activation a block and none after the last.
# What happens: FNOBlocks with activation behind the convolution apply it once after K v + W v and once more after the channel MLP, whether there is one or not. Without it the block is
#   s(s(K v + W v)). For ReLU the second one changes nothing; for GELU, the default, it does: a layer whose K v + W v is the identity returns gelu(gelu(v)) in place of gelu(v).
# Why it matters: use_channel_mlp=False is how one gets the net of the paper of 2021 out of the package. Weights carried over from another implementation give other numbers, and only for
#   activations that are not their own square, so a test with ReLU does not see it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check --no-deps neuraloperator==2.0.0 tensorly==0.10.0 tensorly-torch==0.5.0 opt-einsum==3.4.0
env/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 scipy requests tqdm packaging
cat > blocks.py <<'PY'
import torch
from neuralop.layers.fno_block import FNOBlocks
from torch.nn import functional as F

calls = []


def counted(x):
    calls.append(x)
    return F.gelu(x)


for mlp in (True, False):
    calls.clear()
    blocks = FNOBlocks(1, 1, (4,), n_layers=2, use_channel_mlp=mlp, channel_mlp_expansion=1.0, non_linearity=counted, fno_skip="linear")
    x = torch.linspace(-1, 1, 16)[None, None]
    if not mlp:
        with torch.no_grad():
            for weight in blocks.parameters():
                weight.zero_()
            for name, weight in blocks.named_parameters():
                if "fno_skips.0" in name and "weight" in name:
                    weight.fill_(1)  # W = 1, K = 0: the first block is s(v)
    out = blocks(x, 0).detach()
    print(f"channel MLP {mlp}: {len(calls)} activations in the first of two blocks")
print(f"from gelu(v) off by {float((out - F.gelu(x)).abs().max()):.3f}, from gelu(gelu(v)) by {float((out - F.gelu(F.gelu(x))).abs().max()):.3f}")
PY
env/bin/python blocks.py | tee seen
[ "$(cat seen)" = "channel MLP True: 2 activations in the first of two blocks
channel MLP False: 2 activations in the first of two blocks
from gelu(v) off by 0.169, from gelu(gelu(v)) by 0.000" ]
