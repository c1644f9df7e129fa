"""Digits in prose: what counts as a number, what is exempt, and that the book has none without a role."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import toy_book

from companion.book.prose import page_prose
from companion.book.toc import listed
from companion.book.typed_numbers import NAMES, is_number, numbers, survey
from companion.cli import main

ROOT = Path(__file__).parents[3]

EXEMPT = r"""---
myst:
  html_meta:
    description: Page 11 of 12.
---

# PDE-Net 2.0, and a title

%  a comment with 13

(sec-14)=
Code `x = 15`, mathematics $k=16$, a role {ours}`toy.order.euler:.17f`, {term}`words of 18 <eighteen>`,
{cite:p}`doe2019`. A [link](page20.md#sec-21), an address https://example.org/22?x=23, another
<doi:10.24/24>, $25$-point.
CIFAR-10, BM3D, ℓ2, L², PGD-20, float64, `PDE-Net` and PDE-Net
2.0 (Table 3, Tables 4, 5 and 6, exercise 7, Section 8.1) are names. <!-- 26 -->

1. An item.
2. Another item.

$$
27 = 28
$$ (eq-29)

```{math}
:label: eq-30
31
```

```python
print(32)
```

    indented = 33

```{code-cell} python
---
mystnb:
  image:
    alt: Four lines of slope 34
  figure:
    caption: Words alone, and $k=35$.
    name: fig-36
tags: [hide-input]
---
print(37)
```

```{symbols} k, 38
```

::::{grid} 1 1 3 3
:gutter: 3

:::{admonition} 1. An exercise
:class: dropdown-39

Words.
:::
::::

![A picture of 40](picture41.png)
"""

CAUGHT = [
    ("Some 30 steps.", 1, "30"),
    ("Some words\nand 2\nwords.", 2, "2"),
    ("At 95 % of them.", 1, "95 %"),
    ("A share of 1/10.", 1, "1/10"),
    ("Images of 2 × 2 pixels.", 1, "2 × 2"),
    ("An error of 10⁻³.", 1, "10⁻³"),
    ("Order ½.", 1, "½"),
    ("Over 1,000 steps.", 1, "1,000"),
    ("At level 25…55.", 1, "25…55"),
    ("The 5-point stencil.", 1, "5"),
    ("At *most **7** of* them.", 1, "7"),
    ("[the 8 seeds](page.md)", 1, "8"),
    ("Of $k$ and 9 more.", 1, "9"),
    ("With n=11 now.", 1, "11"),
    ("| a | b |\n|---|---|\n| 12 | c |", 3, "12"),
    ("- words\n  - in a list, 13", 2, "13"),
    ("> quoted, 14", 1, "14"),
    ("```{admonition} Title of 15\nWords.\n```", 1, "15"),
    ("```{note}\n:class: tip\n\nBody of 16.\n```", 4, "16"),
    (":::{prf:proof}\n:label: x\n\nBody.\n\n```{list-table}\n* - cell\n  - 17\n```\n:::", 8, "17"),
    ("```{figure} picture.png\n---\nname: fig\n---\nA caption of 18.\n```", 5, "18"),
    ("```{code-cell} python\n---\nmystnb:\n  figure:\n    caption: A caption of 19.\n---\nx = 20\n```", 5, "19"),
    ("```{widget} drag\n:fallback: Look at 21.\n\nA caption.\n```", 2, "21"),
    ("```{glossary}\nterm\n    Words.\n\n    Defined by 22.\n```", 5, "22"),
    ("term\n: Defined by 23.", 2, "23"),
    ("```{not-known} of 24\n```", 1, "24"),
    ("Figure 3 and 25 seeds.", 1, "25"),
    ("PDE-Net 2.05 is none.", 1, "2.05"),
    ("{ours}`toy.a` and 26.", 1, "26"),
    ("{ours}`toy\n27`\n27", 3, "27"),
    ("`code\n27`\n27", 3, "27"),
    ("An address https://example.org/1 and 28.", 1, "28"),
]


TOC = """root: book/index
parts:
  - caption: Words
    chapters:
      - file: book/a
        sections: [{file: book/b}]
"""


@pytest.fixture
def book(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "_toc.yml").write_text(TOC, encoding="utf-8")
    for name in ("index", "a", "b"):
        (tmp_path / f"book/{name}.md").write_text("# Words\n", encoding="utf-8")
    return tmp_path


def write(book, text, name="b"):
    (book / f"book/{name}.md").write_text(text, encoding="utf-8")
    return survey(book)


def test_pages_are_those_of_the_table_of_contents(book):
    assert [page.name for page in listed(book)] == ["book/index", "book/a", "book/b"]
    (book / "book/other.md").write_text("At 30.", encoding="utf-8")
    assert survey(book).problems == ()
    (book / "book/b.md").unlink()
    assert survey(book).problems == ("_toc.yml: expected the page book/b.md, found no such file",)


def test_names_mathematics_code_roles_and_addresses_hold_no_numbers(book):
    assert write(book, EXEMPT).problems == ()


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_the_list_is_needed(name):
    assert list(numbers(f"With {name}.")) == []
    assert list(numbers(f"With {name.split()[-1]}."))


@pytest.mark.parametrize(("text", "line", "number"), CAUGHT, ids=[number for _, _, number in CAUGHT])
def test_a_digit_typed_into_prose_is_caught(book, text, line, number):
    found = write(book, text).problems
    assert len(found) == 1, found
    assert found[0].startswith(
        f"book/b.md:{line}: expected a role for the number {number!r} "
        "(given, ours, noted, paper-says), found it typed in "
    )


def test_marks_exempt_and_nothing_else(book):
    """The same page without the marks of code, mathematics, roles, addresses and front matter has problems."""
    bare = re.sub(r"[`$<>{}]|^---$|^    |https?://|\]\(\S*\)", " ", EXEMPT, flags=re.MULTILINE)
    assert len(write(book, bare).problems) == 20


def test_a_heading_holds_no_number(book):
    found = write(book, "# Words\n\n## At 30 and 40\n").problems
    assert found[0] == (
        "book/b.md:3: expected a heading without the number '30', found 'At 30 and 40'; say it in "
        "words, since no role stands in a heading"
    )
    assert len(found) == 2


def test_given_numbers_are_counted_by_page(book):
    write(book, "From {given}`1` to {given}`2`.\n\n```{note}\nAt {given}`95 %`.\n```\n", "a")
    found = write(book, "| {given}`3` | {ours}`x.y` |\n|---|---|\n")
    assert (found.problems, found.total) == ((), 4)
    assert found.given == {"book/index.md": 0, "book/a.md": 3, "book/b.md": 1}


@pytest.mark.parametrize(
    "text", ["30", "95 %", "1/10", "2 × 2", "10⁻³", "25…55", "½", "−1", "1,000", "0.1 %", "1–4", "+3.5", "1½"]
)
def test_what_a_given_number_may_be(text):
    assert is_number(text)
    assert [number for _, number in numbers(f"at {text} of")] == [text]


@pytest.mark.parametrize("text", ["thirty", "", "…", "30 steps", "about 30"])
def test_what_a_given_number_may_not_be(text):
    assert not is_number(text)


def test_check_ledger_names_typed_numbers(toy, capsys):
    (toy / "_toc.yml").write_text("root: book/toy/euler\n", encoding="utf-8")
    toy_book.edit(toy, "book/toy/euler.md", "Prose.", "Prose of 30 words.")
    assert main(["check-ledger", "--root", str(toy)]) == 2
    assert "expected a role for the number '30'" in capsys.readouterr().err
    toy_book.edit(toy, "book/toy/euler.md", "of 30", "of {given}`30`")
    assert main(["check-ledger", "--root", str(toy)]) == 0
    assert ", 1 given number in prose: no problems" in capsys.readouterr().out


def test_the_book_has_no_typed_number():
    found = survey(ROOT)
    assert found.problems == ()
    assert (
        found.total
        == sum(
            len(re.findall(r"\{given\}`", (ROOT / f"{page.name}.md").read_text(encoding="utf-8")))
            for page in listed(ROOT)
        )
        > 100
    )


def test_the_prose_of_the_book_is_seen():
    """Words of paragraphs, tables, captions, titles and glossary entries come out; code does not."""
    names = [f"{page.name}.md" for page in listed(ROOT)]
    text = {name: " ".join(piece.text for piece in page_prose(ROOT / name).pieces) for name in names}
    assert "Energy of the pendulum over" in text["book/schemes/orders.md"]  # a caption of a cell
    assert "The interval straddles the border" in text["book/verdicts.md"]  # a cell of a list-table
    assert "with weights that do not" not in text["book/schemes/orders.md"]
    assert "A convolutional denoiser of" in text["book/glossary.md"]
    assert "import torch" not in " ".join(text.values())


def test_linting_imports_no_torch():
    code = (
        "import sys; from companion.cli import main; main(['check-ledger']); "
        "assert not {'torch', 'contdepth'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
