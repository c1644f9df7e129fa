"""Safety of the fingerprint: no change of a line that a page's smoke run executes goes unnoticed.

All pages: ``python tests/companion/mutants.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from mutants import ROOT, executed_lines, mutants, try_mutants

from companion.book.pages import find_page


def test_mutants_change_what_they_say(tmp_path: Path) -> None:
    source = (
        'X = 1\n\n\ndef f(a=2):\n    """Doc 3."""\n    b: int = 4\n'
        '    return f"{a} 5" if a < 6 else a * b - True\n'
    )
    found = [mutant.applied(source).split("\n")[mutant.line - 1].strip() for mutant in mutants("f.py", source)]
    line = 'return f"{a} 5" if a < 6 else a * b - True'
    assert sorted(found) == sorted(
        [
            "b: int = 5",
            line.replace("<", ">="),
            line.replace("6", "7"),
            line.replace("a * b", "a / b"),
            line.replace(" - ", " + "),
            line.replace("True", "False"),
            line.replace("a < 6", "not (a < 6)"),
            line.replace(line[7:], f"({line[7:]}, None)[0:1]"),
        ]
    )


@pytest.mark.slow
def test_every_mutant_of_an_executed_line_makes_the_page_stale(tmp_path: Path) -> None:
    page = find_page(ROOT, "schemes/orders")
    found = try_mutants(page, executed_lines(page, tmp_path / "run"), 300, tmp_path / "copy")
    assert found.executed == 300 and found.missed == ()
    assert found.elsewhere == 30 and found.noticed_elsewhere == ()
