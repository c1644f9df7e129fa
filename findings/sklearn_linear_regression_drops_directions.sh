#!/usr/bin/env bash
# scikit-learn 1.9.1: LinearRegression leaves directions out of a dense fit by the tolerance that its documentation gives to another solver.
#
# Expected: on dense data LinearRegression is ordinary least squares by LAPACK, as scipy.linalg.lstsq and numpy.linalg.lstsq with their own cutoffs are. The parameter tol = 1e-6
#   is described as the precision of the solution, handed to the iterative lsqr where X is sparse.
# What happens: for dense X the same tol goes to scipy.linalg.lstsq as cond, the share of the largest singular value below which a direction counts as zero. Polynomials up to degree 10 on
#   [0, 1] have a condition number of 2e7. Chebyshev's polynomial, which is one of them, is fitted with R² = 0.18 in place of 1; nothing warns, rank_ says 9 of 11. With tol=0 or in
#   release 1.6.1, which has no tol, the fit is exact to 1e-9.
# Why it matters: sparse regression on polynomial libraries (PySINDy 2.1 fits the terms it keeps by LinearRegression) has condition numbers beyond 1e6 from degree five on; coefficients of
#   Lorenz' system come out wrong by tens with clean data, and a hand-written least squares disagrees with the package.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv new
"${PYTHON:-python3}" -m venv old
new/bin/python -m pip install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
old/bin/python -m pip install --quiet --disable-pip-version-check scikit-learn==1.6.1 numpy==2.2.6 scipy==1.15.3
cat > fit.py <<'PY'
import inspect

import numpy as np
import sklearn
from sklearn.linear_model import LinearRegression

x = np.linspace(0, 1, 1000)
powers = np.vander(x, 11, increasing=True)
y = np.cos(10 * np.arccos(2 * x - 1))  # of degree 10, exactly one of them
exact = np.linalg.lstsq(powers, y, rcond=None)[0]
kinds = [{}]
if "tol" in inspect.signature(LinearRegression).parameters:
    kinds.append({"tol": 0.0})
for options in kinds:
    fit = LinearRegression(fit_intercept=False, **options).fit(powers, y)
    print(f"{sklearn.__version__} {options}: R2 {fit.score(powers, y):.2f}, rank {fit.rank_} of 11, slope at 0 {fit.coef_[1]:.1f}, lstsq {exact[1]:.1f}")
PY
{ new/bin/python fit.py; old/bin/python fit.py; } | tee seen
[ "$(cat seen)" = "1.9.1 {}: R2 0.18, rank 9 of 11, slope at 0 62.2, lstsq -200.0
1.9.1 {'tol': 0.0}: R2 1.00, rank 11 of 11, slope at 0 -200.0, lstsq -200.0
1.6.1 {}: R2 1.00, rank 11 of 11, slope at 0 -200.0, lstsq -200.0" ]
