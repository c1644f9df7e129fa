"""Files written as a whole: all of them or none, and nothing is left lying about."""

import os
import subprocess
import sys

import pytest

from companion.text import read_text, write_text, write_texts


def test_lines_end_as_on_any_system_and_are_read_back(tmp_path):
    write_text(tmp_path / "a.txt", "one\ntwo\n")
    assert (tmp_path / "a.txt").read_bytes() == b"one\ntwo\n"
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    assert read_text(tmp_path / "b.txt") == "one\ntwo\n"


def test_no_file_is_put_in_place_before_all_are_written(tmp_path):
    write_texts({tmp_path / "a.txt": "old", tmp_path / "b.txt": "old"})
    with pytest.raises(UnicodeEncodeError):
        write_texts({tmp_path / "a.txt": "new", tmp_path / "b.txt": "\ud800"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "old", "b.txt": "old"}


def test_what_was_written_goes_where_it_cannot_be_put_in_place(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="full"):
        write_text(tmp_path / "a.txt", "new")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_stays(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, living = tmp_path / f"a[1].txt.{gone.pid}.part", tmp_path / f"a[1].txt.{os.getppid()}.part"
    others = [tmp_path / name for name in (f"b.txt.{gone.pid}.part", "a[1].txt.old.part", "a1.txt.part")]
    for path in (left, living, *others):
        path.write_text("half")
    write_text(tmp_path / "a[1].txt", "whole")
    assert (tmp_path / "a[1].txt").read_text() == "whole"
    assert not left.exists() and all(path.exists() for path in (living, *others))
