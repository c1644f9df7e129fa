"""Denoisers side by side: images × noise levels × methods on one draw of the noise, with what each costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.parallel import run_all
from contdepth.restoration import classical
from contdepth.restoration.metrics import grey, psnr
from contdepth.restoration.models.stored import StoredModel
from contdepth.restoration.models.unit import RestorationUnit, trajectory
from contdepth.restoration.stopping.rules import by_noise_level
from contdepth.studies.durr.curves import best_step, noisy_copies

__all__ = ["CLASSICS", "Contest", "contest", "unit_by_noise_level"]


class Denoiser(Protocol):
    """A method that is told the noise level in grey levels of 255: ``(n, 1, h, w)`` in and out."""

    def __call__(self, noisy: Tensor, level: float | Tensor) -> Tensor: ...


CLASSICS: dict[str, Denoiser] = {
    "BM3D": classical.bm3d,
    "NLM": classical.nlm,
    "TV": classical.tv,
    "wavelet": classical.wavelet,
}
"""Methods that are told the noise level; the unit and the networks are not."""


@dataclass(frozen=True)
class Contest:
    """What ``contest`` found; L levels, m images, N steps.

    ``levels``: as asked; ``psnr``: method → dB of the clipped result, ``(L, m)`` float64, NaN where a network was
    not trained for the level; ``seconds``: method → CPU seconds of the process, ``(L, m)``; ``rule``: the step at
    which the noise estimate stops the unit, int64 ``(L, m)``; ``curves``: PSNR of X_0 … X_N, ``(L, N + 1, m)``;
    ``kept``: (level index, image index) → method → the unclipped result ``(1, 1, h, w)``, with ``"noisy"``.
    """

    levels: tuple[float, ...]
    psnr: dict[str, Tensor]
    seconds: dict[str, Tensor]
    rule: Tensor
    curves: Tensor
    kept: dict[tuple[int, int], dict[str, Tensor]]

    @property
    def best(self) -> Tensor:
        """PSNR of the unit at each level's best step over all images, ``(L, m)``: it needs the clean images."""
        return self.curves[torch.arange(len(self.levels)), best_step(self.curves)]

    def gap(self, method: str, other: str = "BM3D") -> Tensor:
        """PSNR of ``method`` minus that of ``other`` in dB, image by image: ``(L, m)``."""
        for argument, name in (("method", method), ("other", other)):
            checks.one_of(argument, name, tuple(self.psnr))
        return self.psnr[method] - self.psnr[other]


def contest(
    unit: RestorationUnit,
    clean: Tensor,
    levels: Sequence[float],
    *,
    classics: Sequence[str] = tuple(CLASSICS),
    networks: Mapping[str, StoredModel | nn.Module] | None = None,
    steps: int = 10,
    seed: int = 0,
    keep: Sequence[tuple[int, int]] = (),
    workers: int = 1,
) -> Contest:
    """Every method on every image at every level, one job for each image and level.

    ``clean``: ``(m, 1, h, w)``; noise by ``noisy_copies``, so that one draw serves all levels and methods;
    ``networks``: name → stored model, run at the levels it was trained for, or a network, run at all of them;
    ``steps``: N; ``keep``: (level index, image index) pairs whose results are wanted as images. The unit (method
    ``"unit"``) is stopped by the estimated noise level. CPU seconds are comparable within one call only, and if
    PyTorch has one thread.

    Raises:
        ImportError: BM3D is asked for and not installed.
        TypeError, ValueError: a bad argument, as the methods say.
    """
    for name in classics:
        checks.one_of("classics", name, tuple(CLASSICS))
    if not len(levels):
        checks.fail("levels", "at least one noise level", "none")
    checks.integer("steps", steps, at_least=1)
    noisy, known = noisy_copies(clean, levels, seed), dict(networks or {})
    places = [(row, image) for row in range(len(levels)) for image in range(len(clean))]
    for pair in keep:
        checks.one_of("keep", tuple(pair), tuple(places))
    jobs = [
        {
            "unit": unit,
            "clean": clean[image : image + 1],
            "noisy": noisy[row, image : image + 1],
            "level": float(levels[row]),
            "classics": tuple(classics),
            "networks": at_level(known, float(levels[row])),
            "steps": steps,
            "keep": (row, image) in set(map(tuple, keep)),
        }
        for row, image in places
    ]
    found = run_all(entry, jobs, workers)
    names, shape = ("unit", *classics, *known), (len(levels), len(clean))
    curves = torch.stack([one["curve"] for one in found]).view(*shape, steps + 1).transpose(1, 2)
    return Contest(
        tuple(map(float, levels)),
        {name: table(found, "psnr", name, shape).to(clean.device) for name in names},
        {name: table(found, "seconds", name, shape).to(clean.device) for name in names},
        torch.tensor([one["rule"] for one in found], device=clean.device).view(shape),
        curves,
        {place: one["images"] for place, one in zip(places, found, strict=True) if one["images"]},
    )


