"""How much one block of a trained net does: the size of its step, and the error without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from contdepth import checks
from contdepth.nets import SteppedNet, prolong, stepped_resnet
from contdepth.parallel import run_all
from contdepth.training import Recipe, fit_levels
from contdepth.training.evaluation import Pair

__all__ = ["Sweep", "copied_gradients", "halvings", "lesions", "residual_sizes", "sweep", "train_depth"]

KINDS = ("equal", "by time", "absorbed")


@torch.no_grad()
def residual_sizes(model: SteppedNet, images: torch.Tensor) -> np.ndarray:
    """|h_n f_n(u_n)| / |u_n|, Euclidean norms of an image's state, mean over ``images``: (blocks,)."""
    model.eval()
    states = list(model.trajectory(images))[:-1]
    sizes = [model.residual(n, u).flatten(1).norm(dim=1) / u.flatten(1).norm(dim=1) for n, u in enumerate(states)]
    return np.array([float(one.mean()) for one in sizes])


@torch.no_grad()
def lesions(model: SteppedNet, data: Pair) -> np.ndarray:
    """By how many points the error rises when one block's branch is left out, its shortcut kept: (blocks,).

    Batch norms keep the statistics of the whole net, as in Veit et al. 2016.
    """
    model.eval()
    images, labels = data
    *states, last = model.trajectory(images)

    def error(u: torch.Tensor) -> float:
        return 100 * float((model.head(u).argmax(1) != labels).double().mean())

    found = []
    for n, before in enumerate(states):
        u = model.shortcuts[n](before)
        for later in range(n + 1, len(states)):
            u, _ = model.advance(later, u, u)
        found.append(error(u) - error(last))
    return np.array(found)


def halvings(
    model: SteppedNet, images: torch.Tensor, times: int, change: Callable[[SteppedNet], object] = lambda _: None
) -> tuple[np.ndarray, np.ndarray]:
    """Step sizes of ``times`` prolonged nets, and what each changes in the logits of the one before (relative).

    All in float64 and evaluation mode. ``change`` is done to every prolonged net before it is looked at.
    """
    found: list[tuple[float, float]] = []
    model, images = prolong(model).double().eval(), images.double()
    change(model)
    with torch.no_grad():
        before = model(images)
        for _ in range(times):
            model = prolong(model)
            change(model)
            after = model(images)
            found.append((float(model.h.min()), float((after - before).norm() / before.norm())))
            before = after
    h, changes = np.array(found).T
    return h, changes


def copied_gradients(model: SteppedNet, data: Pair) -> float:
    """Norm of a gradient by the first copies of all blocks over that by the blocks themselves, evaluation mode.

    The gradient is that of the mean logit of the right class. That of the loss nearly vanishes where training has
    ended, and after copies that change the net a little it does not.
    """
    norms = []
    for net, every in ((prolong(model), 2), (model, 1)):
        net.eval()
        weights = [p for branch in list(net.branches)[::every] for p in branch.parameters()]
        right = net(data[0]).gather(1, data[1][:, None]).mean()
        norms.append(float(torch.cat([g.flatten() for g in torch.autograd.grad(right, weights)]).norm()))
    return norms[0] / norms[1]


@dataclass(frozen=True)
class Sweep:
    """Trained nets of several depths: errors (%), N times the mean residual, mean rise of a lesion (points).

    Each (seeds, depths); ``nets[i]`` are those of seed i.
    """

    depths: tuple[int, ...]
    errors: np.ndarray
    scaled: np.ndarray
    drops: np.ndarray
    nets: tuple[tuple[SteppedNet, ...], ...]

    @property
    def spread(self) -> np.ndarray:
        """Largest over smallest N times residual, minus one, in percent: (seeds,)."""
        return 100 * (self.scaled.max(1) / self.scaled.min(1) - 1)

    @property
    def slope(self) -> np.ndarray:
        """Slope of the mean residual in N on logarithmic axes, by least squares: (seeds,)."""
        x = np.log(np.array(self.depths, dtype=float))
        y = np.log(self.scaled) - x
        return ((x - x.mean()) * (y - y.mean(1, keepdims=True))).sum(1) / ((x - x.mean()) ** 2).sum()


def train_depth(
    blocks: int, train: Pair, test: Pair, recipe: Recipe, seed: int, *, width: int, kind: str
) -> tuple[float, float, float, SteppedNet]:
    """Error, N times residual, mean lesion and net of one depth and seed: a job for ``run_all``."""
    time = blocks if checks.one_of("kind", kind, KINDS) == "absorbed" else 1.0
    net = stepped_resnet((blocks,), width=width, time=time, in_channels=train[0].shape[1], seed=seed)
    done = fit_levels(net, train, test, [recipe], seed=seed, by_time=kind == "by time", progress=False)
    net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return done.test_error, blocks * residual_sizes(net, test[0]).mean(), lesions(net, test).mean(), net


def sweep(
    depths: Sequence[int],
    train: Pair,
    test: Pair,
    recipe: Recipe,
    seeds: Sequence[int],
    *,
    width: int,
    kind: str = "equal",
    workers: int = 1,
) -> Sweep:
    """Train a net of one stage for each depth N and seed.

    ``kind``: ``"equal"``, h = 1/N and one rate for all depths; ``"by time"``, the same with gradients by blocks
    times N; ``"absorbed"``, h = 1 and one rate, the ordinary residual net.
    """
    shared = {"train": train, "test": test, "recipe": recipe, "width": width, "kind": kind}
    jobs = [{"blocks": blocks, "seed": seed, **shared} for seed in seeds for blocks in depths]
    found = run_all(train_depth, jobs, workers)
    table = np.array([one[:3] for one in found]).reshape(len(seeds), len(depths), 3)
    errors, scaled, drops = np.moveaxis(table, 2, 0)
    nets = tuple(tuple(one[3] for one in found[i : i + len(depths)]) for i in range(0, len(found), len(depths)))
    return Sweep(tuple(depths), errors, scaled, drops, nets)
