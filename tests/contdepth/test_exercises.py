"""The code below "Check it" in the answers of the exercises runs as printed, and its assertions hold."""

import re
import time
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[2] / "book"
FENCE = re.compile(r"^(?P<indent> *)```python\n(?P<code>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
MARK = "**Check it.**"
SLOWEST = 20
"""Seconds of CPU time, with the first import of PyTorch; the checks are meant to take less than five."""
AT_LEAST = 2
"""Checks in each chapter."""


def pages():
    return sorted(BOOK.glob("*/discussion.md"))


def blocks(page):
    """Return line, code and whether it is a check, for each block of Python, as a reader would copy it."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        lines = match["code"].splitlines()
        code = "\n".join(line.removeprefix(match["indent"]) for line in lines)
        before = text[: match.start()]
        found.append((before.count("\n") + 1, code, before.rstrip().endswith(MARK)))
    return found


def checks(page):
    """Return line and code of the blocks below "Check it"."""
    return [(line, code) for line, code, check in blocks(page) if check]


def related():
    """Pages about related works, which have their exercises on themselves."""
    return sorted(BOOK.glob("related/*/*.md"))


CHECKS = [
    pytest.param(page, line, code, id=f"{page.parent.name}-{page.stem}-{line}")
    for page in (*pages(), *related())
    for line, code in checks(page)
]


@pytest.mark.parametrize(("page", "line", "code"), CHECKS)
def test_a_check_of_an_answer_holds(page, line, code, monkeypatch, capsys):
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert re.search(r"^\s*assert ", code, re.MULTILINE), f"{page.name}:{line}: a check without an assertion"
    began = time.process_time()
    exec(compile("\n" * line + code, str(page), "exec"), {"__name__": "exercise"})
    assert time.process_time() - began < SLOWEST


def test_every_chapter_has_a_discussion_with_its_share_of_checks():
    counts = {page.parent.name: len(checks(page)) for page in pages()}
    chapters = {path.parent.name for path in BOOK.glob("*/claims.yml")}
    assert set(counts) == chapters
    assert {name: count for name, count in counts.items() if count < AT_LEAST} == {}


def test_other_blocks_are_python_and_carry_no_assertion():
    for page in pages():
        for line, code, check in blocks(page):
            compile(code, str(page), "exec")
            assert check or not re.search(r"^\s*assert ", code, re.MULTILINE), (
                f"{page.parent.name}/{page.name}:{line}: expected {MARK!r} above a block with an assertion"
            )


def test_every_check_stands_in_a_folded_answer():
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(re.escape(MARK), text):
            opened = text[: match.start()].rfind(":::{admonition}")
            inside = text[opened : match.start()]
            line = text[: match.start()].count("\n") + 1
            assert opened >= 0 and ":class: dropdown" in inside and "\n:::\n" not in inside, (
                f"{page.parent.name}/{page.name}:{line}: expected the check inside a folded answer"
            )


def test_every_chapter_says_what_to_use_today():
    for page in pages():
        anchor = f"(use-today-{page.parent.name})=\n## What to use today\n"
        assert anchor in page.read_text(encoding="utf-8"), f"{page}: expected {anchor!r}"
