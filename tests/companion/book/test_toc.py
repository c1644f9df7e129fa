"""The table of contents: pages in their order, captions of parts, and the order of chapters."""

import pytest

from companion.book.toc import Listed, captions, chapters, listed
from companion.errors import DocumentError

TOC = """\
format: jb-book
root: book/index
parts:
  - caption: Second by name
    chapters:
      - file: book/zeta/index
        sections:
          - file: book/zeta/deep
          - url: https://example.org
  - chapters: [{file: book/alpha/one}]
"""


@pytest.fixture
def book(tmp_path):
    for name in ("alpha", "beta", "zeta", "without"):
        (tmp_path / "book" / name).mkdir(parents=True)
    for name in ("alpha", "beta", "zeta"):
        (tmp_path / "book" / name / "runs.yml").touch()
    (tmp_path / "_toc.yml").write_text(TOC, encoding="utf-8")
    return tmp_path


def test_pages_stand_in_the_order_of_the_file(book):
    assert listed(book) == (
        Listed("book/index"),
        Listed("book/zeta/index", "Second by name"),
        Listed("book/zeta/deep", "Second by name"),
        Listed("book/alpha/one"),
    )


def test_a_part_without_a_caption_goes_by_its_folder(book):
    assert captions(book) == {"zeta": "Second by name", "alpha": "alpha"}


def test_chapters_that_are_not_listed_come_last(book):
    assert chapters(book) == ["zeta", "alpha", "beta"]


def test_without_the_file_chapters_go_by_name(book):
    (book / "_toc.yml").unlink()
    assert (listed(book), chapters(book)) == ((), ["alpha", "beta", "zeta"])


def test_a_file_that_is_no_yaml_is_said(book):
    (book / "_toc.yml").write_text("parts: [", encoding="utf-8")
    with pytest.raises(DocumentError, match="_toc.yml"):
        chapters(book)
