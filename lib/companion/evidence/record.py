"""Records: the JSON beside an executed notebook, derived from the notebook's own outputs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from companion.errors import RunError
from companion.root import CARRY, notebook_path, record_path

__all__ = [
    "SCHEMA",
    "Record",
    "extract",
    "load_record",
    "load_records",
    "noted",
    "numbers_problem",
    "read_record",
    "record_files",
    "seeds_of",
    "sha256",
    "stored_fields",
    "stored_notebook",
]

SCHEMA = 2
"""Version of the record's layout."""
LISTS = ("values", "baseline", "seeds")


@dataclass(frozen=True)
class Record:
    """What one run found, with what it took.

    ``checks`` maps a claim's id to the numbers that were measured: ``value``, or ``values`` with ``baseline`` and
    ``seeds`` where they were given; verdicts are derived from them. ``values`` maps a name given to ``note`` to
    its number. ``fingerprint`` has ``digest`` and ``parts``. ``settled`` is ``commit`` and ``date`` of a commit
    that holds what a run with local changes was made from, or None.
    """

    chapter: str
    page: str
    profile: str
    parameters: Mapping[str, Any]
    seeds: list[int]
    started: str
    duration_s: float
    peak_memory_mb: float
    device: str
    versions: Mapping[str, str]
    commit: str
    dirty: bool
    notebook_sha256: str
    fingerprint: Mapping[str, Any]
    checks: Mapping[str, Mapping[str, Any]]
    values: Mapping[str, float]
    settled: Mapping[str, str] | None = None

    @property
    def page_id(self) -> str:
        """The page's name in commands: ``chapter/page``."""
        return f"{self.chapter}/{self.page}"

    @property
    def code_at(self) -> tuple[str, bool]:
        """The commit to check out for the code that ran, and whether local changes are missing in it."""
        return (self.settled["commit"], False) if self.settled else (self.commit, self.dirty)

    def matches(self, notebook: Path) -> bool:
        """Tell whether the text of ``notebook`` is the one this record was written for."""
        return notebook.is_file() and sha256(notebook) == self.notebook_sha256

    def json(self) -> str:
        """Return the record as JSON text that ends in a newline."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


_KINDS: dict[str, tuple[Any, str]] = {
    **dict.fromkeys(("parameters", "versions", "fingerprint", "checks", "values"), (dict, "a mapping")),
    **dict.fromkeys(("duration_s", "peak_memory_mb"), ((int, float), "a number")),
    **dict.fromkeys(
        ("chapter", "page", "profile", "started", "device", "commit", "notebook_sha256"), (str, "text")
    ),
    "seeds": (list, "a list"),
}
"""What JSON type each key of a record has, in Python and in words."""


def stored_fields(
    path: Path, kind: str, schema: int, names: Iterable[str], *, optional: Iterable[str] = (), whole: str = ""
) -> dict[str, Any]:
    """Return the JSON object stored at ``path`` without its ``schema``; ``optional`` keys it lacks are None.

    Raises :class:`RunError` where it is no JSON of that schema, or its keys are not ``names``; the sentences call
    it ``kind``, or ``whole`` where nothing of it can be read.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path.name}: expected {whole or kind}, found this: {error}") from None
    version = data.pop("schema", None) if isinstance(data, dict) else None
    if version != schema:
        raise RunError(f"{path.name}: expected {kind} of schema {schema}, found {version!r}")
    data = dict.fromkeys(optional) | data
    if odd := set(names) ^ set(data):
        found = ", ".join(sorted(odd))
        raise RunError(f"{path.name}: expected exactly the keys of {kind}, found a difference in {found}")
    return data


def read_record(path: Path) -> Record:
    """Return the record stored at ``path``; raise :class:`RunError` where it is no record of this layout, or one
    of another page or profile than the place is for.
    """
    data = stored_fields(path, "a record", SCHEMA, Record.__dataclass_fields__, optional=("settled",))
    for name, (kind, words) in _KINDS.items():
        if not isinstance(data[name], kind) or isinstance(data[name], bool):
            raise RunError(f"{path.name}: expected {words} for {name}, found {data[name]!r:.60}")
    if not isinstance(data["fingerprint"].get("parts"), dict):
        raise RunError(f"{path.name}: expected a mapping for parts of its fingerprint, found none")
    for id, numbers in data["checks"].items():
        if problem := numbers_problem(numbers):
            raise RunError(f"{path.name}: {problem} in checks of {id}")
    if problem := _settled_problem(data.get("settled")) or _place_problem(data, path):
        raise RunError(f"{path.name}: {problem}")
    return Record(**data)


