"""What cells show is compared: every planted difference is told with cell and lines, and chance is not."""

from itertools import zip_longest
from pathlib import Path

import pytest
from toy_book import edit

from companion import outputs
from companion.cli import main
from companion.outputs import compare_outputs, read_patterns

SANITIZE = (Path(__file__).parents[1] / "nbval.cfg").read_text(encoding="utf-8")
PATTERNS = read_patterns(SANITIZE)


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def shown(**data):
    data = {kind.replace("_", "/"): value for kind, value in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": data}


def error(name, value, trace):
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": [trace]}


def cell(source, *shows, tags=()):
    return {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}, "outputs": list(shows)}


def removed(digest="ab"):
    return {"companion": {"pictures": {"image/png": digest}}}


def notebook():
    picture = shown(image_png="iVBORw", text_plain="<Figure size 640x480 with 1 Axes>")
    return {"cells": [
        {"cell_type": "markdown", "source": "# Title", "metadata": {}},
        cell("a = 1"),
        cell("show()", stream("first\nwidth 0.5\n"), shown(text_plain="a: reproduced", text_html="<p>a</p>"),
             shown(text_plain="b: reproduced", text_latex="$b$"), picture,
             {**shown(), "metadata": removed()}),
        cell("time()", stream("0.31 s\n"), tags=["nbval-ignore-output"]),
        cell("late()", shown(text_plain=["<X at 0x7f00aa11bb22>\n", "end"])),
    ]}


def second(book):
    return book["cells"][2]["outputs"]


def compared(change, stored=notebook, patterns=PATTERNS):
    """Return the lines about a fresh notebook that differs from the stored one by ``change``."""
    fresh = stored()
    change(fresh)
    return compare_outputs(stored(), fresh, patterns)[1]


