"""How what a piece's process has left is checked and put in its place below ``results/pieces``."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from companion.errors import RunError
from companion.pieces.files import write_whole
from companion.pieces.keys import key_of
from companion.pieces.piece import Piece
from companion.pieces.receipts import Receipt, find, read_receipt, receipt_path, work_folder

__all__ = ["store"]


def store(root: Path, piece: Piece, folder: Path) -> Receipt:
    """Check what a child left in ``folder`` and move it to its place below ``results/pieces``, weights first.

    A valid receipt that is there already stays, so that two that compute the same piece cannot mix. Raises
    :class:`RunError` where the piece is not the present plan's, or damaged; nothing is stored then.
    """
    key, source = key_of(root, piece), folder / "receipt.json"
    try:
        receipt = read_receipt(source, key, folder / "weights.safetensors")
    except RunError as error:
        raise RunError(f"piece {piece.id}: {error}; nothing is stored") from None
    if receipt.id != piece.id:
        raise RunError(f"piece {piece.id}: expected its own receipt, found that of {receipt.id}")
    target = receipt_path(root, piece, key)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent):
        if find(root, piece, key) is None:
            if receipt.weights_file is not None:
                write_whole(target.with_suffix(".safetensors"), receipt.weights_file.read_bytes())
            write_whole(target, source.read_bytes())
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(work_folder(root, key), ignore_errors=True)
    return read_receipt(target, key)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes that store into it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
