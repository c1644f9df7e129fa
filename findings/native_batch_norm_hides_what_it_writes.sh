#!/usr/bin/env bash
# torch 2.13.0: the operation that a BatchNorm layer makes in training writes into its running statistics, and its schema does not say so.
#
# Expected: an operation whose schema marks no argument as written (no "a!") changes none; is_mutable and alias_info say what a TorchDispatchMode has to save
#   before it makes an operation that it wants to take back or to make again.
# What happens: aten.native_batch_norm has no mark at all, and running_mean and running_var are other numbers afterwards. aten._native_batch_norm_legit, which has the marks,
#   is not what nn.BatchNorm2d calls. With the statistics left out of account a step that is recorded, taken back and replayed counts every batch of the recording twice.
# Why it matters: whoever records, replays, checkpoints or checks operations by their schemas loses exactly the state of the most common layer of residual networks: outputs in
#   training and all weights agree to the bit, and the test error of the same net differs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > layers.py <<'PY'
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Writes(TorchDispatchMode):
    """Prints each operation that changes a tensor it was given, and whether its schema had said so."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = [x for x in tree_leaves((args, kwargs or {})) if isinstance(x, torch.Tensor)]
        before = [x.clone() for x in given]
        result = func(*args, **(kwargs or {}))
        changed = sum(not torch.equal(x, y) for x, y in zip(given, before))
        if changed:
            print(f"{func}: {changed} of its tensors changed, schema says that it writes: {func._schema.is_mutable}")
        return result


torch.manual_seed(0)
layer = nn.BatchNorm2d(3)
with Writes():
    layer(torch.randn(4, 3, 5, 5))
print(f"running mean moved: {bool(layer.running_mean.abs().max() > 0)}")
PY
env/bin/python layers.py | tee seen
grep -q '^aten.native_batch_norm.default: 2 of its tensors changed, schema says that it writes: False$' seen
grep -q '^aten.add_.Tensor: 1 of its tensors changed, schema says that it writes: True$' seen && grep -q '^running mean moved: True$' seen
