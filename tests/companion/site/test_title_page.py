"""The title page of the print: the scorecards apart, and what none of them counts."""

from __future__ import annotations

from pathlib import Path

from bs4 import BeautifulSoup
from sphinx_toy import write_book

from companion.site.printing import title_page


def test_the_title_page_has_a_scorecard_for_each_group(tmp_path: Path) -> None:
    soup = BeautifulSoup(title_page(write_book(tmp_path, everything=True), {"title": "Toys"}), "html.parser")
    found = {}
    for table in soup.select("table.print-scorecard"):
        assert table.caption is not None
        lines = [[cell.get_text() for cell in line.select("th, td")] for line in table.select("tr")]
        found[table.caption.get_text()] = (lines[0][1:-1], lines[-1])
    words = ["reproduced", "not reproduced", "undecided", "not attempted", "quoted"]
    assert found == {
        "The papers’ claims": (words, ["All", "2", "1", "1", "0", "1", "5"]),
        "Third parties’ figures": (words, ["All", "1", "0", "0", "0", "0", "1"]),
        "The book’s own checks": (["holds", "fails", "open", "not attempted"], ["All", "2", "1", "3", "0", "6"]),
    }
    assert "Not counted: 1 that hold by construction" in soup.get_text()
