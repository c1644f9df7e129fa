"""What a bundle says to whoever runs it."""

from __future__ import annotations

from companion.errors import counted
from companion.pieces.bare.manifest import Manifest
from companion.pieces.bare.results import MOST_BYTES, MOST_FILE_BYTES, MOST_FILES

__all__ = ["told"]

TEXT = """{pieces} of {page} at profile {profile}, with the library of commit {commit}.

Copy the {parts} to a machine with Python 3.11 or later, PyTorch, NumPy, SciPy and Pillow, beside one another,
all at once or one after the other, and run

    python part-1/run.py

Nothing is installed or downloaded. One call does as many pieces as fit into {minutes:g} minutes and stops before;
the next one goes on. All of it takes about {total:.1f} minutes{device}. Options: python part-1/run.py --help

It leaves two folders beside the parts. results: to carry home, at most {files} files of {file:.0f} MB,
{all:.0f} MB together; they are complete after each piece. kept: what the next call goes on from. A piece that was
stopped goes on from its checkpoint, which lies in kept, and in results where there is room.

At home, in the checkout that the bundle is of:

    companion collect results

checks and stores the results; checkpoints among them go into the next bundle.
"""


def told(manifest: Manifest) -> str:
    """Return the text of a bundle's README."""
    devices = sorted({task.device for task in manifest.tasks})
    return TEXT.format(
        pieces=counted(len(manifest.tasks), "piece"),
        page=manifest.page,
        profile=manifest.profile,
        commit=manifest.commit[:12],
        parts=counted(manifest.parts, "part"),
        minutes=manifest.minutes,
        total=sum(task.minutes for task in manifest.tasks),
        device=" of an H200" if devices == ["cuda"] else " of one core" if devices == ["cpu"] else "",
        files=MOST_FILES,
        file=MOST_FILE_BYTES / 1e6,
        all=MOST_BYTES / 1e6,
    )
