"""The commands about pieces: ``companion pieces | bundle | collect``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["add_commands"]

Command = Callable[..., argparse.ArgumentParser]


def add_commands(command: Command) -> None:
    """Add the commands by ``command``, which makes a sub-parser from a name, a function and a text."""
    pieces = command(
        "pieces",
        _pieces,
        "List the pieces that runs at the papers' scale are made of and are not done, with minutes and state.",
    )
    pieces.add_argument("pages", nargs="*", metavar="PAGE", help="chapter/page (default: all with pieces)")
    pieces.add_argument("--all", action="store_true", help="those that are done, too")
    pieces.add_argument("--json", action="store_true", help="as JSON instead of a table")
    pieces.add_argument(
        "--write", action="store_true", help="write results/pieces/README.md: every bundle's command, with minutes"
    )
    bundle = command(
        "bundle",
        _bundle,
        "Write what a bare machine with a GPU needs to compute pieces of a page: code, data, a script.",
        chapter=False,
    )
    bundle.add_argument("page", metavar="PAGE", help="chapter/page")
    bundle.add_argument("--profile", choices=("paper",), default="paper", help="default: paper")
    bundle.add_argument(
        "--minutes",
        type=float,
        default=9.0,
        metavar="M",
        help="time that one call of the script takes (default: 9)",
    )
    bundle.add_argument(
        "--mib", type=float, default=55.0, metavar="M", help="size of a part of the data at most (default: 55)"
    )
    bundle.add_argument(
        "--only", action="append", default=[], metavar="GROUP", help="the pieces of this group; may be repeated"
    )
    bundle.add_argument(
        "--out", type=os.path.expanduser, metavar="FOLDER", required=True, help="where to write it"
    )
    collect = command(
        "collect",
        _collect,
        "Check the results that a bundle's script left in a folder and store them.",
        chapter=False,
    )
    collect.add_argument("folder", type=os.path.expanduser, metavar="FOLDER", help="where the results are")


def _pieces(root: Path, options: argparse.Namespace) -> int:
    from companion.pieces.commands import pieces_command

    return pieces_command(root, options)


def _bundle(root: Path, options: argparse.Namespace) -> int:
    from companion.pieces.bundle.commands import bundle_command

    return bundle_command(root, options)


def _collect(root: Path, options: argparse.Namespace) -> int:
    from companion.pieces.bundle.commands import collect_command

    return collect_command(root, options)
