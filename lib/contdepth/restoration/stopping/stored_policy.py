"""Stored policies: weights, the record of their training, and the unit they were trained for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from contdepth import checks, devices
from contdepth.errors import StoredModelError
from contdepth.restoration.models.stored import checked_folder, load_model
from contdepth.restoration.stopping.bank import BankPlan, make_bank
from contdepth.restoration.stopping.dqn import DQNHistory, DQNPlan, train_dqn
from contdepth.restoration.stopping.policy import PolicyUnit, make_policy
from contdepth.restoration.weights.checksums import SHA256
from contdepth.restoration.weights.storage import checked_bytes, unpacked, write_weights

__all__ = ["PolicyPlan", "StoredPolicy", "TrainedPolicy", "load_policy", "save_policy", "train_policy"]


@dataclass(frozen=True)
class PolicyPlan:
    """A policy for the stored unit ``unit``: learnt by ``dqn`` on the rollouts of ``bank``."""

    unit: str
    bank: BankPlan
    dqn: DQNPlan

    def resolved(self) -> dict[str, Any]:
        """Every setting as plain data."""
        return {"unit": self.unit, "bank": self.bank.resolved(), "dqn": self.dqn.resolved()}


@dataclass(frozen=True)
class StoredPolicy:
    """``policy`` in eval mode and the ``record`` of its training."""

    name: str
    policy: PolicyUnit
    record: dict[str, Any]


@dataclass(frozen=True)
class TrainedPolicy:
    """``policy``, its ``plan`` and curves, CPU ``seconds``, and the ``unit_sha256`` of the unit it is for."""

    policy: PolicyUnit
    plan: PolicyPlan
    history: DQNHistory
    seconds: float
    unit_sha256: str

    def record(self) -> dict[str, Any]:
        """What there is to know of the run, as plain data."""
        names = ("updates", "returns", "stops")
        return {
            "plan": self.plan.resolved(),
            "unit_sha256": self.unit_sha256,
            "horizon": self.policy.horizon,
            "cpu_seconds": round(self.seconds, 1),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            **{name: [round(float(v), 4) for v in getattr(self.history, name)] for name in names},
        }


def train_policy(
    plan: PolicyPlan, folder: Path | str = "", *, device: str | torch.device = "cpu"
) -> TrainedPolicy:
    """The policy of ``plan``, trained from its seed, for the unit of this package or of a ``folder`` of your own.

    It is trained on ``device``; what is drawn is drawn on the CPU.

    Raises:
        ValueError: no such stored unit.
        StoredModelError: its file is missing or damaged.
        DataError: the images cannot be had.
        DivergenceError: the loss is not finite.
    """
    where = devices.named("device", device)
    started, unit = devices.now(where), load_model(plan.unit, folder)
    policy = make_policy(plan.bank.steps, plan.dqn.seed).to(where)
    history = train_dqn(policy, make_bank(unit.model.to(where), plan.bank), plan.dqn)  # type: ignore[arg-type]
    return TrainedPolicy(policy, plan, history, devices.now(where) - started, unit.record["sha256"])


def save_policy(name: str, trained: TrainedPolicy, folder: Path | str) -> Path:
    """Write ``name``.safetensors, weights and record, into ``folder``; its path."""
    return write_weights(Path(folder) / f"{name}.safetensors", trained.policy, "policy", trained.record())


def load_policy(name: str, folder: Path | str = "") -> StoredPolicy:
    """A policy that comes with this package, or ``name``.safetensors of a ``folder`` of your own.

    It fits the unit it was trained for and no other; the unit is looked for in the same place.

    Raises:
        ValueError: no such name in this package.
        StoredModelError: missing or damaged, or the stored unit is not the one it was trained for.
    """
    checked_folder(folder)
    if not folder:
        checks.one_of("name", name, tuple(n for n in SHA256 if n.startswith("policy-")))
    place = Path(folder) if folder else Path(str(files("contdepth.restoration.weights")))
    path = place / f"{name}.safetensors"
    content, found = checked_bytes(path, None if folder else SHA256[name])
    try:
        record, tensors = unpacked(content, "policy")
        policy = make_policy(record["horizon"], 0)
        policy.load_state_dict(tensors)
        unit = record["plan"]["unit"]
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as reason:
        raise StoredModelError(
            f"{path}: expected a policy with the record of its training, found {type(reason).__name__}: {reason}"
        ) from reason
    _, present = checked_bytes(place / f"{unit}.safetensors", None)
    if record["unit_sha256"] != present:
        raise StoredModelError(
            f"{path}: expected a policy trained for the unit {unit!r} beside it, found one for other weights; "
            "train it again"
        )
    return StoredPolicy(name, policy.eval(), {**record, "sha256": found})
