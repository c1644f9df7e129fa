"""Do pieces of the book on this machine: ``python run.py``. Nothing is installed, downloaded or unpickled.

It needs Python 3.11 or later with PyTorch, NumPy, SciPy and Pillow, and the parts of the bundle side by side.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OLDEST = (3, 11)
PACKAGES = {"torch": "PyTorch", "numpy": "NumPy", "scipy": "SciPy", "PIL": "Pillow"}


def refused() -> str | None:
    """Return why nothing can be done here, in one sentence; None where all is well."""
    if sys.version_info < OLDEST:
        return f"Python: expected 3.11 or later, found {sys.version.split()[0]}; run this with another"
    missing = [name for module, name in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        return f"Python: expected {', '.join(PACKAGES.values())}, found no {' and no '.join(missing)}"
    try:
        manifest = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
        files = {name: entry for name, entry in manifest["files"].items() if name.startswith("code/")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return (
            f"manifest.json: expected what the bundle was made with, found {type(error).__name__}; bring it again"
        )
    for name, entry in files.items():
        path = HERE / name
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no such file"
        if found != entry["sha256"]:
            return f"{name}: expected sha256 {entry['sha256'][:12]}…, found {found[:12]}; bring this part again"
    for path in sorted((HERE / "code").rglob("*.py")):
        if path.relative_to(HERE).as_posix() not in files:
            return (
                f"{path.relative_to(HERE).as_posix()}: expected the bundle's files only, found one more; remove it"
            )
    return None


if __name__ == "__main__":
    said = refused()
    if said is not None:
        sys.exit(f"run.py: {said}")
    sys.path.insert(0, str(HERE / "code"))
    from companion.pieces.bare.work import main

    sys.exit(main(HERE))
