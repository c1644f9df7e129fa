#!/usr/bin/env bash
# torchattacks 3.5.1: to evaluate a model with APGD, APGDT, Square or FAB sets the random stream of the whole program back to a fixed place.
#
# Expected: an attack that needs random numbers draws them, from the global stream (as PGD does here) or from one of its own.
# What happens: these four call torch.random.manual_seed with a fixed default (seed=0) in their forward pass. The first permutation after every evaluation is the same,
#   and so are all dropout masks, augmentations and initial perturbations that follow it, whatever seed the program set.
# Why it matters: adversarial training that looks at robust accuracy after each epoch sees the same order of the data and the same noise in every epoch but the first, and
#   several "seeds" of one experiment share all randomness from their first evaluation on, so that the spread over seeds is too small.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check torchattacks==3.5.1 torch==2.13.0 torchvision==0.28.0 numpy==2.4.6
cat > epochs.py <<'PY'
import torch
import torchattacks
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
images, labels = torch.rand(8, 1, 8, 8), torch.randint(10, (8,))
few = {"APGD": {"steps": 3}, "APGDT": {"steps": 3}, "Square": {"n_queries": 5}, "FAB": {"steps": 2}}


def orders(name, seed):
    """The order of a data set of 1,000 in three epochs, each followed by an evaluation."""
    attack = getattr(torchattacks, name)(model, eps=0.1, **few.get(name, {}))
    torch.manual_seed(seed)
    kept = []
    for _ in range(3):
        kept.append(torch.randperm(1000).tolist())
        attack(images, labels)
    return kept


for name in ("PGD", "APGD", "APGDT", "Square", "FAB"):
    first, second = orders(name, 1), orders(name, 2)
    print(f"{name}: epochs 2 and 3 in the same order {first[1] == first[2]}, epoch 2 the same for both seeds {first[1] == second[1]}")
PY
env/bin/python epochs.py 2> /dev/null | tee seen
[ "$(grep -c 'order True.*seeds True' seen)" = 4 ] && grep -q '^PGD: epochs 2 and 3 in the same order False, epoch 2 the same for both seeds False' seen
