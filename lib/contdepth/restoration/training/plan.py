"""What a restoration training is: model, degradation, levels, schedule and optimiser, all of it plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from contdepth import checks
from contdepth.restoration.models.dncnn import DnCNNShape, make_dncnn
from contdepth.restoration.models.tnrd import TNRDShape, make_tnrd
from contdepth.restoration.models.unit import UnitShape, make_unit
from contdepth.restoration.training.schedule import LoopSchedule

__all__ = ["TrainingPlan", "make_model"]

Shape = UnitShape | DnCNNShape | TNRDShape
KINDS = {UnitShape: "unit", DnCNNShape: "dncnn", TNRDShape: "tnrd"}


@dataclass(frozen=True)
class TrainingPlan:
    """One training run.

    ``shape``: of a unit, a DnCNN or a TNRD. ``degradation``: ``"gaussian"`` (``levels`` are σ in grey levels of
    255) or ``"jpeg"`` (``levels`` are qualities). Every batch holds ``batch`` patches of ``patch`` pixels squared,
    as many of each level. ``schedule``: loops by level (units only). Adam with a warm-up to
    ``rate`` over 100 steps (a tenth of a short run), then a cosine to zero after ``iterations`` steps;
    gradients are cut at norm ``clip``. ``precision``: of the forward pass, ``"fp32"`` or ``"bf16"`` (autocast;
    iterates, loss and weights stay float32).

    The loss is −PSNR: the mean over the levels of log(mean squared error of the level's patches). Departure: the
    paper's L is not known to us beyond "a loss"; this one gives each level the same weight and is close to
    the L of the policy's reward, which clips and is per image.

    Raises:
        TypeError, ValueError: a value out of range, loops that do not fit the levels, a batch they do not divide.
    """

    shape: Shape
    degradation: str = "gaussian"
    levels: tuple[float, ...] = (25, 35, 45, 55)
    schedule: LoopSchedule | None = None
    iterations: int = 2500
    batch: int = 16
    patch: int = 48
    rate: float = 2e-3
    clip: float = 5.0
    precision: str = "bf16"
    data: str = "train400"
    seed: int = 0

    def __post_init__(self) -> None:
        if type(self.shape) not in KINDS:
            checks.fail(
                "shape", "a UnitShape, DnCNNShape or TNRDShape", type(self.shape).__name__, error=TypeError
            )
        checks.one_of("degradation", self.degradation, ("gaussian", "jpeg"))
        if not self.levels:
            checks.fail("levels", "at least one level", "none")
        for level in self.levels:
            if self.degradation == "jpeg":
                checks.integer("levels", level, at_least=1, at_most=100)
            else:
                checks.real("levels", level, above=0)
        if (self.schedule is None) == isinstance(self.shape, UnitShape):
            checks.fail("schedule", "a schedule for a unit and none for other models", self.schedule)
        if self.schedule is not None and len(self.schedule.loops) != len(self.levels):
            checks.fail("schedule", f"loops for {len(self.levels)} levels", self.schedule.loops)
        for name in ("iterations", "batch", "patch"):
            checks.integer(name, getattr(self, name), at_least=1)
        if self.batch % len(self.levels):
            checks.fail("batch", f"a multiple of {len(self.levels)}, the number of levels", self.batch)
        if self.patch % 8:
            checks.fail("patch", "a multiple of 8", self.patch)
        checks.real("rate", self.rate, above=0)
        checks.real("clip", self.clip, above=0)
        checks.one_of("precision", self.precision, ("fp32", "bf16"))
        checks.one_of("data", self.data, ("train400", "photos"))
        checks.integer("seed", self.seed, at_least=0)

    @property
    def kind(self) -> str:
        """``"unit"``, ``"dncnn"`` or ``"tnrd"``."""
        return KINDS[type(self.shape)]

    def resolved(self) -> dict[str, Any]:
        """All settings as plain data."""
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_resolved(cls, settings: dict[str, Any]) -> TrainingPlan:
        """The plan whose ``resolved()`` is ``settings``, also after a way through JSON.

        Raises:
            TypeError, ValueError: unknown or missing settings.
        """
        rest = dict(settings)
        kinds = {name: shape for shape, name in KINDS.items()}
        kind = checks.one_of("kind", rest.pop("kind", None), tuple(kinds))
        shape = kinds[kind](**rest.pop("shape"))
        schedule = rest.pop("schedule")
        if schedule is not None:
            schedule = LoopSchedule(**{**schedule, "loops": tuple(schedule["loops"])})
        return cls(shape=shape, schedule=schedule, levels=tuple(rest.pop("levels")), **rest)


def make_model(plan: TrainingPlan) -> nn.Module:
    """The untrained model of a plan; its weights depend on the plan's seed alone."""
    if plan.kind == "unit":
        return make_unit(plan.shape, plan.seed)  # type: ignore[arg-type]
    return make_dncnn(plan.shape, plan.seed) if plan.kind == "dncnn" else make_tnrd(plan.shape)  # type: ignore[arg-type]
