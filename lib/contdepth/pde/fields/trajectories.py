"""Observed fields on a regular grid: from a user's arrays to trajectories and on to training windows.

Axis order outside is PySINDy's, ``(*space, time)`` or ``(*space, time, fields)``; inside it is
``(N, T, F, *space)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from contdepth import checks, devices
from contdepth.pde.fields.grids import as_real, checked_names, checked_spacing, frame_times, split_axes

if TYPE_CHECKING:
    from contdepth.pde.fields.grids import Array, Times

__all__ = [
    "Trajectories",
    "frames_sample",
    "require_change",
    "require_grid",
    "require_range",
    "trajectories",
    "windows",
]


@dataclass(frozen=True)
class Trajectories:
    """``N`` observed trajectories of ``F`` fields on one grid.

    Args:
        values: float64 tensor ``(N, T, F, *space)``; 1 to 3 space dimensions. Missing frames hold zeros.
        dt: time between frames, > 0.
        dx: grid spacing for every space dimension; a number serves all of them.
        names: field names; ``("u",)``, ``("u", "v")``, … by default.
        present: bool ``(N, T)``, a tensor, array or nested list, False for a missing frame; all True by
            default.

    Raises:
        TypeError, ValueError: shapes disagree, a present frame is not finite, a spacing is not positive.
    """

    values: torch.Tensor
    dt: float
    dx: tuple[float, ...]
    names: tuple[str, ...] = ()
    present: torch.Tensor = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        values = checks.tensor("values", self.values, hint="axes (trajectories, time, fields, *space)")
        if values.ndim not in (4, 5, 6) or values.is_complex():
            checks.fail(
                "values",
                "a real tensor (trajectories, time, fields, *space) with 1 to 3 space axes",
                f"shape {tuple(values.shape)}, {values.dtype}",
            )
        values = values.detach().to(torch.float64)
        present = self.present
        if present is None:
            present = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        try:
            present = torch.as_tensor(present, device=values.device)
        except (TypeError, ValueError, RuntimeError):
            checks.fail(
                "present",
                "booleans (trajectories, time)",
                type(self.present).__name__,
                "one entry per frame",
                error=TypeError,
            )
        checks.same_shape("present", present, tuple(values.shape[:2]), hint="one entry per frame")
        present = present.to(torch.bool)
        gap = present.reshape(*present.shape, *[1] * (values.ndim - 2))
        values = torch.where(gap, values, values.new_zeros(()))
        checks.finite("values", values, hint="mark missing frames in present")
        set_ = object.__setattr__
        set_(self, "values", values)
        set_(self, "present", present)
        set_(self, "dt", checks.real("dt", self.dt, above=0, at_most=1e100))
        set_(self, "dx", checked_spacing(self.dx, values.ndim - 3))
        set_(self, "names", checked_names(self.names if len(self.names) else None, values.shape[2]))
        most = int(present.sum(1).max()) if present.numel() else 0
        if most < 2:
            checks.fail("u", "at least two frames in one trajectory", most)

    @property
    def dim(self) -> int:
        """Number of space dimensions, 1 to 3."""
        return self.values.ndim - 3

    @property
    def grid(self) -> tuple[int, ...]:
        """Points along every space axis."""
        return tuple(self.values.shape[3:])

    def to(self, device: str | torch.device) -> Trajectories:
        """The same trajectories on ``device``."""
        where = devices.named("device", device)
        if where == self.values.device:
            return self
        return replace(self, values=self.values.to(where), present=self.present.to(where))

    def segments(self, least: int = 2) -> list[torch.Tensor]:
        """Runs of consecutive present frames of at least ``least`` frames, each ``(T_i, F, *space)``."""
        checks.integer("least", least, at_least=1)
        runs = []
        for values, present in zip(self.values, self.present, strict=True):
            edges = torch.diff(torch.nn.functional.pad(present.to(torch.int8), (1, 1)))
            starts, ends = ((edges == sign).nonzero()[:, 0].tolist() for sign in (1, -1))
            runs += [values[a:b] for a, b in zip(starts, ends, strict=True) if b - a >= least]
        return runs


def trajectories(
    u: Array | Sequence[Array],
    *,
    dt: float | None = None,
    t: Times | Sequence[Times] | None = None,
    dx: float | Sequence[float] | Array,
    names: Sequence[str] | None = None,
) -> Trajectories:
    """Check arrays in PySINDy's axis order and bring them into the form the estimators use.

    Args:
        u: array or tensor ``(*space, time)`` for one field or ``(*space, time, fields)``, or a list of such,
            whose lengths in time may differ. Integers are converted. A frame that is all NaN is missing,
            masked entries are NaN.
        dt: time between frames; may be left out if ``t`` is given.
        t: times ``(T,)`` of the frames, or a list with one such array per trajectory. They increase by whole
            multiples of ``dt`` (of the smallest step by default); skipped multiples are missing frames.
        dx: grid spacing, one number per space dimension; its length says how many there are. A plain number
            is one dimension; an array with more than two axes then needs ``names``, or ``dx`` as a tuple.
        names: field names, one string for one field; ``u``, or ``u, v, w`` by default.

    Returns:
        Trajectories: padded at the end with missing frames to the longest one.

    Raises:
        TypeError, ValueError: one sentence with argument, expectation, finding and mostly a hint.
    """
    many = isinstance(u, list | tuple)
    items = list(u) if many else [u]
    if not items:
        checks.fail("u", "at least one trajectory", "an empty list")
    scalar, dx = np.ndim(dx) == 0, checked_spacing(dx)
    names = (names,) if isinstance(names, str) else names
    several = isinstance(t, list | tuple) and len(t) > 0 and np.ndim(t[0]) == 1
    times: list[Any] = list(t) if many and several else [t] * len(items)  # type: ignore[arg-type]
    if len(times) != len(items):
        checks.fail("t", f"{len(items)} arrays, one per trajectory", len(times))
    arrays = []
    for index, item in enumerate(items):
        label = f"u[{index}]" if many else "u"
        array = as_real(label, item)
        if scalar and array.ndim > 2 and names is None:
            checks.fail(
                "dx",
                f"one spacing per space dimension for shape {array.shape}",
                f"{dx[0]:g}",
                f"two dimensions: dx=({dx[0]:g}, {dx[0]:g}); one with several fields: give names",
            )
        arrays.append(split_axes(label, array, len(dx), times[index], names))
        if arrays[-1].shape[1:] != arrays[0].shape[1:]:
            checks.fail(
                label,
                f"fields and space {arrays[0].shape[1:]} as in u[0]",
                arrays[-1].shape[1:],
                "all trajectories share one grid",
            )
    dt, positions = frame_times([len(a) for a in arrays], times, dt)
    length = max(int(p[-1]) + 1 for p in positions)
    values = np.full((len(arrays), length, *arrays[0].shape[1:]), np.nan)
    for index, (array, position) in enumerate(zip(arrays, positions, strict=True)):
        values[index, position] = array
    flat = values.reshape(*values.shape[:2], -1)
    present = ~np.isnan(flat).all(-1)
    bad = present[..., None] & ~np.isfinite(flat)  # type: ignore[index]
    if bad.any():
        n, frame = (int(i) for i in np.argwhere(bad)[0][:2])
        checks.fail(
            f"u[{n}]" if many else "u",
            "finite values",
            f"{flat[n, frame][bad[n, frame]][0]} in frame {frame}",
            "a missing frame is NaN in every point and field",
        )
    return Trajectories(torch.from_numpy(values), dt, dx, tuple(names or ()), torch.from_numpy(present))


def require_grid(data: Trajectories, size: int) -> None:
    """Raise ``ValueError`` if a space axis has fewer points than a filter of ``size`` points."""
    if min(data.grid) < size:
        checks.fail(
            "u",
            f"at least {size} grid points per space axis for filters of size {size}",
            data.grid,
            "take a smaller filter or a finer grid",
        )


def require_range(data: Trajectories) -> None:
    """Raise ``ValueError`` if a field is so large or so small that squares of its values leave float64."""
    largest = data.values.abs().transpose(1, 2).transpose(0, 1).flatten(1).amax(1).tolist()
    for name, size in zip(data.names, largest, strict=True):
        if size and not 1e-100 < size < 1e100:
            checks.fail(
                "u",
                f"values of {name} from 1e-100 to 1e100, whose squares are numbers",
                f"{size:.3g}",
                "measure them in another unit",
            )


def require_change(data: Trajectories) -> None:
    """Raise ``ValueError`` if all frames of every trajectory are the same."""
    if all(bool((u[p] == u[p][:1]).all()) for u, p in zip(data.values, data.present, strict=True)):
        found = "the same frame throughout"
        checks.fail("u", "fields that change in time", found, "axes are (*space, time) or (*space, time, fields)")


def frames_sample(data: Trajectories, at_most: int = 32) -> torch.Tensor:
    """At most that many of the present frames, spread evenly over all: ``(M, F, *space)``."""
    places = data.present.nonzero()
    if len(places) > at_most:
        places = places[torch.linspace(0, len(places) - 1, at_most).round().long()]
    return data.values[places[:, 0], places[:, 1]]


def windows(
    data: Trajectories, blocks: int, *, stride: int = 1, at_most: int | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cut training windows: a present start frame and the ``blocks`` frames after it.

    Args:
        data: the trajectories.
        blocks: steps in a window, >= 1.
        stride: distance between starts within a trajectory.
        at_most: keep that many windows, evenly spread over all.

    Returns:
        tuple: starts ``(M, F, *space)``, targets ``(M, blocks, F, *space)``, mask ``(M, blocks)``, False
            where the target frame is missing (it holds zeros then). No window reaches beyond the last present
            frame of its trajectory, and every one has at least one target.

    Raises:
        ValueError: no trajectory is long enough.
    """
    checks.instance("data", data, Trajectories)
    checks.integer("blocks", blocks, at_least=1)
    checks.integer("stride", stride, at_least=1)
    found = []
    for n, present in enumerate(data.present.cpu()):
        last = int(present.nonzero()[-1]) if bool(present.any()) else -1
        found += [
            (n, s)
            for s in range(0, last - blocks + 1, stride)
            if present[s] and bool(present[s + 1 : s + 1 + blocks].any())
        ]
    if not found:
        checks.fail(
            "u",
            f"a trajectory with at least {blocks + 1} frames for {blocks} blocks",
            f"at most {int(data.present.sum(1).max())} present frames",
            "use fewer blocks",
        )
    if at_most is not None and checks.integer("at_most", at_most, at_least=1) < len(found):
        found = [found[i] for i in np.linspace(0, len(found) - 1, at_most).round().astype(int)]
    n, s = torch.tensor(found).T
    later = s[:, None] + torch.arange(1, blocks + 1)
    return data.values[n, s], data.values[n[:, None], later], data.present[n[:, None], later]
