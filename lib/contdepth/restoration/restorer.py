"""DURR put together: a restoration unit, a policy that stops it, and a user's own picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from contdepth import checks, devices
from contdepth.restoration.damage import BLOCKS, SMALLEST, blocking, calm_noise
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.stored import load_model
from contdepth.restoration.models.unit import RestorationUnit
from contdepth.restoration.picture import PicturePlanes, read_picture
from contdepth.restoration.stopping.policy import Policy
from contdepth.restoration.stopping.stored_policy import load_policy
from contdepth.restoration.tiling import tiled
from contdepth.seeds import generator

__all__ = ["DURR", "Restoration"]

Kind = TypeVar("Kind", np.ndarray, Image.Image)
POLICY_OF = {"gaussian": "policy-gaussian", "jpeg": "policy-jpeg"}
REACH = 28  # pixels that one step of the largest unit looks away, rounded up to a multiple of its stride
TILE = 512
PROBE = 1 / 255  # standard deviation of the noise that measures a divergence
DIVERGENCE = 0.6  # above all that were met, 0.57 at most: what gains with it need not be measured


@dataclass(frozen=True)
class Restoration(Generic[Kind]):
    """``image``: of the kind that came in; ``steps``: which iterate it is; ``values``: what the policy said.

    v_n above zero continues; the list ends with the value that stopped, or at the horizon; it is empty if the
    caller chose the number of steps or there was nothing to do. ``psnr``: of the clipped iterates X_0 … X_horizon
    in dB against the reference, over all colours that are seen, or None without one. ``damage``: what the restorer
    looked for, noise in grey levels of 255 (the largest of the colours) or ``blocking``; None if it did not look.
    """

    image: Kind
    steps: int
    values: list[float]
    psnr: list[float] | None = None
    damage: float | None = None


class DURR:
    """The dynamically unfolding recurrent restorer (Zhang et al. 2019, arXiv 1805.07709).

    X_n = X_{n−1} + g(X_{n−1}, y; w), X_0 = y, until the policy prefers to stop, which it decides from what it
    sees. Departure: colours are restored plane by plane, with one stopping time for all, from the mean of the
    planes' values; or, with ``luma``, their brightness alone is restored and its change added to all of them.

    ``unit``: the restoration unit; ``policy``: from its states to the value of going on; ``horizon``: most steps;
    ``luma``: True for damage that sits in brightness and was trained on it, such as JPEG's. ``looks_for``: the
    policy is only asked about a picture that shows this damage, ``"noise"`` or ``"blocks"``; any other comes back
    as it is, in 0 steps, unless a side is below 32 pixels. None asks it about every picture.

    The reason: a policy learnt on damaged pictures takes a first step on clean ones too, and the unit, trained
    from σ = 25 on, loses 2 dB at σ = 5. Blocks are measured by ``blocking``. Noise is worth a step if Stein's
    unbiased estimate says that X_1 is closer to the clean picture than y: 2σ²(1 − div) > mean (X_1 − y)², with σ
    from ``calm_noise`` and the divergence of y ↦ X_1 by one probe (Ramani, Blu, Unser 2008). σ is never much too
    large, so neither is the gain. On 34 pictures of Train400 no clean one, none of JPEG 95 and none of σ = 5 that
    the step would have made worse was given to it, and all of σ = 10 and 15 were.
    """

    def __init__(
        self,
        unit: RestorationUnit,
        policy: Policy,
        horizon: int | None = None,
        *,
        luma: bool = False,
        looks_for: str | None = None,
    ) -> None:
        if not isinstance(unit, RestorationUnit):
            checks.fail(
                "unit", "a RestorationUnit", type(unit).__name__, "make_unit(shape, seed)", error=TypeError
            )
        if not isinstance(policy, Policy):
            checks.fail("policy", "a Policy", type(policy).__name__, "make_policy(horizon, seed)", error=TypeError)
        most = policy.horizon
        self.unit, self.policy, self.luma = unit.eval(), policy.eval(), luma
        self.looks_for = checks.one_of("looks_for", looks_for, ("noise", "blocks", None))
        self.horizon = most if horizon is None else checks.integer("horizon", horizon, at_least=0, at_most=most)

    @classmethod
    def load(cls, name: str = "gaussian", folder: Path | str = "", *, device: str | torch.device = "cpu") -> DURR:
        """A restorer for ``"gaussian"`` noise or ``"jpeg"`` blocks; weights of this package, or of ``folder``.

        It computes on ``device``, to which it moves every picture; what it returns is on the CPU.

        Raises:
            ValueError: another name, or no such device.
            StoredModelError: the weights are missing or damaged.
        """
        checks.one_of("name", name, tuple(POLICY_OF))
        where = devices.named("device", device)
        policy = load_policy(POLICY_OF[name], folder).policy.to(where)
        unit, luma = load_model(name, folder).model.to(where), name == "jpeg"
        return cls(unit, policy, luma=luma, looks_for="blocks" if luma else "noise")  # type: ignore[arg-type]

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """The next iterate of images ``(n, 1, h, w)`` of any size; convolutions run tile by tile."""
        with torch.inference_mode():
            return x + tiled(lambda both: self.unit(both[:, :1], both[:, 1:]), torch.cat([x, y], 1), TILE, REACH)

    def restore(
        self,
        image: Kind,
        *,
        reference: np.ndarray | Image.Image | None = None,
        steps: int | None = None,
    ) -> Restoration[Kind]:
        """Restore a picture: array (uint8, uint16, or float in [0, 1]; grey, RGB, alpha kept) or PIL image.

        ``reference``: the clean picture, same size; with it all steps are computed, for the curve. ``steps``:
        returns this iterate instead of the choice of the policy, whatever the picture shows.

        Raises:
            TypeError, ValueError: a picture that is empty, has NaN, a wrong range or shape; sizes that differ.
        """
        picture = read_picture(image, "image")
        where = devices.of(self.unit)
        clean = None if reference is None else matching(picture, reference).to(where)
        chosen = None if steps is None else checks.integer("steps", steps, at_least=0, at_most=self.horizon)
        colour = picture.planes.to(where)
        y = brightness(colour) if self.luma and len(colour) == 3 else colour
        damage = first = None
        if chosen is None:
            damage, worth, first = self.look(y, picture.seen)
            chosen = None if worth else 0
        x = previous = restored = y
        values, curve, stopped = [], [], None
        for n in range(self.horizon + 1):
            if clean is not None:
                curve.append(quality(colour + (x - y), clean, picture.seen))
            if stopped is None:
                if chosen is None and n < self.horizon:
                    values.append(self.value(x, y, previous, n))
                if n in (chosen, self.horizon) or (chosen is None and values[n] <= 0):
                    stopped, restored = n, x
                    if clean is None:
                        break
            if n < self.horizon:
                previous, x = x, self.step(x, y) if first is None or n else first
        back = picture.back(colour + (restored - y))
        return Restoration(back, stopped, values, curve or None, damage)  # type: ignore[arg-type]

    def look(self, y: Tensor, seen: np.ndarray | None = None) -> tuple[float | None, bool, Tensor | None]:
        """Of planes ``(n, 1, h, w)``: the damage, whether a first step is worth it, and X_1 if it was needed."""
        if self.looks_for is None or min(y.shape[-2:]) < SMALLEST:
            return None, True, None
        if self.looks_for == "blocks":
            found = max(blocking(plane[None]) for plane in y)
            return found, found >= BLOCKS, None
        levels = calm_noise(y, seen)
        if not levels.any():
            return 0.0, False, None
        first, variance = self.step(y, y), (levels / 255).square()
        change = (first - y).square().mean(dim=(1, 2, 3))
        worth = bool((2 * variance * (1 - DIVERGENCE) - change).sum() > 0)
        if not worth:
            noise = torch.randn(y.shape, generator=generator(0, "divergence")).to(y.device)
            probe = y + PROBE * noise
            divergence = ((self.step(probe, probe) - first) * noise).mean(dim=(1, 2, 3)) / PROBE
            worth = bool((2 * variance * (1 - divergence) - change).sum() > 0)
        return float(levels.max()), worth, first

    def value(self, x: Tensor, y: Tensor, previous: Tensor, n: int) -> float:
        """The policy's v at step ``n``, the mean over the planes ``(n, 1, h, w)``."""
        with torch.inference_mode():
            parts = [
                self.policy(x[i : i + 1], y[i : i + 1], previous[i : i + 1], torch.tensor([n], device=y.device))
                for i in range(len(x))
            ]
        return float(torch.cat(parts).mean())


def matching(picture: PicturePlanes, reference: np.ndarray | Image.Image) -> Tensor:
    """The planes of the clean picture, of the same shape."""
    planes = read_picture(reference, "reference").planes
    hint = "the clean picture, same size and the same colours"
    checks.same_shape("reference", planes, tuple(picture.planes.shape), hint=hint)
    return planes


def brightness(planes: Tensor) -> Tensor:
    """Rec. 601 luma of R, G, B ``(3, 1, h, w)``: ``(1, 1, h, w)``."""
    return (planes * planes.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1, 1)).sum(dim=0, keepdim=True)


def quality(x: Tensor, clean: Tensor, seen: np.ndarray | None = None) -> float:
    """PSNR of the clipped iterate over all planes, where it is ``seen``, in dB; infinite if they are equal."""
    if seen is not None and seen.any():
        mask = torch.from_numpy(seen).to(x.device)
        x, clean = x[..., mask][..., None, :], clean[..., mask][..., None, :]
    return float(psnr(torch.cat(list(x), 1)[:, None], torch.cat(list(clean), 1)[:, None]))