def at_level(networks: Mapping[str, StoredModel | nn.Module], level: float) -> dict[str, nn.Module]:
    """Those of ``networks`` that take part at noise level ``level``."""
    found = {}
    for name, network in networks.items():
        if isinstance(network, nn.Module):
            found[name] = network
        elif level in map(float, network.plan.levels):
            found[name] = network.model
    return found


def unit_by_noise_level(unit: RestorationUnit, noisy: Tensor, steps: int) -> tuple[Tensor, int]:
    """The iterate at which the estimated noise level stops the ``unit``, and its number; ``(1, 1, h, w)``.

    Estimating is part of it, so that its time is the time of a method that is told nothing.
    """
    checks.same_shape("noisy", grey("noisy", noisy), (1, 1, *noisy.shape[-2:]), hint="one image")
    chosen = int(by_noise_level(classical.noise_level(noisy), steps))
    x = noisy
    with torch.inference_mode():
        for _ in range(chosen):
            x = unit.step(x, noisy)
    return x, chosen


def entry(
    unit: RestorationUnit,
    clean: Tensor,
    noisy: Tensor,
    level: float,
    classics: Sequence[str],
    networks: Mapping[str, nn.Module],
    steps: int,
    keep: bool,
) -> dict[str, Any]:
    """One image at one level: PSNR and seconds by method, the rule's step, and the unit's whole curve."""
    results, seconds = {}, {}
    small = noisy[..., :32, :32]
    with torch.inference_mode():  # what is imported at the first call is not the method's time
        unit_by_noise_level(unit, small, steps)
        for name in classics:
            CLASSICS[name](small, level)
        for network in networks.values():
            network(small)

    def timed(name: str, restore: Callable[[], Any]) -> Any:
        clock = devices.now(noisy.device)
        with torch.inference_mode():
            result = restore()
        seconds[name] = devices.now(noisy.device) - clock
        return result

    curve = psnr(trajectory(unit, noisy, steps), clean)[:, 0]
    results["unit"], rule = timed("unit", lambda: unit_by_noise_level(unit, noisy, steps))
    for name in classics:
        results[name] = timed(name, partial(CLASSICS[name], noisy, level))
    for name, network in networks.items():
        results[name] = timed(name, partial(network, noisy))
    return {
        "psnr": {name: float(psnr(image, clean)) for name, image in results.items()},
        "seconds": seconds,
        "rule": rule,
        "curve": curve,
        "images": {"noisy": noisy, **{n: image.clone() for n, image in results.items()}} if keep else {},
    }


def table(found: Sequence[Mapping[str, Any]], what: str, name: str, shape: tuple[int, int]) -> Tensor:
    """One method's numbers as ``(L, m)`` float64, NaN where it did not run."""
    values = [one[what].get(name, float("nan")) for one in found]
    return torch.tensor(values, dtype=torch.float64).view(shape)