def _place_problem(data: Mapping[str, Any], path: Path) -> str | None:
    """Return how a record's page and profile differ from those of the place it is stored at, or None."""
    folder = path.resolve().parent
    profile, chapter = folder.parent.name, folder.name
    if (data["profile"], data["chapter"], data["page"]) == (profile, chapter, path.stem):
        return None
    return (
        f"expected the record of {chapter}/{path.stem} at {profile}, where it is stored, found that of "
        f"{data['chapter']}/{data['page']} at {data['profile']}"
    )


def numbers_problem(numbers: object) -> str | None:
    """Return what keeps ``numbers`` from being those of one check, as ``expected …, found …``; None if nothing."""
    if not isinstance(numbers, dict):
        return f"expected a mapping, found {numbers!r:.60}"
    if odd := sorted(set(numbers) - {"value", *LISTS}):
        return f"expected no keys but value, {', '.join(LISTS)}, found {', '.join(map(str, odd))}"
    if len({"value", "values"} & set(numbers)) != 1:
        return f"expected either value or values, found {'both' if 'value' in numbers else 'neither'}"
    if "value" in numbers and not _is_number(numbers["value"]):
        return f"expected a number for value, found {numbers['value']!r:.60}"
    for key in LISTS:
        found = numbers.get(key, [0])
        if not isinstance(found, list) or not found or not all(map(_is_number, found)):
            return f"expected a list of numbers for {key}, found {found!r:.60}"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _settled_problem(settled: object) -> str | None:
    if settled is None:
        return None
    if not isinstance(settled, dict) or set(settled) != {"commit", "date"}:
        return f"expected null, or commit and date, for settled, found {settled!r:.60}"
    if not isinstance(settled["commit"], str) or not re.fullmatch(r"[0-9a-f]{7,64}", settled["commit"]):
        return f"expected a commit in hexadecimal for settled, found {settled['commit']!r:.60}"
    try:
        datetime.fromisoformat(settled["date"])
    except (TypeError, ValueError):
        return f"expected a date like 2026-05-04 for settled, found {settled['date']!r:.60}"
    return None


def load_record(root: Path, profile: str, chapter: str, page: str, results: Path | None = None) -> Record | None:
    """Return the stored record of a page at a profile, or None; ``results`` defaults to ``<root>/results``."""
    path = record_path(results or root / "results", profile, chapter, page)
    return read_record(path) if path.is_file() else None


def load_records(root: Path) -> list[Record]:
    """Return every stored record, ordered by profile, chapter and page."""
    return [read_record(path) for path in record_files(root)]


def record_files(root: Path) -> list[Path]:
    """Return the files of the records below ``<root>/results``, in that order, without their sidecars."""
    found = sorted((root / "results").glob("*/*/*.json"))
    return [path for path in found if not path.name.endswith(CARRY)]


def stored_notebook(root: Path, record: Record, results: Path | None = None) -> Path:
    """Return the path of the executed notebook that belongs to ``record`` below ``results`` (default:
    ``<root>/results``).
    """
    return notebook_path(results or root / "results", record.profile, record.chapter, record.page)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a text file in hexadecimal: of its bytes, with the line ends that git stores (LF)."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def extract(notebook: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Return the checks and the noted values in the outputs of an executed notebook.

    Raises :class:`RunError` where a claim is checked, or a name noted, more than once.
    """
    found: dict[str, dict[str, Any]] = {"check": {}, "note": {}}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            payload = output.get("metadata", {}).get("companion", {})
            for kind, key in (("check", "claim"), ("note", "name")):
                if kind not in payload:
                    continue
                item = dict(payload[kind])
                name = item.pop(key)
                if name in found[kind]:
                    raise RunError(f"{kind} {name}: expected once in a notebook, found twice")
                item.pop("profile", None)
                found[kind][name] = item["value"] if kind == "note" else item
    return found["check"], found["note"]


def noted(outputs: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the names of what these outputs note."""
    payloads = [output.get("metadata", {}).get("companion", {}) for output in outputs]
    return {payload["note"]["name"] for payload in payloads if "note" in payload}


def seeds_of(parameters: Mapping[str, Any], checks: Mapping[str, Mapping[str, Any]]) -> list[int]:
    """Return all seeds that the checks name, with those of the parameters ``seed`` and ``seeds``."""
    several = parameters.get("seeds")
    named = [parameters.get("seed"), *(several if isinstance(several, (list, tuple)) else [several])]
    used = [seed for check in checks.values() for seed in check.get("seeds") or ()]
    return sorted({seed for seed in [*named, *used] if isinstance(seed, int) and not isinstance(seed, bool)})
