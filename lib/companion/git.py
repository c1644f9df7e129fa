"""Questions put to git about a checkout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from companion.errors import CompanionError

__all__ = ["ask", "contents", "succeeds"]

ELSEWHERE = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
)
"""Variables that would lead git to another repository or index than those of the folder it is asked about."""


def ask(root: Path, *arguments: str, given: bytes = b"", replaced: bool = True) -> bytes:
    """Return what ``git ARGUMENTS`` prints at ``root``, which must be the top of a repository of its own: one that
    it was unpacked in, or that variables of the environment name, is not asked.

    Without ``replaced`` replacements of commits are not looked at. Raises :class:`CompanionError` where git is not
    there or says no.
    """
    done = _run(root, arguments, given, replaced)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise CompanionError(f"git {arguments[0]}: expected a repository with a commit, found this: {said}")
    return done.stdout


def succeeds(root: Path, *arguments: str) -> bool:
    """Tell whether ``git ARGUMENTS`` says yes by its exit status; raise :class:`CompanionError` without git."""
    return _run(root, arguments, b"", True).returncode == 0


def contents(root: Path, names: Iterable[str], replaced: bool = True) -> list[bytes | None]:
    """Return the bytes of the objects called ``names``, as stored; None for those that are not there.

    ``git archive`` would turn line ends as the reader's settings say. Raises as :func:`ask` does.
    """
    names = list(names)
    given = "".join(f"{name}\n" for name in names).encode()
    answer = ask(root, "cat-file", "--batch", given=given, replaced=replaced)
    found: list[bytes | None] = []
    place = 0
    for _ in names:
        end = answer.index(b"\n", place)
        head = answer[place:end].split()
        if head[-1] == b"missing":
            found.append(None)
            place = end + 1
            continue
        stop = end + 1 + int(head[2])
        found.append(answer[end + 1 : stop])
        place = stop + 1
    return found


def _run(
    root: Path, arguments: tuple[str, ...], given: bytes, replaced: bool
) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    environment["GIT_CEILING_DIRECTORIES"] = str(root.resolve().parent)
    if not replaced:
        environment["GIT_NO_REPLACE_OBJECTS"] = "1"
    command = ["git", "-C", str(root), *arguments]
    try:
        return subprocess.run(command, input=given, capture_output=True, timeout=300, check=False, env=environment)
    except FileNotFoundError:
        raise CompanionError("git: expected the command git, found none; install it") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise CompanionError(f"git {arguments[0]}: expected an answer, found this: {error}") from None
