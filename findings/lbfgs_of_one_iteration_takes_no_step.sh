#!/usr/bin/env bash
# torch 2.13.0: LBFGS(max_iter=1, line_search_fn="strong_wolfe") does not move, however often it is called, if the first trial step is too long.
#
# Expected: one iteration is one line search, which shortens a step that raises the loss until it lowers it. Twenty calls of one iteration do about what one call of twenty does.
# What happens: the line search is allowed as many evaluations as max_eval has left, and max_eval is max_iter · 5 // 4 by default. For max_iter=1 nothing is left after the first trial:
#   the search never shortens, and the better of the two points it knows is the start. The next call begins with the same direction and the step lr. Nothing is raised, n_iter counts on.
#   With max_eval=25, the bound of a line search in earlier versions, the same calls reach the minimum.
# Why it matters: loops that call step() once an epoch with max_iter=1, to log or to stop early, look as if they had converged. A small max_iter has the same limit in its last iterations.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > one.py <<'PY'
import torch


def minimise(calls, **options):
    """x after some calls of step() on 5 x², from 0.3; and how many iterations the rule has counted."""
    x = torch.nn.Parameter(torch.tensor([0.3]))
    rule = torch.optim.LBFGS([x], line_search_fn="strong_wolfe", **options)

    def closure():
        rule.zero_grad()
        loss = 5 * x.square().sum()
        loss.backward()
        return loss

    for _ in range(calls):
        rule.step(closure)
    return f"x = {abs(x.item()):.4f}, iterations counted {rule.state[x]['n_iter']}"


print("20 calls, max_iter=1:", minimise(20, max_iter=1))
print("20 calls, max_iter=1, max_eval=25:", minimise(20, max_iter=1, max_eval=25))
print("1 call, max_iter=20:", minimise(1, max_iter=20))
PY
env/bin/python one.py | tee seen
grep -q '^20 calls, max_iter=1: x = 0.3000, iterations counted 20$' seen
grep -q '^20 calls, max_iter=1, max_eval=25: x = 0.0000' seen && grep -q '^1 call, max_iter=20: x = 0.0000' seen
