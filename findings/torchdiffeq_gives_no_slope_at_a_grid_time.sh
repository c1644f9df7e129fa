#!/usr/bin/env bash
# torchdiffeq 0.2.5: with a fixed-step method and a step size the derivative in an output time is exactly 0 where that time lies inside on the solver's grid.
#
# Expected: the derivative of a loss of u(t1) in t1 is the loss's gradient times f(t1, u(t1)), wherever t1 lies, as the adaptive methods of the same package give it, and
#   as odeint_adjoint gives it with the same fixed-step method.
# What happens: with options={"step_size": h} the state at a time that equals a grid time is copied from the grid, whose times are constants, so its derivative in t1 is
#   0; at the last time it is right, because the last step ends there. The derivative in the first time lacks as much. Nothing warns.
# Why it matters: whoever learns the times of observations or events, at times such as 0.5 that fall on the grid, trains with zeros; a check at other times, or of the
#   last time alone, finds nothing wrong.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check torchdiffeq==0.2.5 torch==2.13.0 numpy==2.4.6
cat > times.py <<'PY'
import torch
from torchdiffeq import odeint, odeint_adjoint

start = torch.ones(1, dtype=torch.float64)


def rate(t, u):
    return u * torch.cos(t)  # u = exp(sin t), so that du/dt = u cos t


def slopes(solver, method, **how):
    """Derivatives of u(t1) + u(t2) in the times t1 = 1/2 and t2 = 1, as shares of the true ones."""
    times = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64, requires_grad=True)
    found = solver(rate, start, times, method=method, **how)
    slope = torch.autograd.grad(found[1:].sum(), times)[0]
    at = times.detach()
    return [round(float(share), 3) + 0.0 for share in (slope / (torch.exp(torch.sin(at)) * torch.cos(at)))[1:]]


grid = {"options": {"step_size": 1 / 32}}
for method in ("midpoint", "rk4"):
    inside, end = slopes(odeint, method, **grid)
    print(f"{method}, on the grid: {inside:.2f} of the derivative, {end:.2f} at the end")
print("dopri5: %.2f, %.2f" % tuple(slopes(odeint, "dopri5")))
adjoint = {"adjoint_params": (), "adjoint_options": grid["options"]}
print("rk4 by the adjoint: %.2f, %.2f" % tuple(slopes(odeint_adjoint, "rk4", **grid, **adjoint)))
PY
env/bin/python times.py | tee seen
[ "$(cat seen)" = "midpoint, on the grid: 0.00 of the derivative, 1.00 at the end
rk4, on the grid: 0.00 of the derivative, 1.00 at the end
dopri5: 1.00, 1.00
rk4 by the adjoint: 1.00, 1.00" ]
