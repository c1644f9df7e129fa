"""Rollouts: whole trajectories of a frozen unit with their losses, the environment of every stopping rule."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from contdepth import checks
from contdepth.restoration.metrics import grey, psnr
from contdepth.restoration.models.unit import RestorationUnit, trajectory

__all__ = ["LOSSES", "Rollouts", "roll_out", "stopped_at"]

LOSSES = ("psnr", "mse")
PEAK = 255.0**2
KINDS = (torch.float16, torch.float32)


@dataclass(frozen=True)
class Rollouts:
    """Trajectories X_0 … X_N of many images: a deterministic environment, stored.

    ``states``: ``(episodes, N + 1, h, w)``, float16 or float32; ``observations``: y, ``(episodes, h, w)``, of the
    same type; ``losses``: L(X_n, x*), ``(episodes, N + 1)``; ``levels``: ``(episodes,)``, the degradation of each
    image (for reports: no policy sees it); ``loss``: ``"psnr"`` (L is −PSNR in dB) or ``"mse"`` (L is the mean
    squared error in grey levels of 255, squared). Stopping at n, 0 ≤ n ≤ N, returns X_n.

    Raises:
        TypeError, ValueError: shapes that do not belong together, no step, another type, losses not finite.
    """

    states: Tensor
    observations: Tensor
    losses: Tensor
    levels: Tensor
    loss: str = "psnr"

    def __post_init__(self) -> None:
        states = checks.floating("states", self.states, ndim=4, hint="(episodes, N + 1, h, w)")
        checks.one_of("states.dtype", states.dtype, KINDS)
        episodes, count, h, w = states.shape
        if count < 2 or states.numel() == 0:
            checks.fail("states", "at least one episode of one step, (episodes, N + 1, h, w)", tuple(states.shape))
        checks.same_shape("observations", checks.tensor("observations", self.observations), (episodes, h, w))
        checks.one_of("observations.dtype", self.observations.dtype, (states.dtype,))
        checks.same_shape("losses", checks.floating("losses", self.losses), (episodes, count))
        checks.finite("losses", self.losses, hint='an image restored without any error needs loss="mse"')
        checks.same_shape("levels", checks.tensor("levels", self.levels), (episodes,))
        checks.one_of("loss", self.loss, LOSSES)

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.states)

    @property
    def steps(self) -> int:
        """N, the horizon: at n = N everything stops."""
        return self.states.shape[1] - 1

    @property
    def rewards(self) -> Tensor:
        """r_n = L(X_{n-1}, x*) − L(X_n, x*) in column n − 1, n = 1 … N: ``(episodes, N)``, > 0 for improvement."""
        return self.losses[:, :-1] - self.losses[:, 1:]

    @property
    def psnr(self) -> Tensor:
        """PSNR of every clipped iterate in dB, ``(episodes, N + 1)``."""
        return -self.losses if self.loss == "psnr" else 10 * torch.log10(PEAK / self.losses)

    def gain(self, stops: Tensor) -> Tensor:
        """L(X_0, x*) − L(X_stop, x*), ``(episodes,)``: the sum of the rewards up to the stop, undiscounted."""
        return self.losses[:, 0] - stopped_at(self.losses, stops)

    def take(self, rows: Tensor) -> Rollouts:
        """The episodes ``rows``, an index or a mask."""
        parts = ("states", "observations", "losses", "levels")
        return replace(self, **{name: getattr(self, name)[rows] for name in parts})

    def to(self, device: str | torch.device) -> Rollouts:
        """All tensors on ``device``."""
        parts = ("states", "observations", "losses", "levels")
        return replace(self, **{name: getattr(self, name).to(device) for name in parts})

    def inputs(self, episodes: Tensor, steps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What a policy sees in state n of each episode: (X_n, y, X_{n-1}), each ``(k, 1, h, w)``; X_{-1} = X_0.

        ``episodes`` and ``steps``: int64 ``(k,)``.
        """
        before = (steps - 1).clamp_min(0)
        parts = (self.states[episodes, steps], self.observations[episodes], self.states[episodes, before])
        return tuple(part[:, None] for part in parts)  # type: ignore[return-value]


def roll_out(
    unit: RestorationUnit,
    clean: Tensor,
    noisy: Tensor,
    levels: Tensor,
    steps: int,
    loss: str = "psnr",
    *,
    batch: int = 32,
    dtype: torch.dtype = torch.float16,
) -> Rollouts:
    """Run ``unit`` on ``noisy`` for ``steps`` steps and keep every iterate and its loss.

    ``clean`` and ``noisy``: ``(n, 1, h, w)``, on the unit's device; ``levels``: ``(n,)``. The losses are of the
    clipped iterates in full precision; what is kept for the policy is unclipped, in ``dtype``. Patches should have
    128 pixels or more a side: the borders of smaller ones make the best step later than it is on a whole picture.

    Raises:
        TypeError, ValueError: as ``Rollouts``; ``clean`` outside [0, 1]; iterates not finite in ``dtype``.
    """
    grey("clean", clean), grey("noisy", noisy)
    checks.same_shape("noisy", noisy, tuple(clean.shape))
    checks.integer("steps", steps, at_least=1)
    checks.integer("batch", batch, at_least=1)
    checks.one_of("loss", loss, LOSSES)
    checks.one_of("dtype", dtype, KINDS)
    n, (h, w) = len(clean), clean.shape[-2:]
    states = torch.empty(n, steps + 1, h, w, dtype=dtype, device=noisy.device)
    losses = torch.empty(n, steps + 1, dtype=torch.float64, device=noisy.device)
    for start in range(0, n, batch):
        part = slice(start, start + batch)
        iterates = trajectory(unit, noisy[part], steps)
        states[part] = iterates[:, :, 0].transpose(0, 1).to(dtype)
        checks.finite("iterates", states[part], hint="the unit diverges: take fewer steps or train it longer")
        losses[part] = -psnr(iterates, clean[part]).T
    if loss == "mse":
        losses = PEAK * 10 ** (losses / 10)
    return Rollouts(states, noisy[:, 0].detach().to(dtype), losses, levels, loss)


def stopped_at(values: Tensor, stops: Tensor) -> Tensor:
    """Entry n = stop of every row of ``values`` ``(episodes, N + 1)``: ``(episodes,)``.

    Raises:
        TypeError, ValueError: ``stops`` is not int64 ``(episodes,)`` in 0 … N.
    """
    checks.tensor("stops", stops)
    if stops.dtype != torch.int64:
        checks.fail("stops", "dtype torch.int64", stops.dtype, error=TypeError)
    checks.same_shape("stops", stops, (len(values),), hint="one stop for each episode")
    last = values.shape[1] - 1
    if len(stops) and not (0 <= int(stops.min()) and int(stops.max()) <= last):
        checks.fail("stops", f"steps in 0 … {last}", f"{int(stops.min())} … {int(stops.max())}")
    return values.gather(1, stops[:, None].to(values.device))[:, 0]
