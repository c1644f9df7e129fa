"""Stiff equations of ``benchmarks/adaptive.py``: RODAS5P against SciPy's Radau."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from adaptive_problems import Row, error, medians, plain_robertson, plain_van_der_pol, robertson, van_der_pol
from contdepth.schemes import RODAS5P, Field, solve


def stiff(repeats: int) -> list[Row]:
    """RODAS5P against SciPy's Radau on van der Pol with mu = 1000 and on Robertson, at rtol 1e-6."""
    problems = {
        "van der Pol 1000": (
            van_der_pol(1000.0),
            plain_van_der_pol,
            [2.0, 0.0],
            [0.0, *range(200, 2001, 200)],
            1e-9,
        ),
        "Robertson": (robertson, plain_robertson, [1.0, 0.0, 0.0], [0.0, 10.0, 1e3, 1e5], 1e-10),
    }
    rows = []
    for name, problem in problems.items():
        row = against_radau(*problem, repeats)
        rows.append({"problem": name, **row})
        print(f"{name:20s}{row['Radau']:12.2f}{row['Radau, plain Python']:14.2f}{row['error']:14.2f}", flush=True)
    return rows


def against_radau(
    f: Field, plain: Callable[..., Any], start: list[float], times: list[float], atol: float, repeats: int
) -> Row:
    """Ratios of time and error for one problem."""
    u0, t = torch.tensor(start, dtype=torch.float64), torch.tensor(times, dtype=torch.float64)

    def of_arrays(s: float, u: Any) -> Any:
        with torch.no_grad():
            return f(torch.tensor(s), torch.from_numpy(u)).numpy()

    def radau(g: Callable[..., Any], rtol: float, atol: float) -> Tensor:
        found = solve_ivp(g, (0, times[-1]), start, method="Radau", t_eval=times, rtol=rtol, atol=atol)
        return torch.from_numpy(found.y.T.copy())

    calls = {
        "contdepth": lambda: solve(f, u0, t, RODAS5P, rtol=1e-6, atol=atol).u,
        "Radau": lambda: radau(of_arrays, 1e-6, atol),
        "Radau, plain Python": lambda: radau(plain, 1e-6, atol),
    }
    exact, found = radau(plain, 1e-12, 1e-5 * atol), medians(calls, repeats)
    errors = [error(calls[one](), exact) for one in ("contdepth", "Radau")]
    ratios = {other: found["contdepth"] / found[other] for other in ("Radau", "Radau, plain Python")}
    return {**ratios, "error": errors[0] / errors[1]}
