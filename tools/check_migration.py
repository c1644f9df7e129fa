"""Prove that the migration lost nothing: ``python tools/check_migration.py OLD_TREE NEW_TREE``.

Both are checkouts. Compared are, run by run: all numbers of checks and notes; the verdict, value and interval that
the new ledger derives against those that the old record stored; every other output, cell and key of a record; the
bytes of each picture of ``book`` and variation runs, and the hashes of those of ``smoke`` runs. Prints what it has
counted and every difference; exits 1 where there is one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from companion.ledger import load_ledger
from companion.record import read_record
from companion.rejudging import judged

CHANGED = {"schema", "checks", "notebook_sha256", "fingerprint", "settled"}
NUMBERS = ("values", "baseline", "seeds")


class Comparison:
    """Counts what is equal, and collects a line for each thing that is not."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.differences: list[str] = []

    def same(self, what: str, where: str, old: object, new: object) -> None:
        """Note that two things of a kind are equal, types of numbers included, or where they are not."""
        self.counts[what] += 1
        if repr(old) != repr(new):
            self.differences.append(f"{where}, {what}: old {old!r:.80}, new {new!r:.80}")


def main(old: Path, new: Path) -> int:
    """Compare all runs of both trees and return the exit status."""
    found = Comparison()
    trees = [{path.relative_to(tree) for path in (tree / "results").rglob("*.*")
              if path.suffix in (".json", ".ipynb") and not path.name.endswith(".carry.json")}
             for tree in (old, new)]
    found.same("list of files", "results", sorted(map(str, trees[0])), sorted(map(str, trees[1])))
    for name in sorted(path for path in trees[0] & trees[1] if path.suffix == ".json"):
        record(found, new, str(name), load(old / name), load(new / name))
        notebook = name.with_suffix(".ipynb")
        digest = hashlib.sha256((new / notebook).read_bytes()).hexdigest()
        found.same("hash of a notebook", str(name), digest, load(new / name)["notebook_sha256"])
        pictures = name.parts[1] != "smoke"
        cells(found, str(notebook), load(old / notebook), load(new / notebook), pictures=pictures)
    for what, count in found.counts.items():
        print(f"{count:6} × {what}")
    sizes = [sum((tree / name).stat().st_size for name in names)
             for tree, names in zip((old, new), trees, strict=True)]
    print(f"bytes of results/: {sizes[0]} before, {sizes[1]} after")
    print(*found.differences, f"{len(found.differences)} differences", sep="\n")
    return 1 if found.differences else 0


def load(path: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def record(found: Comparison, root: Path, name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Compare two records, and the old verdicts with those that today's ledger gives."""
    for key in sorted({*old, *new} - CHANGED):
        found.same("key of a record", f"{name} {key}", old.get(key), new.get(key))
    found.same("list of checks", name, list(old["checks"]), list(new["checks"]))
    again = judged(load_ledger(root, new["chapter"]), read_record(root / name))
    for id, check in old["checks"].items():
        numbers(found, f"{name} {id}", check, new["checks"].get(id, {}))
        now = again.get(id)
        derived = now and {"verdict": now.verdict, **now.plain(), "expected": now.expected}
        for key in ("verdict", "value", "interval", "expected"):
            found.same(f"derived {key}", f"{name} {id}", check[key], derived and derived[key])


def numbers(found: Comparison, where: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Compare the numbers of one check."""
    for key in NUMBERS:
        found.same(f"{key} of a check", where, old[key], new.get(key))
    found.same("value of a check", where, old["value"] if old["values"] is None else None, new.get("value"))
    found.same("verdict left in a check", where, [], sorted({"verdict", "interval", "expected"} & set(new)))


def cells(found: Comparison, name: str, old: dict[str, Any], new: dict[str, Any], *, pictures: bool) -> None:
    """Compare two notebooks cell by cell and output by output."""
    found.same("notebook but its cells", name, {**old, "cells": len(old["cells"])},
               {**new, "cells": len(new["cells"])})
    for number, (before, now) in enumerate(zip(old["cells"], new["cells"], strict=False), 1):
        where, shown = f"{name} cell {number}", [cell.get("outputs", []) for cell in (before, now)]
        found.same("cell but its outputs", where, {**before, "outputs": len(shown[0])},
                   {**now, "outputs": len(shown[1])})
        for one, other in zip(*shown, strict=False):
            output(found, where, one, other, pictures=pictures)


def output(found: Comparison, where: str, old: dict[str, Any], new: dict[str, Any], *, pictures: bool) -> None:
    """Compare two outputs."""
    check = old.get("metadata", {}).get("companion", {}).get("check")
    if check is not None:
        now = new["metadata"]["companion"]["check"]
        name, at = check["claim"], check["profile"]
        found.same("claim and profile of a payload", where, [name, at], [now["claim"], now["profile"]])
        numbers(found, f"{where} {name}", check, now)
        found.same("old line of a check", where, [f"{name}: {check['verdict']} ({at})"], old["data"]["text/plain"])
        found.same("new line of a check", where, {"text/plain": [f"{name}: measured ({at})"]}, new["data"])
        return
    old_data, new_data = dict(old.get("data", {})), dict(new.get("data", {}))
    metadata = json.loads(json.dumps(new.get("metadata", {})))
    hashes = metadata.get("companion", {}).pop("pictures", {})
    if hashes and not metadata["companion"]:
        del metadata["companion"]
    for kind in sorted(kind for kind in old_data if kind.startswith("image/")):
        content = old_data.pop(kind)
        if pictures:
            found.same("picture's bytes", where, content, new_data.pop(kind, None))
        else:
            text = content if isinstance(content, str) else "".join(content)
            digest = hashlib.sha256(base64.b64decode(text)).hexdigest()
            found.same("picture's hash", where, digest, hashes.pop(kind, None))
    found.same("hash without a picture", where, {}, hashes)
    found.same("text of an output", where, {**old, "data": old_data}, {**new, "data": new_data, **(
        {"metadata": metadata} if "metadata" in new else {})})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"expected OLD_TREE and NEW_TREE, found {len(sys.argv) - 1} arguments")
    sys.exit(main(*(Path(tree).resolve() for tree in sys.argv[1:])))
