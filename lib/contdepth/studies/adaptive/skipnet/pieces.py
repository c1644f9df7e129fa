"""SkipNet on CIFAR-10 as its authors train it, beside the ResNet without gates: one training a piece."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contdepth import checks
from contdepth.nets import GatedNet, gated_resnet, hybrid_loss, path_cost, resnet
from contdepth.seeds import generator
from contdepth.studies.common.image_training import same, standard_images, trained
from contdepth.training import crop_flip
from contdepth.training import recipe as named_recipe

__all__ = ["gated_arm"]

ARMS = ("ResNet", "SkipNet")


def gated_arm(
    *,
    arm: str,
    seed: int,
    depth: int = 38,
    gate: str = "recurrent",
    recipe: str = "cifar10",
    epochs: int = 160,
    second: int = 10_000,
    alpha: float = 0.1,
    dataset: str = "cifar10",
    train_size: int = 50_000,
    test_size: int = 10_000,
    width: int = 16,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train one arm by the named recipe; SkipNet then takes ``second`` steps with rewards, as the authors' does.

    Those are of SGD with momentum at rate 1e-4, batches of 128, weight 0.01 on a sum over the batch, no baseline.
    Returns ``accuracy``, ``blocks`` (the authors' computation: blocks computed) and ``saved`` (multiply-adds,
    gates counted), in per cent, after the last step; with ``_before`` what they were after the supervised stage;
    ``same`` and ``seconds``. A stopped run goes on from the last epoch of the recipe in ``checkpoint``.
    """
    checks.one_of("arm", arm, ARMS)
    began = time.perf_counter()
    train, test = standard_images(dataset, train_size, test_size)
    options: dict[str, Any] = {"width": width, "in_channels": train[0].shape[1], "seed": seed}
    chosen = named_recipe(recipe, epochs=epochs, test_every=epochs)
    plain = resnet(depth, **options)
    shared = same(plain, train, chosen, seed)
    model = plain if arm == "ResNet" else gated_resnet(depth, gate=gate, **options)
    fitted = trained(model, train, test, chosen, seed=seed, device=device, checkpoint=checkpoint)
    found: dict[str, Any] = {"accuracy": 100 - fitted.test_error, "blocks": 100.0, "saved": 0.0}
    if isinstance(model, GatedNet):
        found = {f"{name}_before": value for name, value in judged(model, test, device).items()}
        rewarded(model, train, second, chosen.batch, alpha, seed, device)
        found |= judged(model, test, device)
    return {**found, "same": shared, "seconds": time.perf_counter() - began}


def rewarded(
    model: GatedNet, train: tuple[Tensor, Tensor], steps: int, batch: int, alpha: float, seed: int, device: str
) -> None:
    """The second stage in place: paths are drawn, pictures too, each step anew and from ``seed``."""
    x, y = (part.to(device) for part in train)
    rule = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9, weight_decay=1e-4)
    source = generator(seed, "skipnet/second")
    model.train()
    for _ in range(steps):
        chosen = torch.randint(len(y), (batch,), generator=source).to(device)
        route = model.route(crop_flip(x[chosen], pad=4, flip=True, source=source), "sample", source=source)
        rule.zero_grad()
        hybrid_loss(route, y[chosen], alpha=alpha, rl_weight=0.01 * batch).backward()
        rule.step()


@torch.no_grad()
def judged(model: GatedNet, test: tuple[Tensor, Tensor], device: str) -> dict[str, float]:
    """Accuracy, blocks computed with the first one, and multiply-adds saved, per cent, 500 pictures at a time."""
    model.eval()
    cost = path_cost(model, *test[0].shape[2:])
    right, gates = [], []
    for x, y in zip(test[0].split(500), test[1].split(500), strict=True):
        route = model.route(x.to(device))
        right.append(route.logits.argmax(1).cpu() == y)
        gates.append(route.gates.cpu())
    paths = torch.cat(gates)
    blocks = (float(paths.double().sum(1).mean()) + 1) / (paths.shape[1] + 1)
    accuracy = 100 * float(torch.cat(right).double().mean())
    return {"accuracy": accuracy, "blocks": 100 * blocks, "saved": 100 * cost.saved(paths)}
