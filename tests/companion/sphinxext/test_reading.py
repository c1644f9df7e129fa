"""The reading path on a toy book: times, needs, symbols, terms, links back, reasons at the foot, and faults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docutils import nodes
from sphinx_toy import PAGES, REPOSITORY, build, built, edit, page_text, words, write_book

from companion.sphinxext.element import el
from companion.sphinxext.reading.duration import Length, measure
from companion.sphinxext.reading.path import span
from companion.sphinxext.reading.uses import text_with_math

READING = """\
pages:
  index:
    next_why: The letters.
  notation:
    level: reference
    next_why: The words.
    prev_why: The start.
  glossary:
    level: reference
    next_why: What a step of $h$ is.
    prev_why: The letters, again.
  toy/concept:
    level: introductory
    needs: ["linear algebra: eigenvalues of $A$"]
    next_why: Whether the order & the slope agree.
    prev_why: Words for it.
  toy/orders:
    needs:
      - {page: toy/concept, why: what a step $h$ is}
      - {page: notation}
    next_why: All claims.
    prev_why: The idea.
  toy/claims:
    level: reference
    prev_why: What the slopes are.
"""
NOTATION = """\
symbols:
  - {id: step, symbol: 'h', meaning: "step size of a `scheme`", short: step size, code: "`h`", chapters: [toy]}
  - {id: state, symbol: 'u_n,\\ u(t)', meaning: "state after $n$ steps", chapters: [toy]}
"""
MORE = {
    "book/reading.yml": READING,
    "book/notation.yml": NOTATION,
    "book/notation.md": "# Notation\n\n```{notation-table}\n```\n",
    "book/glossary.md": "# Glossary\n\n```{glossary}\nforward Euler\nEuler's scheme\n    The simplest scheme.\n\n"
    "order\n    A power of the step.\n\nunused\n    A word that no page links to.\n```\n",
    "book/toy/concept.md": PAGES["book/toy/concept.md"].replace(
        "Networks are",
        "```{symbols} step, state\n```\n\nBy {term}`forward Euler` and {term}`Euler's scheme` networks are",
    ),
}


def write(root: Path) -> Path:
    """Write the toy book with a reading path."""
    write_book(root)
    for name, text in MORE.items():
        (root / name).write_text(text, encoding="utf-8")
    (root / "book/_templates").symlink_to(REPOSITORY / "book/_templates")
    edit(root / "book/toy/orders.md", "We measure orders", "We measure the {term}`power <order>` of orders")
    edit(root / "book/toy/claims.md", "All claims", "By {term}`Euler's scheme`, {term}`forward Euler`: all claims")
    edit(root / "book/index.md", "# A toy companion", "# The idea")
    edit(
        root / "_toc.yml",
        "parts:\n",
        "parts:\n  - caption: Front\n    chapters:\n      - file: book/notation\n      - file: book/glossary\n",
    )
    return root


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy book with a reading path, built once."""
    root = write(tmp_path_factory.mktemp("reading"))
    return built(root)


def line(book: Path, docname: str) -> str:
    """Return the line below the title."""
    found = re.findall(r'<p class="companion-reading">(.*?)</p>', page_text(book, docname), re.DOTALL)
    assert len(found) == 1
    return words(found[0], "span")


def test_the_line_says_what_is_needed_and_how_long_it_takes(book: Path) -> None:
    assert line(book, "book/toy/orders") == (
        r"Before: The idea (what a step \(h\) is); Notation Read: 1 min Run: 3.1 min (book profile, 2 threads)"
    )
    assert line(book, "book/toy/concept") == (
        r"Before: linear algebra: eigenvalues of \(A\) Read: 1 min, introductory"
    )
    assert line(book, "book/toy/claims") == "For looking things up"
    assert line(book, "book/index") == (
        "Read: 1 min The book: 2 min to read, 3 min to run (book profile, 2 threads)"
    )


def test_the_line_stands_between_title_and_provenance(book: Path) -> None:
    page = page_text(book, "book/toy/orders")
    title, line_, box = (page.index(text) for text in ("<h1>", "companion-reading", "companion-provenance"))
    assert title < line_ < box
    assert 'href="concept.html"' in page[page.index('class="companion-reading"') : page.index("Read:")]


def test_neighbours_come_with_reasons(book: Path) -> None:
    page = page_text(book, "book/toy/orders")
    foot = page[page.index("prev-next-area") :]
    assert re.search(r'The idea</p>\s*<p class="prev-next-why">The idea\.</p>', foot)
    assert re.search(r'Claims</p>\s*<p class="prev-next-why">All claims\.</p>', foot)
    assert "order &amp; the slope" in page_text(book, "book/toy/concept")
    assert r'<span class="math notranslate nohighlight">\(h\)</span>' in page_text(book, "book/glossary")
    assert page_text(book, "book/index").count("prev-next-why") == 1
    assert page_text(book, "book/toy/claims").count("prev-next-why") == 1


def test_margin_notes_show_symbols_linked_to_their_rows(book: Path) -> None:
    page = page_text(book, "book/toy/concept")
    note = page[page.index('<aside aria-label="Symbols"') :]
    note = note[: note.index("</aside>")]
    assert 'class="margin companion-symbols"' in note
    assert 'title="step, in the notation"' in note, "a link needs a name without its formula"
    assert 'href="../notation.html#symbol-step"' in note and r"\(h\)" in note
    assert "step size" in words(note, "span") and "scheme" not in words(note, "span"), (
        "the short meaning stands in the note"
    )
    assert r"\(u_n,\ u(t)\)" in note


