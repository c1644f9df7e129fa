"""Handwritten digits pixel by pixel, 784 rows of one number, one training a piece."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from contdepth import checks, devices
from contdepth.data.unit_range import pixels
from contdepth.recurrent import AntisymmetricCell, from_nan
from contdepth.seeds import generator
from contdepth.studies.sequences.classify import Classifier
from contdepth.training import load_checkpoint, save_checkpoint

__all__ = ["pixel_arm"]


def pixel_arm(
    *,
    seed: int,
    gated: bool,
    permuted: bool,
    dataset: str = "mnist",
    hidden: int = 128,
    step: float = 0.1,
    diffusion: float = 0.01,
    spread: float = 1.0,
    epochs: int = 40,
    batch: int = 128,
    rate: float = 1e-3,
    train_size: int = 60_000,
    test_size: int = 10_000,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train one cell on pictures read pixel by pixel, in one fixed order of pixels where ``permuted``.

    Returns ``accuracy`` on the test pictures in per cent after the last epoch, ``losses``, an entry an epoch,
    ``parameters`` and ``seconds``. A stopped run goes on from the last epoch in ``checkpoint`` to the same result.
    """
    began, where = time.perf_counter(), devices.named("device", device)
    checks.one_of("dataset", dataset, ("mnist", "digits"))
    (x, labels), (test, test_labels) = (
        _rows(dataset, part, n, permuted) for part, n in (("train", train_size), ("test", test_size))
    )
    source = generator(seed, "sequences/weights")
    options: dict[str, Any] = {"step": step, "diffusion": diffusion, "gated": gated, "spread": spread}
    net = Classifier(AntisymmetricCell(1, hidden, **options, generator=source), 10, source).to(where)
    rule = torch.optim.Adam(net.parameters(), lr=rate)
    identity = {"seed": seed, "permuted": permuted, "dataset": dataset, "hidden": hidden, "rate": rate, **options}
    kept = None if checkpoint is None else Path(checkpoint) / "training.pt"
    stored = None if kept is None else load_checkpoint(kept, identity)
    losses: list[float] = []
    if stored is not None:
        net.load_state_dict(stored["net"])
        rule.load_state_dict(stored["rule"])
        losses = list(stored["losses"])
    for epoch in range(len(losses), epochs):
        order = torch.randperm(len(x), generator=generator(seed, f"sequences/epoch {epoch}"))
        losses.append(_pass(net, rule, x, labels, order.split(batch), where))
        if kept is not None:
            content = {"net": net.state_dict(), "rule": rule.state_dict(), "losses": losses}
            save_checkpoint(kept, identity, content)
    return {
        "accuracy": _judged(net, test, test_labels, where),
        "losses": [round(one, 6) for one in losses],
        "parameters": net.size,
        "seconds": time.perf_counter() - began,
    }


def _rows(dataset: str, split: str, limit: int, permuted: bool) -> tuple[Tensor, Tensor]:
    """Pixels from 0 to 1, ``(n, T, 1)``, and labels; the order of pixels is the same for all seeds."""
    pictures, labels = pixels(dataset, split, limit)
    rows = pictures.flatten(1)[..., None]
    if permuted:
        rows = rows[:, torch.randperm(rows.shape[1], generator=generator(0, "sequences/pixels"))]
    return rows, labels.long()


def _pass(
    net: Classifier,
    rule: torch.optim.Optimizer,
    x: Tensor,
    labels: Tensor,
    batches: tuple[Tensor, ...],
    where: torch.device,
) -> float:
    """One epoch with gradients cut to norm 1; the mean of its losses."""
    total = 0.0
    for chosen in batches:
        rule.zero_grad()
        loss = functional.cross_entropy(net(from_nan(x[chosen].to(where))), labels[chosen].to(where))
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        rule.step()
        total += float(loss.detach())
    return total / len(batches)


@torch.no_grad()
def _judged(net: Classifier, x: Tensor, labels: Tensor, where: torch.device) -> float:
    """Accuracy in per cent, 1,000 pictures at a time."""
    parts = zip(x.split(1000), labels.split(1000), strict=True)
    right = sum(int((net(from_nan(a.to(where))).argmax(1).cpu() == b).sum()) for a, b in parts)
    return 100 * right / len(x)
