"""What a batch's decoder computes: each series at its own times, against all at the union of all times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from contdepth.recurrent import LatentODE
from contdepth.schemes import solve
from contdepth.schemes.adaptive.own.times import solve_at
from contdepth.seeds import generator
from contdepth.studies.sequences.latentode.waves import HORIZON

__all__ = ["counts"]


def counts(
    model: LatentODE, n: int, rows: int, distinct: Sequence[int | None], seed: int
) -> dict[str, np.ndarray]:
    """Return distinct times, evaluations of the field for the batch, and states made, own and union's.

    Times of ``n`` series of ``rows`` are drawn among so many equal ``distinct`` ones, or anywhere where None. The
    union's way is that of the authors' code: common steps for the batch, and the states of all at every time.

    Returns:
        ``distinct``, ``own`` and ``union`` (evaluations), ``own states`` and ``union states``, of each case.
    """
    z = torch.randn(n, model.latent, generator=generator(seed, "latent"))
    found: dict[str, list[float]] = {k: [] for k in ("distinct", "own", "union", "own states", "union states")}
    for case in distinct:
        source = generator(seed, f"times/{case}")
        if case is None:
            times = (HORIZON * torch.rand(n, rows, generator=source)).sort(1).values
        else:
            times = HORIZON * torch.rand(n, case, generator=source).argsort(1)[:, :rows].sort(1).values / case
        union = times.unique()
        with torch.no_grad():
            t = torch.cat([torch.zeros(n, 1), times], dim=1).T
            own = solve_at(lambda _, u: model.field(u), z, t, rtol=model.rtol, atol=model.atol).statistics
            common = torch.cat([torch.zeros(1), union[union > 0]])
            all_of = solve(lambda _, u: model.field(u), z, common, rtol=model.rtol, atol=model.atol).statistics
        found["distinct"].append(len(union))
        found["own"].append(own.evaluations)
        found["union"].append(all_of.evaluations)
        found["own states"].append(n * rows)
        found["union states"].append(n * len(union))
    return {name: np.array(values, dtype=float) for name, values in found.items()}
