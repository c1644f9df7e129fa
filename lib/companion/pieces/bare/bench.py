"""The pieces of a bundle on this machine: which are done, which can be begun, and where everything lies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from companion.errors import CompanionError, RunError
from companion.pieces.bare.manifest import Manifest, Task, part_folder
from companion.pieces.files import write_whole
from companion.pieces.piece import SHORT
from companion.pieces.receipts import read_receipt

__all__ = ["Bench"]


class Bench:
    """Parts of a bundle beside one another in ``folder``; what is computed lies in ``kept``.

    Raises :class:`CompanionError` where a part that is here is not whole.
    """

    def __init__(self, manifest: Manifest, folder: Path, kept: Path) -> None:
        self.manifest, self.folder, self.kept = manifest, folder, kept
        self._done: set[str] = set()
        numbers = range(1, manifest.parts + 1)
        self.here = {number for number in numbers if (folder / part_folder(number)).is_dir()}
        damaged = manifest.damaged(folder, self.here)
        if damaged:
            raise CompanionError(damaged)
        for name in ("data", "cache", "done", "given", "out", "work"):
            (kept / name).mkdir(parents=True, exist_ok=True)
        self._unpack()

    def done(self, task: Task) -> bool:
        """Tell whether a piece is done."""
        if task.key not in self._done and self.receipt(task.key) is not None:
            self._done.add(task.key)
        return task.key in self._done

    def receipt(self, key: str) -> Path | None:
        """Return the valid receipt of the piece with this key, made here or brought along."""
        for folder in ("done", "given"):
            path = self.kept / folder / f"{key[:SHORT]}.json"
            try:
                read_receipt(path, key)
                return path
            except RunError:
                continue
        return None

    def waits_for(self, task: Task) -> list[str]:
        """Return the parts that a piece's data are in and that were never here."""
        missing = [self.manifest.files[name] for name in task.data if not self._whole(name)]
        return [part_folder(number) for number in sorted({file.part for file in missing})]

    def ready(self, task: Task) -> bool:
        """Tell whether a piece can be begun."""
        return not self.waits_for(task) and all(self.receipt(key) for key in (task.needs or {}).values())

    def begun(self) -> list[Path]:
        """Return the folders of pieces that go on where they were stopped."""
        unfinished = {task.key[:SHORT] for task in self.manifest.tasks if not self.done(task)}
        return sorted(path for path in (self.kept / "work").iterdir() if path.name in unfinished)

    def job(self, task: Task, device: str, threads: int, seconds: float) -> dict[str, Any]:
        """Return what the process of a piece is told."""
        name = task.key[:SHORT]
        needs = {need: {"key": key, "receipt": str(self.receipt(key))} for need, key in (task.needs or {}).items()}
        return {
            **task.job,
            "needs": needs,
            "device": device,
            "threads": threads,
            "seconds": seconds,
            "folder": str(self.kept / "out" / name),
            "work": str(self.kept / "work" / name),
            "library": [str(self.folder / part_folder(1) / "code")],
            "module": "companion.pieces.bare.child",
        }

    def keep(self, task: Task) -> None:
        """Move what a finished process left to its place, weights first."""
        name = task.key[:SHORT]
        out = self.kept / "out" / name
        receipt = read_receipt(out / "receipt.json", task.key, out / "weights.safetensors")
        if receipt.weights_file is not None:
            write_whole(self.kept / "done" / f"{name}.safetensors", receipt.weights_file.read_bytes())
        write_whole(self.kept / "done" / f"{name}.json", (out / "receipt.json").read_bytes())
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(self.kept / "work" / name, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """Return where the library looks for data, and where it keeps what it decodes."""
        return {"CONTDEPTH_DATA": str(self.kept / "data"), "CONTDEPTH_CACHE": str(self.kept / "cache")}

    def _whole(self, name: str) -> bool:
        """Tell whether a file of data or of results is in its place."""
        path = self.kept / name
        return path.is_file() and path.stat().st_size == self.manifest.files[name].bytes

    def _unpack(self) -> None:
        """Put data, receipts and checkpoints of the parts that are here to their places."""
        begun = set()
        for name, file in self.manifest.files.items():
            room, _, place = name.partition("/")
            if file.part not in self.here:
                continue
            if room in ("data", "given") and not self._whole(name):
                _placed(self.folder / part_folder(file.part) / name, self.kept / name, linked=room == "data")
            elif room == "begun":
                begun.add(place.partition("/")[0])
        for short in begun:
            target = self.kept / "work" / short
            if not target.is_dir() and not (self.kept / "done" / f"{short}.json").is_file():
                scratch = target.with_name(f".{short}.part")
                shutil.rmtree(scratch, ignore_errors=True)
                shutil.copytree(self.folder / part_folder(1) / "begun" / short, scratch)
                scratch.rename(target)


def _placed(source: Path, target: Path, *, linked: bool) -> None:
    """Put a file to another place, by a link where that works and it is never written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if linked:
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
            return
        except OSError:
            pass
    write_whole(target, source.read_bytes())
