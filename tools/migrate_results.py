"""Rewrite the stored runs without verdicts: ``python tools/migrate_results.py --expect-fresh FILE [--root ROOT]``.

Run once, on a tree where the old ``companion stale`` found nothing; FILE holds what it printed, and the script
refuses anything else, since it gives every record the fingerprint of today's state. Of each run below ``results/``

- checks keep their numbers only: no verdict, no interval, no HTML, and a line of text that says ``measured``;
- pictures of ``smoke`` runs become hashes in their output's metadata;
- the record gets schema 2, the same numbers, the notebook's new hash and today's fingerprint.

Everything else stays as it is, to the byte; ``tools/check_migration.py`` proves it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from companion.fingerprint import fingerprint
from companion.pages import Page, find_page
from companion.record import LISTS, SCHEMA, read_record
from companion.root import CARRY
from companion.tidy import WITHOUT_PICTURES, remove_pictures
from companion.variations import load_variations
from companion.verdict_line import MEASURED, plain_line

FRESH = "every stored run is fresh"


def main() -> int:
    """Migrate all runs; return 1, with a sentence, where one is not as expected: that one stays as it was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--expect-fresh", metavar="FILE", required=True, help="what the old companion stale said")
    parser.add_argument("--root", default=".", help="the checkout (default: this folder)")
    options = parser.parse_args()
    said = Path(options.expect_fresh).read_text(encoding="utf-8").strip()
    if said != FRESH:
        print(f"{options.expect_fresh}: expected {FRESH!r}, found {said[:80]!r}", file=sys.stderr)
        return 1
    root = Path(options.root).resolve()
    done = before = after = 0
    for path, page, overrides in runs(root):
        if json.loads(path.read_text(encoding="utf-8"))["schema"] == SCHEMA:
            print(f"{path.relative_to(root)}: migrated before")
            continue
        files = (path.with_suffix(".ipynb"), path)
        before += sum(file.stat().st_size for file in files)
        try:
            migrate(path, page, overrides)
        except ValueError as error:
            print(f"{path.relative_to(root)}: {error}", file=sys.stderr)
            return 1
        after, done = after + sum(file.stat().st_size for file in files), done + 1
    print(f"{done} runs migrated, {before} bytes before, {after} after")
    return 0


def runs(root: Path) -> Iterator[tuple[Path, Page, Mapping[str, Any]]]:
    """Yield each record with its page and the parameters in which it differs from its profile."""
    results = root / "results"
    variations = load_variations(root)
    for path in sorted([*results.glob("*/*/*.json"), *results.glob("variations/*/*/*/*.json")]):
        if not path.name.endswith(CARRY):
            parts = path.relative_to(results).parts
            overrides = variations[parts[1]].parameters if parts[0] == "variations" else {}
            yield path, find_page(root, f"{path.parent.name}/{path.stem}"), overrides


def migrate(path: Path, page: Page, overrides: Mapping[str, Any]) -> None:
    """Rewrite one record and its notebook."""
    text, noted = (file.read_text(encoding="utf-8") for file in (path.with_suffix(".ipynb"), path))
    notebook, record = nbformat.reads(text, as_version=4), json.loads(noted)
    if written(notebook) != text or dumped(record) != noted:
        raise ValueError("expected a run as the runner writes it, found other bytes for the same content")
    if hashlib.sha256(text.encode()).hexdigest() != record["notebook_sha256"]:
        raise ValueError("expected the notebook that the record was written for, found another")
    profile = record["profile"]
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        check = output.get("metadata", {}).get("companion", {}).get("check")
        if check is not None:
            output.metadata.companion["check"] = {
                "claim": check["claim"], "profile": check["profile"], **numbers(check)}
            output["data"] = {"text/plain": plain_line(check["claim"], MEASURED, check["profile"])}
    if profile in WITHOUT_PICTURES and not overrides:
        remove_pictures(notebook)
    nbformat.validate(notebook)
    text = written(notebook)
    record |= {
        "schema": SCHEMA,
        "notebook_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "fingerprint": fingerprint(page, profile, overrides),
        "checks": {id: numbers(check) for id, check in record["checks"].items()},
        "settled": record.get("settled"),
    }
    store(path.with_suffix(".ipynb"), text)
    store(path, dumped(record))
    read_record(path)


def numbers(check: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was measured."""
    if check["values"] is None:
        return {"value": check["value"]}
    return {key: check[key] for key in LISTS if check[key] is not None}


def written(notebook: Any) -> str:
    """Return a notebook as the runner writes it."""
    return nbformat.writes(notebook) + "\n"


def dumped(record: Mapping[str, Any]) -> str:
    """Return a record as the runner writes it."""
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def store(path: Path, text: str) -> None:
    """Put the text in place whole."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
