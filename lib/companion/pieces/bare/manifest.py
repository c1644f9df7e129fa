"""What a bundle says of itself: its files with their digests, and the pieces that it can do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from companion.errors import CompanionError

__all__ = ["MANIFEST", "File", "Manifest", "Task", "part_folder", "sha256"]

MANIFEST = "manifest.json"
SCHEMA = 1


@dataclass(frozen=True)
class File:
    """A file of a bundle: its digest, its size, and the number of the part that it travels in."""

    sha256: str
    bytes: int
    part: int


@dataclass(frozen=True)
class Task:
    """A piece as a bundle names it.

    ``job`` is what the function is called with; ``data`` and ``given`` are files of the bundle; ``needs`` maps
    names to the keys of pieces; ``resumes`` tells whether a stopped one goes on where it was.
    """

    id: str
    key: str
    device: str
    minutes: float
    job: Mapping[str, Any]
    data: tuple[str, ...] = ()
    needs: Mapping[str, str] | None = None
    resumes: bool = False


@dataclass(frozen=True)
class Manifest:
    """A bundle: pieces of ``page`` at ``profile`` with the code of ``commit``, for runs of ``minutes``."""

    page: str
    profile: str
    commit: str
    minutes: float
    parts: int
    files: Mapping[str, File]
    tasks: tuple[Task, ...]

    def text(self) -> str:
        """Return the manifest as it is written."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @property
    def digest(self) -> str:
        """The digest of the text, by which results name their bundle."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Return the manifest at ``path``; raise :class:`CompanionError` where it is none."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found.pop("schema") != SCHEMA:
                raise ValueError("another schema")
            found["files"] = {name: File(**entry) for name, entry in found["files"].items()}
            found["tasks"] = tuple(Task(**{**task, "data": tuple(task["data"])}) for task in found["tasks"])
            return cls(**found)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CompanionError(
                f"{path.name}: expected the manifest of a bundle, found {type(error).__name__}; bring it again"
            ) from None

    def damaged(self, folder: Path, parts: Iterable[int]) -> str | None:
        """Return what is wrong with the files of ``parts`` beside one another in ``folder``, in one sentence."""
        wanted = set(parts)
        for name, file in self.files.items():
            if file.part not in wanted:
                continue
            path = folder / part_folder(file.part) / name
            found = sha256(path)
            if found != file.sha256:
                said = f"expected sha256 {file.sha256[:12]}…, found {found[:12]}"
                return f"{part_folder(file.part)}/{name}: {said}; bring {part_folder(file.part)} again"
        return None


def part_folder(number: int) -> str:
    """Return the name of the folder of a part."""
    return f"part-{number}"


def sha256(path: Path) -> str:
    """Return the digest of a file, or ``no such file``."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return "no such file"
