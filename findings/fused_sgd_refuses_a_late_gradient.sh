#!/usr/bin/env bash
# torch 2.13.0: SGD(momentum=…, fused=True) cannot take its second step if a parameter had no gradient in the first one.
#
# Expected: fused=True is another implementation of the same rule. A parameter without a gradient is skipped, and gets its momentum buffer at its first gradient,
#   as with the default and with foreach=True.
# What happens: buffers are made only in a step in which no parameter has one. In a later step the missing ones reach the kernel as None:
#   TypeError: expected Tensor as element 1 in argument 2, but got NoneType. Adam(fused=True) takes the same two steps.
# Why it matters: stochastic depth, layers that thaw later and experts that wait for their first token have exactly such parameters. The run ends at some step after the first,
#   and only where somebody asked for the fused rule: for speed, or for a learning rate that is a tensor, which a CUDA graph needs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > late.py <<'PY'
import torch


def two_steps(rule, **options):
    """Weights after a step without and a step with the second layer, or what was raised."""
    first, second = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimiser = rule([first, second], lr=0.1, **options)
    try:
        for used in ([first], [first, second]):
            optimiser.zero_grad()
            sum(p.square().sum() for p in used).backward()
            optimiser.step()
    except TypeError as error:
        return f"TypeError: {error}"
    return [round(p[0].item(), 4) for p in (first, second)]


for name, options in {"default": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}.items():
    print(f"SGD {name}: {two_steps(torch.optim.SGD, momentum=0.9, **options)}")
print(f"Adam fused: {two_steps(torch.optim.Adam, fused=True)}")
PY
env/bin/python late.py | tee seen
grep -q '^SGD default: \[0.46, 0.8\]$' seen && grep -q '^SGD foreach: \[0.46, 0.8\]$' seen
grep -q '^SGD fused: TypeError: expected Tensor as element 1' seen && grep -q '^Adam fused: \[' seen