def test_rows_of_the_notation_link_back(book: Path) -> None:
    page = page_text(book, "book/notation")
    rows = dict(re.findall(r'<tr id="symbol-(\w+)".*?>(.*?)</tr>', page, re.DOTALL))
    assert list(rows) == ["step", "state"]
    assert "Used on: The idea (Toy)" in words(rows["step"], "span"), "two pages have this title"
    assert 'href="toy/concept.html"' in rows["step"]
    assert "scheme</span></code>" in rows["step"]
    assert 'id="notation-toy"' in page and ">Toy<" in page


def test_terms_link_back_once_in_the_books_order(book: Path) -> None:
    page = page_text(book, "book/glossary")
    text = words(page, "span")
    assert "The simplest scheme. Used on: The idea (Toy) , Claims order" in text.replace("#", "")
    assert "A power of the step. Used on: Orders of the schemes" in text
    assert text.count("Used on:") == page.count("companion-back") == 2, "a term without use has no empty line"
    assert 'href="../glossary.html#term-forward-Euler"' in page_text(book, "book/toy/concept")


def test_faults_are_said_in_one_sentence_each(tmp_path: Path) -> None:
    root = write(tmp_path)
    data = root / "book/reading.yml"
    edit(data, "{page: toy/concept, why", "{page: toy/consept, why")
    edit(data, "    prev_why: The idea.\n", "  toy/ordres:\n    next_why: Nowhere.\n")
    edit(
        data,
        "  glossary:\n    level: reference\n    next_why: What a step of $h$ is.\n"
        "    prev_why: The letters, again.\n",
        "",
    )
    edit(data, "    prev_why: What the slopes are.\n", "")
    edit(data, "    next_why: The letters.\n", "    needs: [arithmetic]\n")
    edit(root / "book/toy/concept.md", "{symbols} step, state", "{symbols} stepp, state")
    edit(root / "book/toy/concept.md", "{term}`forward Euler`", "{term}`backward Euler`")
    edit(root / "book/notation.yml", "chapters: [toy]}\n  - {id: state", "chapters: [toi]}\n  - {id: state")
    said = build(root).stderr
    for sentence in (
        "toy/orders, key needs[0]: expected a page of the book, found 'toy/consept'; did you mean 'toy/concept'?",
        "toy/ordres: expected a page of the table of contents, found 'toy/ordres'; did you mean 'toy/orders'?",
        "book/reading.yml: expected an entry for the page 'glossary', found none; add it below pages",
        "page index: expected next_why, one sentence on why to go on, found none",
        "page toy/claims: expected prev_why, one sentence on why to go back, found none",
        "{symbols}: expected ids of book/notation.yml, found 'stepp'; did you mean 'step'?",
        "term not in glossary: 'backward Euler'",
        "symbol step: expected a chapter of the book, found 'toi'; did you mean 'toy'?",
    ):
        assert said.count(sentence) == 1, f"{sentence}\n{said[-3000:]}"


def test_a_file_that_breaks_the_schema_is_one_warning(tmp_path: Path) -> None:
    root = write(tmp_path)
    edit(root / "book/reading.yml", "    level: introductory", "    lewel: introductory")
    edit(root / "book/notation.yml", "id: state", "id: step")
    said = build(root).stderr
    assert said.count("toy/concept, key lewel: expected one of the keys level, needs, next_why, prev_why") == 1
    assert "expected every id once, found 'step' twice" in said


def test_the_rule_of_the_reading_time() -> None:
    section = nodes.section()
    section += nodes.paragraph("", "", nodes.Text("one two three "), nodes.math("a + b + c", "a + b + c"))
    section += nodes.math_block("x = 1", "x = 1")
    section += nodes.literal_block("a = 1\n\nb = 2\n", "a = 1\n\nb = 2\n")
    section += nodes.figure("", nodes.image(uri="a.png", alt="not counted"), nodes.caption("", "two words"))
    assert measure(section) == Length(words=6, code_lines=2, equations=1, figures=1)
    assert measure(section).seconds == pytest.approx(6 * 0.3 + 2 * 4 + 20 + 15)


def test_what_is_folded_or_looked_up_is_not_counted() -> None:
    section = nodes.section()
    cell = nodes.container(nb_element="cell_code", classes=["cell", "tag_hide-input"])
    source = nodes.container(nb_element="cell_code_source", classes=["cell_input"])
    source += nodes.literal_block("a = 1", "a = 1")
    output = nodes.container(nb_element="cell_code_output", classes=["cell_output"])
    bundle = nodes.container(nb_element="mime_bundle")
    bundle += [
        nodes.container("", nodes.image(uri="a.png"), mime_type="image/png"),
        nodes.container("", nodes.literal_block("<Figure>", "<Figure>"), mime_type="text/plain"),
    ]
    output += [bundle, nodes.literal_block("1.0", "1.0")]
    cell += [source, output]
    answer = nodes.admonition("", nodes.paragraph("", "an answer"), classes=["dropdown"])
    box = el("aside", {"class": "companion-provenance"}, "many words")
    section += [cell, answer, box, nodes.comment("", "no")]
    assert measure(section) == Length(figures=1)
    cell["classes"] = ["cell"]
    assert measure(section) == Length(code_lines=1, figures=1)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "1 min"), (89, "1 min"), (91, "2 min"), (3570, "1 h"), (6600, "1 h 50 min")]
)
def test_times_to_read(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_text_of_data_files_may_hold_mathematics_and_code() -> None:
    found = text_with_math("Taylor's `f(x)` at $x_0$")
    assert [type(node) for node in found] == [nodes.Text, nodes.literal, nodes.Text, nodes.math]
    assert found[0].astext() == "Taylor’s " and found[3].astext() == "x_0"
