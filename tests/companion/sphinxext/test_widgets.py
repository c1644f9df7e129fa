"""Figures to drag and frames of computed figures, on a toy book."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sphinx_toy import build, built, edit, page_text, site_faults, write_book

from companion.site import checks
from companion.site.figures import computed_figures
from companion.site.pages import parsed
from companion.sphinxext.pages.figures import sized

CONCEPT, ORDERS = "book/toy/concept.md", "book/toy/orders.md"
WIDGET = """\
See {numref}`fig-drag`.

```{widget} stability
:name: fig-drag
:fallback: No script is running; {numref}`fig-orders` is a picture.

The region of *both* roots, $k$ from the slider.
```

"""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy book with one widget, built strictly."""
    root = write_book(tmp_path_factory.mktemp("toy"))
    edit(root / CONCEPT, "```{paper-table} A-1", WIDGET + "```{paper-table} A-1")
    return built(root)


def test_a_widget_is_a_numbered_figure_with_its_caption(book: Path) -> None:
    page = page_text(book, CONCEPT[:-3])
    figure = re.search(r'<figure[^>]*id="fig-drag".*?</figure>', page, re.DOTALL)
    assert figure, "expected a figure named fig-drag, found none"
    assert 'data-widget="stability"' in figure[0]
    assert "caption-number" in figure[0] and "The region of <em>both</em> roots" in figure[0]
    assert re.search(r'href="#fig-drag"><span class="std std-numref">Fig\. \d', page), "numref leads nowhere"


def test_without_scripts_a_sentence_stands_in_its_place(book: Path) -> None:
    figure = re.search(r'<figure[^>]*id="fig-drag".*?<figcaption', page_text(book, CONCEPT[:-3]), re.DOTALL)
    assert figure and 'class="companion-fallback"' in figure[0]
    assert re.search(r"No script is running;.*orders\.html#fig-orders", figure[0], re.DOTALL)


def test_the_script_is_loaded_on_that_page_alone(book: Path) -> None:
    pages = checks.Site(book / "_build/html").written
    loading = [page.name for page in pages if any("widgets/stability.js" in load for load in page.loads)]
    assert loading == [f"{CONCEPT[:-3]}.html"]
    page = page_text(book, CONCEPT[:-3])
    assert re.search(r'<script defer="defer" src="\.\./\.\./_static/widgets/stability\.js', page)


def test_a_computed_figure_is_framed_linked_and_sized(book: Path) -> None:
    page = page_text(book, ORDERS[:-3])
    frame = re.search(
        r'<div class="companion-frame"><a class="companion-enlarge" href="([^"]+)"[^>]*>'
        r"(<img[^>]+>)</a>",
        page,
    )
    assert frame, "expected the picture of a cell in a frame, found none"
    assert frame[1] in frame[2] and (book / "_build/html/book/toy" / frame[1]).resolve().is_file()
    assert 'width="1" height="1"' in frame[2] and 'alt="Error against step size' in frame[2]


def test_the_book_stays_clean(book: Path) -> None:
    assert site_faults(book) == []


CELL = (
    '<div class="cell_output"><figure id="fig-a"><img src="../_images/a.png" alt="A line"><figcaption><p>'
    '<span class="caption-number">Fig. 1 </span><span class="caption-text">A <em>line</em>.</span></p>'
    '</figcaption></figure></div><figure><img src="../_images/prose.png" alt=""></figure>'
)


def test_a_figure_with_everything_has_no_faults() -> None:
    drawn = computed_figures(parsed(CELL))
    assert [one.source for one in drawn] == ["../_images/a.png"] and drawn[0].faults() == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('alt="A line"', 'alt=" "', "no alt text"),
        (' id="fig-a"', "", "no name, so nothing can refer to it"),
        ("Fig. 1 ", "", "no number"),
        ("A <em>line</em>.", "", "no caption"),
        (
            '<figure id="fig-a">',
            "<p>",
            "no figure around it: give the cell caption and name under mystnb: figure:",
        ),
    ],
)
def test_what_a_computed_figure_lacks_is_said(old: str, new: str, fault: str) -> None:
    assert old in CELL
    assert computed_figures(parsed(CELL.replace(old, new, 1)))[0].faults() == [fault]


def test_sizes_are_given_once_and_only_where_known() -> None:
    body = '<img alt="a" src="../_images/a.png" /><img src="_images/b.png"><img width="3" src="_images/a.png">'
    assert sized(body, {"a.png": (10, 20)}) == (
        '<img width="10" height="20" alt="a" src="../_images/a.png" /><img src="_images/b.png">'
        '<img width="3" src="_images/a.png">'
    )


@pytest.mark.slow
def test_planted_faults_stop_the_strict_build(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    wrong = [
        WIDGET.replace("} stability", "} stabilty").replace("fig-drag", "fig-a"),
        re.sub(":fallback:.*\n", "", WIDGET).replace("fig-drag", "fig-b"),
        WIDGET.replace("The region of *both* roots, $k$ from the slider.\n", "").replace("fig-drag", "fig-c"),
    ]
    edit(root / CONCEPT, "```{paper-table} A-1", "".join(wrong) + "```{paper-table} A-1")
    done = build(root)
    assert done.returncode != 0, "the strict build passes"
    for sentence in (
        "{widget}: expected one of filter-moments, stability, found 'stabilty'; put its script into",
        "{widget}: stability has no fallback",
        "{widget}: stability has no caption",
    ):
        assert sentence in done.stderr, f"{sentence}\n{done.stderr[-3000:]}"