PLANTED = {
    "stdout": (lambda book: second(book)[0].update(text="first\nwidth 0.6\n"),
               "code cell 2, stdout: stored 'width 0.5', found 'width 0.6'"),
    "a line more": (lambda book: second(book)[0].update(text="first\nwidth 0.5\nmore\n"),
                    "code cell 2, stdout: stored '', found 'more'"),
    "a line break less": (lambda book: second(book)[0].update(text="first\nwidth 0.5"),
                          "code cell 2, stdout: stored '', found nothing"),
    "text": (lambda book: second(book)[1]["data"].update({"text/plain": "a: undecided"}),
             "code cell 2, text/plain: stored 'a: reproduced', found 'a: undecided'"),
    "markup": (lambda book: second(book)[1]["data"].update({"text/html": "<p>A</p>"}),
               "code cell 2, text/html: stored '<p>a</p>', found '<p>A</p>'"),
    "formula": (lambda book: second(book)[2]["data"].update({"text/latex": "$c$"}),
                "code cell 2, text/latex: stored '$b$', found '$c$'"),
    "a kind less": (lambda book: second(book)[1]["data"].pop("text/html"),
                    "code cell 2, stored text/html '<p>a</p>', found text/plain 'b: reproduced'"),
    "an error": (lambda book: second(book).append(error("ZeroDivisionError", "division by zero", "…")),
                 "code cell 2, stored nothing, found error 'ZeroDivisionError: division by zero'"),
    "stderr": (lambda book: second(book).append(stream("careful\n", "stderr")),
               "code cell 2, stored nothing, found stderr 'careful\\n'"),
    "no outputs": (lambda book: second(book).clear(),
                   "code cell 2, stored stdout 'first\\nwidth 0.5\\n', found nothing"),
    "outputs of a silent cell": (lambda book: book["cells"][1]["outputs"].append(stream("1\n")),
                                 "code cell 1, stored nothing, found stdout '1\\n'"),
    "a removed picture less": (lambda book: second(book)[4]["metadata"].clear(),
                               "code cell 2, stored image/png '', found nothing"),
    "a picture less": (lambda book: second(book)[3]["data"].pop("image/png"),
                       "code cell 2, stored image/png '', found nothing"),
    "order": (lambda book: second(book).insert(1, second(book).pop(2)),
              "code cell 2, text/plain: stored 'a: reproduced', found 'b: reproduced'"),
    "order of unlike kinds": (
        lambda book: second(book).append(second(book).pop(0)),
        "code cell 2, stored stdout 'first\\nwidth 0.5\\n', found text/plain 'a: reproduced'"),
    "a last cell less": (lambda book: book["cells"].pop(), "code cell 4: stored 'late()', found none"),
    "a cell less": (lambda book: book["cells"].pop(2), "code cell 2, code: stored 'show()', found 'time()'"),
    "a cell more": (lambda book: book["cells"].append(cell("new()\n1")),
                    "code cell 5: stored none, found 'new()'"),
    "code": (lambda book: book["cells"][2].update(source="show(1)"),
             "code cell 2, code: stored 'show()', found 'show(1)'"),
    "another class at an address": (
        lambda book: book["cells"][4]["outputs"][0]["data"].update({"text/plain": "<Y at 0x7f00aa11bb22>\nend"}),
        "code cell 4, text/plain: stored '<X at ADDRESS>', found '<Y at ADDRESS>'"),
}
CHANCE = {
    "nothing": lambda book: None,
    "another picture": lambda book: second(book)[3]["data"].update({"image/png": "AAAA"}),
    "a picture that was removed": lambda book: second(book)[3].update(
        data={"text/plain": "<Figure size 640x480 with 1 Axes>"}, metadata=removed()),
    "a picture that was not removed": lambda book: second(book)[4].update(
        data={"image/png": "AAAA"}, metadata={}),
    "another hash": lambda book: second(book)[4].update(metadata=removed("cd")),
    "an address": lambda book: book["cells"][4]["outputs"][0]["data"].update(
        {"text/plain": "<X at 0x55ffcc001122>\nend"}),
    "measured times": lambda book: book["cells"][3]["outputs"][0].update(text="7.40 s\n"),
    "a stream in pieces": lambda book: second(book).__setitem__(
        slice(0, 1), [stream(["first\n", "wid"]), stream("th 0.5\n")]),
    "a stream that goes on later": lambda book: second(book).__setitem__(
        slice(0, 2), [stream("first\n"), second(book)[1], stream("width 0.5\n")]),
    "a line written over": lambda book: second(book)[0].update(text="first\n1 of 2\rwidth 0.5\n"),
    "prose": lambda book: book["cells"][0].update(source="# Another title"),
    "metadata": lambda book: second(book)[1].update(metadata={"companion": {"value": 2.0}}),
    "counts": lambda book: book["cells"][4].update(execution_count=9),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_difference_is_told_once(fault):
    change, line = PLANTED[fault]
    assert compared(change) == [line]


@pytest.mark.parametrize("chance", CHANCE)
def test_chance_is_not_told(chance):
    assert compared(CHANCE[chance]) == []


def test_every_cell_with_a_difference_has_its_line():
    def change(book):
        second(book)[0]["text"] = second(book)[1]["data"]["text/html"] = "new"
        book["cells"][4]["outputs"].clear()

    assert [line.partition(",")[0] for line in compared(change)] == ["code cell 2", "code cell 4"]


def test_cells_are_counted_but_not_those_that_are_ignored():
    assert compare_outputs(notebook(), notebook()) == (3, [])


def test_import_lines_and_words_may_differ_where_the_code_is_known_to_be_the_same():
    before, now = notebook(), notebook()
    more = {"cell_type": "code", "source": "import os  # only that", "metadata": {}, "outputs": []}
    now["cells"].insert(0, more)
    for cell in now["cells"]:
        cell["source"] = "".join(cell["source"]) + "  # said"
    assert compare_outputs(before, now)[1] and compare_outputs(before, now, same_code=True) == (3, [])


def test_an_error_counts_with_name_and_message_and_without_its_traceback():
    def stored():
        return {"cells": [cell("1 / 0", error("ZeroDivisionError", "division by zero", "in line 1"))]}

    assert compared(lambda book: book["cells"][0]["outputs"][0].update(traceback=["in line 2"]), stored) == []
    assert compared(lambda book: book["cells"][0]["outputs"][0].update(evalue="by nought"), stored) == [
        "code cell 1, error: stored 'ZeroDivisionError: division by zero', found 'ZeroDivisionError: by nought'"
    ]


def test_without_patterns_an_address_is_a_difference():
    assert len(compared(CHANCE["an address"], patterns=())) == 1


def test_a_long_line_is_cut_to_where_it_differs():
    def stored():
        return {"cells": [cell("a", stream("x" * 500 + "1" + "y" * 500))]}

    line, = compared(lambda book: book["cells"][0]["outputs"][0].update(text="x" * 500 + "2" + "y" * 500), stored)
    assert "xx1yy" in line and "xx2yy" in line and len(line) < 330


def shortest(one, two):
    """Pair cells and outputs only as far as both sides go; lines and characters as ever."""
    text = isinstance(one, str) or isinstance(one[0] if one else None, str)
    return zip_longest(one, two) if text else zip(one, two, strict=False)


BROKEN = {
    "text is not read": ("text_of", lambda value: "", {"stdout", "text", "markup", "formula", "code"}),
    "kinds are not read": ("_parts", lambda _: iter(()), {"an error", "stderr", "no outputs", "a picture less"}),
    "the first difference is overlooked": ("_difference", lambda stored, fresh: None, {"order", "a kind less"}),
    "cells are not paired to the end": ("zip_longest", shortest, {"a last cell less", "a cell more", "an error"}),
    "all is replaced": ("sanitised", lambda text, patterns: "", {"stdout", "another class at an address"}),
    "order does not count": (
        "_shown", lambda cell, patterns, real=outputs._shown: sorted(real(cell, patterns)),
        {"order of unlike kinds"}),
}


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_comparer_is_seen_by_these_tests(way, monkeypatch):
    name, broken, blind = BROKEN[way]
    monkeypatch.setattr(outputs, name, broken)
    assert {fault for fault in PLANTED if compared(PLANTED[fault][0]) != [PLANTED[fault][1]]} >= blind


def test_patterns_are_read_as_nbval_reads_them():
    from nbval.plugin import get_sanitize_patterns

    assert PATTERNS == get_sanitize_patterns(SANITIZE) and len(PATTERNS) == 3


def test_verify_tells_what_differs_from_the_stored_run(ran, capsys):
    path = ran / "results/smoke/toy/euler.ipynb"
    path.write_text(path.read_text().replace("width 0.5", "width 0.4"))
    edit(ran, "book/toy/heun.md", 'check("toy.heun.order", slope(3))',
         'check("toy.heun.order", slope(3))\nprint("more")')
    assert main(["verify", "--root", str(ran), "--jobs", "2"]) == 1
    lines = capsys.readouterr().out.splitlines()[4:]
    assert lines[0].startswith("toy/euler (smoke), stored run: the notebook's bytes are not those")
    assert lines[1:] == [
        "toy/euler (smoke), code cell 4, stdout: stored 'width 0.4', found 'width 0.5'",
        "toy/heun (smoke), code cell 3, code: stored nothing, found 'print(\"more\")'",
        "verified 3 claims on 2 pages and the outputs of 6 cells: 3 differences",
    ]
    assert main(["verify", "--root", str(ran), "--verdicts-only", "toy/heun"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "verified 1 claim on 1 page: every verdict is as accepted and as stored"
    )


def test_verify_replaces_what_the_repository_s_patterns_name(ran, capsys):
    (ran / "tests").mkdir()
    (ran / "tests/nbval.cfg").write_text("regex: width [0-9.]+\nreplace: WIDTH\n")
    path = ran / "results/smoke/toy/euler.ipynb"
    text = path.read_text().replace("width 0.5", "width 0.4")
    path.write_text(text.replace("order: measured (smoke)", "order: guessed (smoke)"))
    assert main(["verify", "--root", str(ran), "toy/euler"]) == 1
    assert [line for line in capsys.readouterr().out.splitlines() if "code cell" in line] == [
        "toy/euler (smoke), code cell 3, text/plain: stored 'toy.euler.order: guessed (smoke)', "
        "found 'toy.euler.order: measured (smoke)'"
    ]
