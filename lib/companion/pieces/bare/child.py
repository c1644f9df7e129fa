"""One piece in one process of a bare machine: ``python -m companion.pieces.bare.child JOB.json``."""

from __future__ import annotations

import sys

from companion.pieces.bare import standins

__all__: list[str] = []

if __name__ == "__main__":
    standins.install()
    from companion.pieces.one import main

    sys.exit(main())
