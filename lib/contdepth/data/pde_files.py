"""Reference solutions of partial differential equations, as plain arrays."""

from __future__ import annotations

import io

import numpy as np
from scipy.io import loadmat

from contdepth import checks
from contdepth.data.registry import entry, names
from contdepth.data.store import DataError, obtain

__all__ = ["pde", "pde_names"]


def pde_names() -> list[str]:
    """Names that ``pde`` takes; ``about("pde_" + name)`` tells equation, terms and citation."""
    return [name.removeprefix("pde_") for name in names() if name.startswith("pde_")]


def pde(name: str) -> dict[str, np.ndarray]:
    """Arrays of one solution: ``x`` (nx,), ``t`` (nt,), ``u`` (nt, nx), float64, time first.

    ``reaction`` has ``Ca`` and ``Cb`` (nt or nx first as in the file) instead of u, ``stokes`` one table
    ``values``, ``lorenz`` ``t`` (25,) and ``y`` (25, 3). Complex files must be real to 1e-6 and come back real.
    """
    checks.one_of("name", name, pde_names())
    info = entry(f"pde_{name}")
    (file,) = info["files"]
    stream = io.BytesIO(obtain(f"pde_{name}", file))
    raw = loadmat(stream) if file.endswith(".mat") else np.load(stream, allow_pickle=False)
    out = {}
    for key, source in info["arrays"].items():
        values = np.squeeze(raw[source])
        if np.iscomplexobj(values):
            if np.abs(values.imag).max() > 1e-6:
                raise DataError(f"{file}: expected real values in {source}, found imaginary parts")
            values = values.real
        out[key] = np.ascontiguousarray(values.T if key == "u" and info["time_axis"] == 1 else values, np.float64)
    if "u" in out:
        checks.one_of(f"shape of u in {file}", out["u"].shape, [(len(out["t"]), len(out["x"]))])
    return out
