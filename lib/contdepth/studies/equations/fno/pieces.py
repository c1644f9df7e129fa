"""The table's run on Burgers' equation, one training a piece: with batch norm, as in the paper, and without."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from contdepth import checks, devices
from contdepth.pde import FourierNeuralOperator, fit_operator, relative_error
from contdepth.pde.simulate import burgers_map
from contdepth.seeds import derive, generator

__all__ = ["burgers_arm"]


def burgers_arm(
    *,
    seed: int,
    norm: str,
    viscosity: float = 0.1,
    functions: int = 1000,
    judged: int = 100,
    grid: int = 1024,
    fine: int = 1024,
    modes: int = 16,
    width: int = 64,
    epochs: int = 500,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train one net as the authors' script does, on the text's functions, and judge it after the last epoch.

    ``norm`` is "with" or "without" batch norm. Both arms of a seed have the same functions, first weights and
    order; other seeds have others, and one set judges all. Returns ``error``, the mean relative error;
    ``mean_error``, that of the mean of each first function; ``losses``, one an epoch; and ``seconds``. A stopped
    run goes on from ``checkpoint`` to the same result.
    """
    began, where = time.perf_counter(), devices.named("device", device)
    normed = checks.one_of("norm", norm, ("with", "without")) == "with"
    options: dict[str, Any] = {"viscosity": viscosity, "fine": fine, "device": where}
    a, u = burgers_map(functions, grid, seed=derive(seed, "shown") % 2**31, **options)
    fresh, truth = burgers_map(judged, grid, seed=derive(0, "judged") % 2**31, **options)
    net = FourierNeuralOperator(
        modes, width=width, batch_norm=normed, generator=generator(seed, "net"), device=where
    )
    kept = None if checkpoint is None else Path(checkpoint) / "training.pt"
    fit = fit_operator(
        net,
        a.float(),
        u.float(),
        epochs=epochs,
        halve=max(1, epochs // 5),
        seed=derive(seed, "order"),
        checkpoint=kept,
        every=1000,
    )
    level = fresh.mean(-1, keepdim=True).expand_as(fresh)
    return {
        "error": relative_error(net.predict(fresh), truth).mean().item(),
        "mean_error": relative_error(level, truth).mean().item(),
        "losses": [round(one, 6) for one in fit.losses],
        "seconds": time.perf_counter() - began,
    }
