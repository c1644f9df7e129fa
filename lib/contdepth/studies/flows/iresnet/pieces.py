"""The density of pictures by a residual flow, one training a piece; judged as published and by a long series."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.data import load
from contdepth.flows import SeriesLogDet, settle
from contdepth.seeds import generator
from contdepth.studies.flows.iresnet.pictures import PictureFlow, bits, opened
from contdepth.training import load_checkpoint, save_checkpoint

__all__ = ["density_arm"]

LEVELS = {"mnist": 256, "digits": 17}
"""Grey levels of a set's pictures."""


def density_arm(
    *,
    seed: int,
    dataset: str = "mnist",
    blocks: Sequence[int] = (16, 16, 16),
    width: int = 512,
    terms: int = 5,
    long: int = 100,
    epochs: int = 200,
    batch: int = 128,
    rate: float = 3e-3,
    train_size: int = 60_000,
    test_size: int = 10_000,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train one flow by Adamax as the authors' script does: ``terms`` of the series, one probe, coefficient 0.9.

    Returns ``bits``, bits a dimension of the test pictures by as many terms, as published, and ``bits_long`` by
    ``long`` terms after the norms were settled, with the same noise; ``losses``, an entry for each epoch, and
    ``seconds``. A stopped run goes on from the last epoch in ``checkpoint`` to the same result.
    """
    began, where = time.perf_counter(), devices.named("device", device)
    levels = LEVELS[checks.one_of("dataset", dataset, tuple(LEVELS))]
    x, test = (load(dataset, part, n)[0].float() for part, n in (("train", train_size), ("test", test_size)))
    flow = PictureFlow(x.shape[1], x.shape[2], blocks, width, seed=seed)
    flow.begin(opened(x[: 4 * batch], levels, generator(seed, "iresnet/begin")).x)
    flow.to(where)
    rule = torch.optim.Adamax(flow.parameters(), lr=rate)
    identity = {
        "seed": seed,
        "dataset": dataset,
        "blocks": list(blocks),
        "width": width,
        "terms": terms,
        "rate": rate,
    }
    kept = None if checkpoint is None else Path(checkpoint) / "training.pt"
    stored = None if kept is None else load_checkpoint(kept, identity)
    losses: list[float] = []
    if stored is not None:
        flow.load_state_dict(stored["flow"])
        rule.load_state_dict(stored["rule"])
        losses = list(stored["losses"])
    for epoch in range(len(losses), epochs):
        losses.append(_pass(flow, rule, x, levels, terms, batch, generator(seed, f"iresnet/epoch {epoch}")))
        if kept is not None:
            content = {"flow": flow.state_dict(), "rule": rule.state_dict(), "losses": losses}
            save_checkpoint(kept, identity, content)
    flow.eval()
    published = _judged(flow, test, levels, terms, seed)
    settle(flow, 1e-5)
    found = {"bits": published, "bits_long": _judged(flow, test, levels, long, seed)}
    return {**found, "losses": [round(one, 6) for one in losses], "seconds": time.perf_counter() - began}


def _pass(
    flow: PictureFlow,
    rule: torch.optim.Optimizer,
    x: Tensor,
    levels: int,
    terms: int,
    batch: int,
    source: torch.Generator,
) -> float:
    """One epoch; the mean of its losses. Pictures that fill no batch are left out."""
    flow.train()
    where, total, count = next(flow.parameters()).device, 0.0, max(1, len(x) // batch)
    for chosen in torch.randperm(len(x), generator=source).split(batch)[:count]:
        rule.zero_grad()
        loss = bits(flow, x[chosen].to(where), levels, SeriesLogDet(terms), source, source).mean()
        loss.backward()
        rule.step()
        total += float(loss.detach())
    return total / count


@torch.no_grad()
def _judged(flow: PictureFlow, x: Tensor, levels: int, terms: int, seed: int) -> float:
    """Mean bits a dimension, 500 pictures at a time, with noise and probes that depend on the seed alone."""
    where, source, total = next(flow.parameters()).device, generator(seed, "iresnet/judge"), 0.0
    for part in x.split(500):
        found = bits(flow, part.to(where), levels, SeriesLogDet(terms), source, source)
        total += float(found.double().sum())
    return total / len(x)
