"""DURR put together: a restoration unit, a policy that stops it, and a user's own picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from contdepth import checks
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.stored import load_model
from contdepth.restoration.models.unit import RestorationUnit
from contdepth.restoration.picture import PicturePlanes, read_picture
from contdepth.restoration.stopping.policy import Policy
from contdepth.restoration.stopping.stored_policy import load_policy
from contdepth.restoration.tiling import tiled

__all__ = ["DURR", "Restoration"]

Kind = TypeVar("Kind", np.ndarray, Image.Image)
POLICY_OF = {"gaussian": "policy-gaussian", "jpeg": "policy-jpeg"}
REACH = 28  # pixels that one step of the largest unit looks away, rounded up to a multiple of its stride
TILE = 512


@dataclass(frozen=True)
class Restoration(Generic[Kind]):
    """``image``: of the kind that came in; ``steps``: which iterate it is; ``values``: what the policy said.

    v_n above zero continues; the list ends with the value that stopped, or at the horizon; it is empty if the
    caller chose the number of steps. ``psnr``: of the clipped iterates X_0 … X_horizon in dB against the
    reference, over all colours, or None without one.
    """

    image: Kind
    steps: int
    values: list[float]
    psnr: list[float] | None = None


class DURR:
    """The dynamically unfolding recurrent restorer (Zhang et al. 2019, arXiv 1805.07709).

    X_n = X_{n−1} + g(X_{n−1}, y; w), X_0 = y, until the policy prefers to stop, which it decides from what it
    sees. Departure: colours are restored plane by plane, with one stopping time for all, from the mean of the
    planes' values; or, with ``luma``, their brightness alone is restored and its change added to all of them.

    ``unit``: the restoration unit; ``policy``: from its states to the value of going on; ``horizon``: most steps;
    ``luma``: True for damage that sits in brightness and was trained on it, such as JPEG's.
    """

    def __init__(
        self, unit: RestorationUnit, policy: Policy, horizon: int | None = None, *, luma: bool = False
    ) -> None:
        if not isinstance(unit, RestorationUnit):
            checks.fail(
                "unit", "a RestorationUnit", type(unit).__name__, "make_unit(shape, seed)", error=TypeError
            )
        if not isinstance(policy, Policy):
            checks.fail("policy", "a Policy", type(policy).__name__, "make_policy(horizon, seed)", error=TypeError)
        most = policy.horizon
        self.unit, self.policy, self.luma = unit.eval(), policy.eval(), luma
        self.horizon = most if horizon is None else checks.integer("horizon", horizon, at_least=0, at_most=most)

    @classmethod
    def load(cls, name: str = "gaussian", folder: Path | str = "") -> DURR:
        """A restorer for ``"gaussian"`` noise or ``"jpeg"`` blocks; weights of this package, or of ``folder``.

        Raises:
            ValueError: another name.
            StoredModelError: the weights are missing or damaged.
        """
        checks.one_of("name", name, tuple(POLICY_OF))
        policy = load_policy(POLICY_OF[name], folder).policy
        return cls(load_model(name, folder).model, policy, luma=name == "jpeg")  # type: ignore[arg-type]

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
        returns this iterate instead of the policy's choice.

        Raises:
            TypeError, ValueError: a picture that is empty, has NaN, a wrong range or shape; sizes that differ.
        """
        picture = read_picture(image, "image")
        clean = None if reference is None else matching(picture, reference)
        chosen = None if steps is None else checks.integer("steps", steps, at_least=0, at_most=self.horizon)
        colour = picture.planes
        y = brightness(colour) if self.luma and len(colour) == 3 else colour
        x = previous = restored = y
        values, curve, stopped = [], [], None
        for n in range(self.horizon + 1):
            if clean is not None:
                curve.append(quality(colour + (x - y), clean))
            if stopped is None:
                if chosen is None and n < self.horizon:
                    values.append(self.value(x, y, previous, n))
                if n in (chosen, self.horizon) or (chosen is None and values[n] <= 0):
                    stopped, restored = n, x
                    if clean is None:
                        break
            if n < self.horizon:
                previous, x = x, self.step(x, y)
        return Restoration(picture.back(colour + (restored - y)), stopped, values, curve or None)  # type: ignore[arg-type]

    def value(self, x: Tensor, y: Tensor, previous: Tensor, n: int) -> float:
        """The policy's v at step ``n``, the mean over the planes ``(n, 1, h, w)``."""
        with torch.inference_mode():
            parts = [
                self.policy(x[i : i + 1], y[i : i + 1], previous[i : i + 1], torch.tensor([n]))
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


def quality(x: Tensor, clean: Tensor) -> float:
    """PSNR of the clipped iterate over all planes, in dB; infinite where it is the reference."""
    return float(psnr(torch.cat(list(x), 1)[:, None], torch.cat(list(clean), 1)[:, None]))
