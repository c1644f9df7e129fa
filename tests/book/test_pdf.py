"""The book as one PDF, on a small book made by hand: tags, outline, links, language, title."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from companion.errors import CompanionError
from companion.site.pages import parsed
from companion.site.pdf import make_pdf
from companion.site.printing import leaves, print_page

TITLE = "A toy: in two parts"
CONFIG = f"title: '{TITLE}'\nauthor: Ann Other\nsphinx:\n  config:\n    language: en-GB\n"
TOC = """
format: jb-book
root: book/index
parts:
  - caption: First part
    chapters:
      - file: book/one
        sections: [{file: book/deep/two}]
  - caption: Last part
    chapters: [{file: book/claims}, {file: book/three}]
"""
IMAGE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><rect width="40" height="40" fill="red"/>'
    "</svg>"
)
PAGES = {
    "book/index": """<h1>Welcome<a class="headerlink" href="#x">#</a></h1>
        <p id="x"><a href="one.html">to one</a></p>""",
    "book/one": """<h1>Page one</h1><p id="same">Words. <a href="deep/two.html#same">to two</a>
        <a href="#same">here</a> <a href="https://example.org/a">outside</a> <a href="claims.html">explorer</a>
        <a href="three.html#made-by-script">nowhere</a></p><img src="../_images/a.svg" alt="A red square">
        <details><summary>More</summary><p>Folded words.</p></details><script>document.title = "no";</script>
        <p aria-labelledby="same">Named.</p>""",
    "book/deep/two": """<h1>Page two</h1><h2>Below</h2><p id="same">Also words. <a href="../one.html#same">back</a>
        <span class="item"><a class="download" href="../../_downloads/r.json">Record</a></span></p>
        <img src="../../_images/a.svg" alt="The square again"><table><tr><th scope="col">A</th></tr><tr><td>1</td>
        </tr></table><div style="width:600px"><table><tr><td><div style="width:900px">wide</div></td></tr></table>
        </div>""",
    "book/claims": "<h1>Explorer</h1><p>For the screen.</p>",
    "book/three": "<h1>Page three</h1><p>The end.</p>",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a built book."""
    root = tmp_path_factory.mktemp("toy")
    (root / "lib").mkdir()
    (root / "book").mkdir()
    (root / "_toc.yml").write_text(TOC, encoding="utf-8")
    (root / "_config.yml").write_text(CONFIG, encoding="utf-8")
    (root / "html/_images").mkdir(parents=True)
    (root / "html/_images/a.svg").write_text(IMAGE, encoding="utf-8")
    (root / "html/favicon.ico").write_bytes(b"")
    for name, body in PAGES.items():
        path = root / "html" / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"<html><head></head><body><nav>Menu</nav><article class='bd-article'>{body}</article></body></html>",
            encoding="utf-8",
        )
    return root


@pytest.fixture(scope="module")
def soup(root: Path) -> BeautifulSoup:
    return parsed(print_page(root, root / "html"))


@pytest.fixture(scope="module")
def pdf(browser: Any, root: Path) -> PdfReader:
    make_pdf(root, root / "html", root / "out/book.pdf", browser=browser)
    return PdfReader(root / "out/book.pdf")


def links_of(pdf: PdfReader) -> list[dict[str, Any]]:
    return [note.get_object() for page in pdf.pages for note in page.get("/Annots", [])]


def test_pages_stand_in_the_order_of_the_contents_without_the_explorer(root: Path) -> None:
    found = leaves(root)
    assert [(leaf.part, leaf.name) for leaf in found] == [
        ("", "book/index"),
        ("First part", "book/one"),
        ("First part", "book/deep/two"),
        ("Last part", "book/three"),
    ]
    assert len({leaf.prefix for leaf in found}) == 4


