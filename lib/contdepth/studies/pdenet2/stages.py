"""PDE-Net 2.0 trained stage by stage with a state that is kept: the authors' budget in sittings of minutes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from torch import Tensor

from contdepth import checks
from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.pdenet2.optimise import Minimised
from contdepth.pde.pdenet2.pdenet2 import PDENet2
from contdepth.training.checkpoint import checksum, identity_of, load_checkpoint, save_checkpoint

__all__ = ["SittingPDENet2"]


class SittingPDENet2(PDENet2):
    """A ``PDENet2`` that can stop and go on: ``resuming`` says where its state is kept and how often.

    Every ``sitting`` iterations the optimiser begins anew. A stage ends after its iterations, or with the sitting
    in which the optimiser stopped by itself.

    Attributes:
        states_: parameters after the warm-up and after each stage.
    """

    folder: Path | None = None
    sitting = 500

    def resuming(self, folder: Path | str | None, sitting: int) -> SittingPDENet2:
        """Keep the state in ``folder`` after every ``sitting`` iterations; itself."""
        self.folder = None if folder is None else Path(folder)
        self.sitting = checks.integer("sitting", sitting, at_least=1)
        return self

    def _fit(self, data: Trajectories) -> None:
        self.states_: list[dict[str, Tensor]] = []
        self._kept: dict[str, Any] = {"states": [], "losses": [], "block": None, "done": 0}
        super()._fit(data)

    def _stage(self, data: Trajectories, blocks: int, weight: Tensor) -> None:
        path = None if self.folder is None else self.folder / "stages.pt"
        settings = {key: value for key, value in self.parameters().items() if key != "device"}
        run = identity_of(
            self.block_,
            data=[checksum(data.values), checksum(data.present)],
            settings=repr([settings, self.sitting]),
        )
        if not self.stages_:
            self._kept = (None if path is None else load_checkpoint(path, run)) or {**self._kept, "states": []}
        number = len(self.stages_)
        if number < len(self._kept["states"]):
            self.stages_.append((blocks, Minimised(tuple(self._kept["losses"][number]))))
            self.states_.append(self._kept["states"][number])
            self.block_.load_state_dict(self._kept["states"][number])
            return
        if self._kept["block"] is not None:
            self.block_.load_state_dict(self._kept["block"])
        self.states_.append(self._sittings(data, blocks, weight, path, run))
        self.stages_.append((blocks, Minimised(tuple(self._kept["losses"][-1]))))

    def _sittings(
        self, data: Trajectories, blocks: int, weight: Tensor, path: Path | None, run: dict[str, Any]
    ) -> dict[str, Tensor]:
        """Train what is left of a stage; the parameters at its end."""
        kept, whole = self._kept, self.iterations
        wanted = whole[min(blocks, 1)]
        while True:
            length = min(self.sitting, wanted - kept["done"])
            self.iterations = (length, length)
            try:
                super()._stage(data, blocks, weight)
            finally:
                self.iterations = whole
            _, found = self.stages_.pop()
            if kept["done"] == 0:
                kept["losses"].append([])
            kept["losses"][-1] += found.losses
            kept["done"] += length
            kept["block"] = {
                name: value.detach().cpu().clone() for name, value in self.block_.state_dict().items()
            }
            ended = kept["done"] >= wanted or len(found.losses) <= length
            if ended:
                kept["states"].append(kept["block"])
                kept["done"] = 0
            if path is not None:
                save_checkpoint(path, run, kept)
            if ended:
                return kept["block"]

    def at(self, stage: int) -> SittingPDENet2:
        """The estimator as it was after stage number ``stage`` (0 is the warm-up), a separate copy."""
        self._require_fit()
        checks.integer("stage", stage, at_least=0, at_most=len(self.states_) - 1)
        other = copy.copy(self)
        other._terms = None
        other.block_ = copy.deepcopy(self.block_)
        other.block_.load_state_dict(self.states_[stage])
        return other
