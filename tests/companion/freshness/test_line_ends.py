"""A checkout made on another system: its line ends do not change what a stored run says, and git keeps them LF."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from toy_book import edit

from companion.cli import main
from companion.text import read_text

ROOT = Path(__file__).parents[3]
NOTEBOOK = "results/smoke/toy/euler.ipynb"


def as_on_windows(root: Path) -> int:
    """Give every text file below ``root`` CRLF at its line ends, and return how many there are."""
    files = [path for path in root.rglob("*.*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        assert b"\r" not in content and b"\0" not in content
        path.write_bytes(content.replace(b"\n", b"\r\n"))
    return len(files)


def stale(root: Path) -> int:
    return main(["stale", "--root", str(root), "--profile", "smoke"])


def test_a_checkout_with_crlf_is_as_fresh_as_one_with_lf(ran: Path, capsys) -> None:
    assert stale(ran) == 0
    assert as_on_windows(ran) > 10
    assert stale(ran) == 0, capsys.readouterr().out
    assert main(["check-ledger", "--root", str(ran)]) == 0
    edit(ran, NOTEBOOK, '"width 0.5', '"width 0.6')
    assert stale(ran) == 1
    assert "the stored notebook is not the one its record was written for" in capsys.readouterr().out


def test_text_is_read_without_a_mark_and_with_lf(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbf" + "a ü\r\nb\n".encode())
    assert read_text(path) == "a ü\nb\n"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UnicodeDecodeError):
        read_text(path)


def test_git_keeps_text_with_lf_and_leaves_binary_files_alone() -> None:
    listed = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout")
    entries = [(*line.split("\t")[0].split(), line.split("\t")[1]) for line in listed.stdout.splitlines()]
    ends = {entry[0] for entry in entries}
    assert ends <= {"i/lf", "i/-text", "i/none"}, "stored with CRLF"
    for index, _, *attributes, name in entries:
        expected = ["attr/-text"] if index == "i/-text" else ["attr/text=auto", "eol=lf"]
        assert attributes == expected, name