def test_ids_are_single_and_every_link_leads_somewhere(soup: BeautifulSoup) -> None:
    ids = [tag["id"] for tag in soup.select("[id]")]
    assert len(ids) == len(set(ids))
    inner = [tag["href"][1:] for tag in soup.select("main a[href^='#']")]
    assert len(inner) > 5 and set(inner) <= set(ids)
    assert {tag["href"] for tag in soup.select("main a:not([href^='#'])")} == {"https://example.org/a"}
    assert soup.select_one("[aria-labelledby$=same]")["aria-labelledby"] in ids


def test_a_link_keeps_its_place(soup: BeautifulSoup) -> None:
    links = {tag.get_text(): tag["href"][1:] for tag in soup.select("main a[href^='#']")}
    assert "Also words" in soup.find(id=links["to two"]).get_text()
    assert soup.find(id=links["back"]).get_text().startswith("Words.")
    assert links["back"] == links["here"] != links["to two"]
    assert soup.find(id=links["to one"]).h2.get_text() == "Page one"


def test_what_cannot_be_followed_on_paper_keeps_its_words(soup: BeautifulSoup) -> None:
    text = soup.main.get_text()
    assert "explorer" in text and "nowhere" in text and "Menu" not in text and "For the screen" not in text
    assert soup.select("main script, .headerlink") == []


def test_headings_folds_and_pictures(soup: BeautifulSoup) -> None:
    assert [h.get_text() for h in soup.select(".print-part h1")] == ["First part", "Last part"]
    assert [h.get_text() for h in soup.select("main h3")] == ["Below"]
    assert all(tag.has_attr("open") for tag in soup.select("details"))
    assert {tag["src"] for tag in soup.select("img")} == {"_images/a.svg"}


def test_the_pdf_is_tagged_and_names_itself(pdf: PdfReader) -> None:
    root = pdf.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] and "/StructTreeRoot" in root
    assert root["/Lang"] == "en-GB" and pdf.metadata.title == TITLE


def test_the_pdf_has_an_outline_with_the_parts_on_top(pdf: PdfReader) -> None:
    top = [entry.title for entry in pdf.outline if not isinstance(entry, list)]
    below = [
        entry.title
        for group in pdf.outline
        if isinstance(group, list)
        for entry in group
        if not isinstance(entry, list)
    ]
    assert {"First part", "Last part"} <= set(top) and "Page one" not in top
    assert {"Page one", "Page two", "Page three"} <= set(below)


def test_links_within_the_pdf_lead_to_places_in_it(pdf: PdfReader) -> None:
    places = pdf.named_destinations
    inner = [link["/Dest"] for link in links_of(pdf) if "/Dest" in link]
    assert len(inner) >= 8
    named = [str(place).removeprefix("/") for place in inner if not isinstance(place, list)]
    assert [name for name in named if name not in places and f"/{name}" not in places] == []


def test_links_to_the_outside_stay_and_none_leads_to_this_machine(pdf: PdfReader) -> None:
    outer = {link["/A"]["/URI"] for link in links_of(pdf) if "/URI" in link.get("/A", {})}
    assert outer == {"https://example.org/a"}


def test_the_words_are_there_and_what_was_folded_too(pdf: PdfReader) -> None:
    text = "\n".join(page.extract_text() for page in pdf.pages)
    assert all(words in text for words in ("Ann Other", "Contents", "Folded words.", "Page three", "wide"))


def test_the_print_leaves_nothing_in_the_built_book(pdf: PdfReader, root: Path) -> None:
    assert not (root / "html/print.html").exists()


def test_a_lost_picture_is_said(browser: Any, root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "toy")
    (tmp_path / "toy/html/_images/a.svg").unlink()
    with pytest.raises(CompanionError, match="_images/a.svg"):
        make_pdf(tmp_path / "toy", tmp_path / "toy/html", tmp_path / "book.pdf", browser=browser)


def test_a_page_that_is_not_built_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(CompanionError, match="index.html"):
        print_page(root, tmp_path)
