"""What a person does wrong, or a file that was cut short: one sentence, never a traceback."""

import json
import os
import subprocess
import sys

import pytest
from toy_book import edit

from companion.cli import main
from companion.errors import CheckError, CompanionError
from companion.evidence.judging import plain_number
from companion.evidence.record import load_record, read_record
from companion.evidence.soundness import problems

PAGE, RECORD = "book/toy/euler.md", "results/smoke/toy/euler.json"


def said(capsys, *arguments: str) -> str:
    """Return the one sentence with which a command ends."""
    assert main([*arguments]) in (1, 2)
    lines = [line for line in capsys.readouterr().err.splitlines() if line and "runs failed" not in line]
    assert len(lines) == 1, lines
    return lines[0]


def test_syntax_error_in_a_page(toy, capsys):
    edit(toy, PAGE, 'print("width", width)', "print('width'")
    sentence = "page toy/euler, code cell 3 line 3: expected Python, found '(' was never closed"
    assert sentence in said(capsys, "check-ledger", "--root", str(toy))
    assert sentence in said(capsys, "run", "--root", str(toy), "toy/euler")


def test_syntax_error_in_the_library(toy, capsys):
    edit(toy, "lib/contdepth/helpers.py", "2 * x", "2 *")
    assert "contdepth/helpers.py line 2: expected Python" in said(capsys, "check-ledger", "--root", str(toy))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kernelspec: {", "kernelspec: {{"),
        ("kernelspec: {display_name: Python 3, language: python, name: python3}", "kernelspec: python3"),
        (":tags: [parameters]", ":tags: [parameters"),
    ],
)
def test_bad_front_matter(toy, old, new, capsys):
    edit(toy, PAGE, old, new)
    assert "page toy/euler: expected" in said(capsys, "check-ledger", "--root", str(toy))


@pytest.mark.parametrize("text", ['{"cells": [', "[]", "{}"])
def test_torn_notebook(ran, text):
    path = ran / "results/smoke/toy/euler.ipynb"
    path.write_text(text)
    found = problems(path, load_record(ran, "smoke", "toy", "euler"))
    assert found[-1].startswith("expected a notebook, found")


def test_torn_notebook_in_verify(ran, capfd):
    (ran / "results/smoke/toy/heun.ipynb").write_text('{"cells": [')
    assert main(["verify", "--root", str(ran), "toy/heun"]) == 1
    assert "toy/heun (smoke): expected a notebook, found this: Notebook does not" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fingerprint", None),
        ("fingerprint", {"digest": "x", "parts": None}),
        ("checks", [1]),
        ("checks", {"a": 1}),
        ("seeds", None),
        ("started", 3),
        ("duration_s", "long"),
    ],
)
def test_ill_typed_record(ran, key, value, capsys):
    path = ran / RECORD
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(CompanionError, match=f"euler.json: expected .* {key}"):
        read_record(path)
    assert "euler.json: expected" in said(capsys, "stale", "--root", str(ran))


def test_torn_record(ran, capsys):
    (ran / RECORD).write_text((ran / RECORD).read_text()[:100])
    assert "euler.json: expected a record" in said(capsys, "status", "--root", str(ran))


def test_root_that_is_none(tmp_path, capsys):
    for folder in (tmp_path / "gone", tmp_path):
        told = said(capsys, "status", "--root", str(folder))
        assert told == f"companion: --root: expected a folder with book/ and lib/, found {folder}"


def test_a_number_beyond_floats():
    for value in (10**400, -(10**400)):
        with pytest.raises(CheckError, match="^note n: expected a number in the range of floats, found"):
            plain_number("note n", value)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["toy/euler", "-p", "profile=book", "--out", "x"],
            "-p profile: expected another parameter, since --profile sets this one, found 'book'",
        ),
        (
            ["toy/euler", "--chapter", "other"],
            "page toy/euler: expected a page of chapter other, found one of toy",
        ),
    ],
)
def test_contradictions(toy, arguments, sentence, capsys):
    assert said(capsys, "run", "--root", str(toy), *arguments) == f"companion: {sentence}"


def test_a_reader_that_has_gone_ends_a_command_without_a_traceback(toy):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "companion.cli", "check-ledger", "--root", str(toy)]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")
