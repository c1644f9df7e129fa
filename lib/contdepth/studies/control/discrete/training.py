"""Nets of several seeds trained by one rule, side by side; a run that was stopped goes on from its last epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from contdepth import devices
from contdepth.data import load
from contdepth.seeds import generator
from contdepth.studies.control.discrete.members import Members, accuracies, sweep
from contdepth.studies.control.discrete.rules import Adam, Rule
from contdepth.training import load_checkpoint, save_checkpoint

__all__ = ["Images", "Plan", "Trained", "images", "train"]


@dataclass(frozen=True)
class Images:
    """``x`` (N, pixels) float32 and labels ``y`` (N,), of the part to learn from and of the one to judge on."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor


def images(dataset: str, *, held_out: bool = False, limit: int | None = None) -> Images:
    """A set of ``contdepth.data.load`` in rows, divided so that the learning part has mean 0 and mean square 1.

    ``held_out``: every fifth image of the learning part is judged on in place of the test part, which is not
    looked at: for the choice of settings. ``limit``: the first so many of either part.
    """
    (x, y), (test_x, test_y) = load(dataset, "train", limit), load(dataset, "test", limit)
    x, test_x = x.flatten(1).double(), test_x.flatten(1).double()
    if held_out:
        chosen = torch.arange(len(x)) % 5 == 4
        test_x, test_y, x, y = x[chosen], y[chosen], x[~chosen], y[~chosen]
    mean, size = x.mean(), x.std(correction=0)
    return Images(((x - mean) / size).float(), y, ((test_x - mean) / size).float(), test_y)


@dataclass(frozen=True)
class Plan:
    """What all rules share: ``hidden`` widths, ``epochs``, images in a ``batch``, loss, Adam's rate of the norms.

    With ``norm_rate`` 0 the norms keep scale 1 and offset 0, and nothing but weights is trained.
    """

    hidden: tuple[int, ...] = (256, 256)
    epochs: int = 30
    batch: int = 50
    loss: str = "squared hinge"
    norm_rate: float = 1e-3


@dataclass(frozen=True)
class Trained:
    """S nets after the last epoch, with the weights that compute.

    ``losses`` (epochs, S): means over the batches of an epoch. ``flips`` (epochs, S): share of weights that an
    epoch changed. ``accuracy`` (S,): share of the test images.
    """

    nets: Members
    losses: np.ndarray
    flips: np.ndarray
    accuracy: np.ndarray

    @property
    def non_zero(self) -> np.ndarray:
        """Share of weights that are not 0, (S,)."""
        count = sum(weight[0].numel() for weight in self.nets.weights)
        return np.asarray(sum((weight != 0).sum((1, 2)) for weight in self.nets.weights) / count)


def train(
    rule: Rule,
    data: Images,
    plan: Plan,
    seeds: Sequence[int],
    *,
    device: str | torch.device = "cpu",
    checkpoint: Path | None = None,
) -> Trained:
    """Train a net for each of ``seeds`` by ``rule``; a net's draws hang on its own seed alone.

    The order of the images is the same for every rule. Images that fill no batch are left out of an epoch.
    """
    where = devices.named("device", device)
    x, y, test_x, test_y = (part.to(where) for part in (data.x, data.y, data.test_x, data.test_y))
    sizes = (x.shape[1], *plan.hidden, 10)
    weights, state = rule.start(list(zip(sizes, sizes[1:], strict=False)), seeds)
    shape = (len(seeds), 1)
    norms = [torch.ones(*shape, n) for n in sizes[1:]] + [torch.zeros(*shape, n) for n in sizes[1:]]
    adam, done, losses, flips = Adam(norms), 0, [], []
    identity = {"rule": repr(rule), "plan": repr(asdict(plan)), "seeds": list(seeds), "images": len(x)}
    stored = None if checkpoint is None else load_checkpoint(checkpoint, identity)
    if stored is not None:
        weights, state, norms, adam.state = (stored[k] for k in ("weights", "state", "norms", "moments"))
        done, losses, flips = stored["done"], stored["losses"], stored["flips"]
    weights, state, norms = ([part.to(where) for part in group] for group in (weights, state, norms))
    adam.state = [part.to(where) for part in adam.state]
    count, a_batch = len(sizes) - 1, len(x) // plan.batch
    total = plan.epochs * a_batch
    for epoch in range(done, plan.epochs):
        orders = [torch.randperm(len(x), generator=generator(seed, f"order/{epoch}")) for seed in seeds]
        order = torch.stack(orders).to(where)
        before, found = rule.visible([weight.clone() for weight in weights]), []
        for k in range(a_batch):
            chosen, n = order[:, k * plan.batch : (k + 1) * plan.batch], epoch * a_batch + k + 1
            nets = Members(rule.visible(weights), norms[:count], norms[count:])
            one = sweep(nets, x[chosen], y[chosen], plan.loss, of_norms=plan.norm_rate > 0)
            rule.move(weights, state, one.slopes[:count], n, epoch, total)
            if plan.norm_rate > 0:
                adam.step(norms, one.slopes[count:], plan.norm_rate, n)
            found.append(one.losses)
        losses.append(torch.stack(found).mean(0).tolist())
        flips.append(_changed(before, rule.visible(weights)))
        if checkpoint is not None:
            content = {"weights": weights, "state": state, "norms": norms, "moments": adam.state}
            save_checkpoint(checkpoint, identity, {**content, "done": epoch + 1, "losses": losses, "flips": flips})
    nets = Members(rule.visible(weights), norms[:count], norms[count:])
    right = accuracies(nets, x, test_x, test_y).cpu().numpy()
    return Trained(nets, np.array(losses), np.array(flips), right)


def _changed(before: list[Tensor], after: list[Tensor]) -> list[float]:
    """Share of weights that differ, net by net."""
    pairs = list(zip(before, after, strict=True))
    count = sum(one[0].numel() for one in before)
    return (sum((a != b).sum((1, 2)) for a, b in pairs).double() / count).tolist()  # type: ignore[union-attr]
