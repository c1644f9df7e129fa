"""A plain convolutional network as one-step map: prediction without any knowledge of derivatives."""

from __future__ import annotations

import math

import sympy
import torch
from torch import nn

from contdepth import checks, devices, seeds
from contdepth.pde.estimator import Estimator
from contdepth.pde.fields.trajectories import Trajectories, require_change, require_grid, windows

__all__ = ["PlainCNN"]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class PlainCNN(Estimator):
    """u_{n+1} = u_n + dt CNN(u_n): convolutions with circular padding and tanh, no constraint on the filters.

    Inputs and outputs are scaled by the spread of the fields and of their rates in the training data. Weights
    are trained by Adam with a cosine schedule on windows of ``blocks`` steps; the loss is the squared error
    of every step, divided by the mean squared rate of the data times the squared length of the window.

    Args:
        layers: convolutions, >= 2; only between them stands tanh.
        width: channels between them.
        size: odd filter size.
        budget: if given, ``width`` is the largest one with at most that many parameters.
        blocks: steps of a training window.
        iterations: Adam steps.
        batch: windows per step.
        rate: learning rate at the start.
        seed: weights and order of the windows.
        device: where it is trained and computes, such as "cuda"; arrays go in and come out on the CPU.
    """

    def __init__(
        self,
        *,
        layers: int = 3,
        width: int = 16,
        size: int = 5,
        budget: int | None = None,
        blocks: int = 3,
        iterations: int = 1000,
        batch: int = 16,
        rate: float = 3e-3,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.layers = checks.integer("layers", layers, at_least=2)
        self.width = checks.integer("width", width, at_least=1)
        self.size = checks.integer("size", size, at_least=1)
        if size % 2 == 0:
            checks.fail("size", "an odd filter size", size)
        self.budget = None if budget is None else checks.integer("budget", budget, at_least=1)
        self.blocks = checks.integer("blocks", blocks, at_least=1)
        self.iterations = checks.integer("iterations", iterations, at_least=0)
        self.batch = checks.integer("batch", batch, at_least=1)
        self.rate = checks.real("rate", rate, above=0)
        self.seed = checks.integer("seed", seed, at_least=0)
        devices.named("device", device)
        self.device = device

    @property
    def _wraps(self) -> bool:
        return True  # by its padding

    @property
    def count(self) -> int:
        """Number of trained parameters."""
        self._require_fit()
        return sum(p.numel() for p in self.network.parameters())

    def _fit(self, data: Trajectories) -> None:
        require_grid(data, self.size)
        require_change(data)
        starts, targets, mask = windows(data, self.blocks)
        pairs = data.present[:, :-1] & data.present[:, 1:]
        if not bool(pairs.any()):
            checks.fail("u", "at least one pair of consecutive frames", "none")
        rates = (data.values[:, 1:] - data.values[:, :-1])[pairs] / data.dt
        values = data.values[data.present]
        axes = [0, *range(2, values.ndim)]
        self._shift = values.mean(axes, keepdim=True)
        self._scale = _positive(values.std(axes, keepdim=True))
        self._gain = _positive(rates.square().mean(axes, keepdim=True).sqrt())
        self.network = self._network(len(data.names), data.dim).to(data.values.device)
        optimiser = torch.optim.Adam(self.network.parameters(), lr=self.rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(self.iterations, 1))
        order = seeds.generator(self.seed, "plain cnn/windows")
        span = (data.dt * self.blocks) ** 2 * self._gain.square()
        self.losses = []
        for _ in range(self.iterations):
            pick = torch.randint(len(starts), (min(self.batch, len(starts)),), generator=order)
            optimiser.zero_grad()
            loss = self._loss(starts[pick], targets[pick], mask[pick], span)
            loss.backward()
            optimiser.step()
            schedule.step()
            self.losses.append(float(loss.detach()))

    def _loss(
        self, u: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor, span: torch.Tensor
    ) -> torch.Tensor:
        total, errors = 0, []
        for k in range(targets.shape[1]):
            u = self._step(u)
            error = ((u - targets[:, k]).square() / span).flatten(1).mean(1)
            errors.append(error[mask[:, k]].sum())
            total += int(mask[:, k].sum())
        return torch.stack(errors).sum() / total

    def _network(self, fields: int, dim: int) -> nn.Sequential:
        channels = [fields, *[self._channels(fields, dim)] * (self.layers - 1), fields]
        generator = seeds.generator(self.seed, "plain cnn/weights")
        parts: list[nn.Module] = []
        for index, (a, b) in enumerate(zip(channels[:-1], channels[1:], strict=True)):
            layer = _CONVOLUTIONS[dim - 1](
                a, b, self.size, padding=self.size // 2, padding_mode="circular", dtype=torch.float64
            )
            with torch.no_grad():
                bound = math.sqrt(3 / (a * self.size**dim))
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.zero_()  # type: ignore[union-attr]
            parts += [layer] if index == self.layers - 1 else [layer, nn.Tanh()]
        return nn.Sequential(*parts)

    def _channels(self, fields: int, dim: int) -> int:
        if self.budget is None:
            return self.width
        taps, inner = self.size**dim, self.layers - 2
        width = 0
        while _weights(fields, width + 1, taps, inner) <= self.budget:
            width += 1
        if not width:
            checks.fail("budget", f"at least {_weights(fields, 1, taps, inner)} parameters", self.budget)
        return width

    def _expressions(self) -> dict[str, sympy.Expr]:
        checks.fail(
            "PlainCNN",
            "a method with equations",
            "a plain network",
            "it only predicts and simulates",
            error=NotImplementedError,
        )

    def _rhs(self, u: torch.Tensor) -> torch.Tensor:
        return self._gain * self.network((u - self._shift) / self._scale)


def _positive(sizes: torch.Tensor) -> torch.Tensor:
    """``sizes`` with 1 for 0, to divide by: a field that is everywhere the same has no scale."""
    return torch.where(sizes > 0, sizes, 1.0)


def _weights(fields: int, width: int, taps: int, inner: int) -> int:
    """Parameters of the network: first, ``inner`` square and last convolution, with biases."""
    return sum(a * b * taps + b for a, b in [(fields, width), *[(width, width)] * inner, (width, fields)])
