"""Rerun and cite on a toy book: variations, notebooks that install themselves, BibTeX."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from sphinx_toy import VARIATIONS, build, built, edit, page_text, write_book, write_run

from companion.errors import DocumentError
from companion.run.variations import load_variations, results_of
from companion.sphinxext.claims.cite import chapter_entry, entry_text
from companion.sphinxext.store import Store
from companion.sphinxext.stored.plain import Plain

SITE = "https://example.org/toy"
PAGE = """\
# Change one thing

What if the steps are finer?

```{variation} finer
```

```{cite-chapter}
:chapter: toy
```
"""


def with_variation(root: Path, *, order: float = 1.2) -> Path:
    """Add a variation with a stored run to the toy book, and a page that shows it."""
    (root / "book/variations.yml").write_text(VARIATIONS, encoding="utf-8")
    (root / "book/toy/change.md").write_text(PAGE, encoding="utf-8")
    last = "      - file: book/toy/claims\n"
    edit(root / "_toc.yml", last, last + last.replace("claims", "change"))
    write_run(root, "book", order=order, overrides={"steps": [80, 160]}, results=root / "results/variations/finer")
    return root


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy book with a variation, built once inside a repository."""
    root = with_variation(write_book(tmp_path_factory.mktemp("toy")))
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "Toy"],
    ):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    return built(root)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_a_variation_shows_command_time_and_both_figures(book: Path) -> None:
    text = words(page_text(book, "book/toy/change"))
    assert "companionruntoy/orders-p'steps=[80,160]'--out_build/finer" in text.replace(" ", "")
    assert "Took 3.1 min on cpu, 2 threads, Toy CPU, 21 November 2026." in text
    assert "As on the page (40, 80) With steps = 80, 160" in text
    assert "1.012 ✓ reproduced 1.2 ✗ not reproduced" in text
    assert "$u + h f(u)$" not in text and r"\(u + h f(u)\)" in text  # the statement's mathematics is set


def test_the_variations_command_makes_that_run(book: Path) -> None:
    """The command line takes what the page shows: names, literals, and a page."""
    from companion.book.parameters import parse_value

    variation = load_variations(book)["finer"]
    name, value = re.search(r"-p '(\w+)=(.*?)'", variation.command).groups()
    assert {name: parse_value(value)} == variation.parameters
    assert results_of(variation) == book / "results/variations/finer"
    assert variation.reasons() == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("finer\n    page", "finer\n    profil: x\n    page", "did you mean 'profile'"),
        ("toy/orders", "toy/odrers", "did you mean 'toy/orders'"),
        ("steps: [80, 160]", "step: [80, 160]", "did you mean 'steps'"),
        ("steps: [80, 160]", "steps: [40, 80]", "expected a change of the profile's parameters"),
        ("toy.order.euler", "toy.order.heun", "toy.order.heun"),
        ("toy.order.euler", "toy.imagenet", "expected claims that toy/orders checks at book"),
    ],
)
def test_broken_variations_are_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    root = with_variation(write_book(tmp_path))
    edit(root / "book/variations.yml", old, new)
    with pytest.raises(DocumentError) as caught:
        load_variations(root)
    assert len(caught.value.problems) == 1 and caught.value.problems[0].startswith("book/variations.yml")
    assert re.search(sentence, caught.value.problems[0])


def test_a_variation_goes_stale_with_the_library(tmp_path: Path) -> None:
    root = with_variation(write_book(tmp_path))
    edit(root / "lib/contdepth/toy.py", "return 1.0", "return 2.0")
    assert load_variations(root)["finer"].reasons() == ["contdepth.toy:slope changed since the run"]


def test_a_variation_without_a_run_says_how_to_make_one(tmp_path: Path) -> None:
    root = with_variation(write_book(tmp_path))
    edit(root / "book/variations.yml", "id: finer", "id: other")
    edit(root / "book/toy/change.md", "{variation} finer", "{variation} other")
    done = build(root)
    sentence = "other: no run of it is stored; run: .venv/bin/companion vary other"
    assert done.returncode != 0 and sentence in done.stderr


def test_notebooks_install_the_commit_they_belong_to(book: Path) -> None:
    commit = subprocess.run(
        ["git", "-C", str(book), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    notebook = json.loads((book / "_build/html/notebooks/toy/orders.ipynb").read_text("utf-8"))
    first, install, *rest = notebook["cells"]
    assert first["cell_type"] == "markdown" and install["cell_type"] == "code"
    lines = "".join(install["source"]).splitlines()
    assert lines == [
        "import pathlib",
        "",
        'if not pathlib.Path("book").is_dir():',
        "    !git clone --quiet https://github.com/contdepth/companion companion",
        "    %cd -q companion",
        f"!git checkout --quiet {commit}",
        '%pip install --quiet ".[run,peers,fast]"',
    ]
    stored = json.loads((book / "results/book/toy/orders.ipynb").read_text("utf-8"))
    code = [cell for cell in rest if cell["cell_type"] == "code"]
    assert [cell["source"] for cell in code] == [
        cell["source"] for cell in stored["cells"] if cell["cell_type"] == "code"
    ]
    assert [len(cell["outputs"]) for cell in code] == [
        len(cell["outputs"]) for cell in stored["cells"] if cell["cell_type"] == "code"
    ]
    shown = json.dumps([cell["outputs"] for cell in code])
    assert 'href=\\"https://contdepth.github.io/companion/book/toy/claims.html#claim-toy-gap' in shown
    assert 'href=\\"claims.html' not in shown and "toy.gap: undecided (book)" in shown and "measured" not in shown
    page = page_text(book, "book/toy/orders")
    where = f"{commit}?urlpath=lab/tree/results/book/toy/orders.ipynb"
    assert f"mybinder.org/v2/gh/contdepth/companion/{where}" in page


def test_notebooks_read_as_plain_markdown(book: Path) -> None:
    notebook = json.loads((book / "_build/html/notebooks/toy/orders.ipynb").read_text("utf-8"))
    text = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert "Euler has order 1.012, the paper says 1†." in text and "{" not in re.sub(r"\$.*?\$", "", text)
    assert "book/toy/claims.html#claim-toy-gap) (undecided)" in text and "We noted 97.2 % and 97.25." in text


def test_plain_text_of_roles_and_directives(book: Path) -> None:
    plain = Plain(Store(book), "toy/orders", SITE)
    assert plain.text("{doc}`concept` {doc}`the start <../index>` {doc}`/book/toy/claims`") == (
        f"[concept]({SITE}/book/toy/concept.html) [the start]({SITE}/book/index.html) "
        f"[claims]({SITE}/book/toy/claims.html)"
    )
    assert plain.text("{cite:t}`doe2020`, {term}`orders <order>`") == "Doe (2020), orders"
    assert plain.text("At {given}`95 %` and\n{given}`2\n`; {counted}`given`.") == "At 95 % and\n2; 4."
    assert plain.text("{ours}`toy.nothing:.2f`, {noted}`nothing`, {cite:t}`roe2020`") == (
        "toy.nothing:.2f, nothing, roe2020"
    ), "what cannot be resolved keeps its text"
    theorem = "(thm)=\n:::{prf:theorem} Rate\n:label: rate\n\nFor $p$, see {claim}`toy.gap`.\n:::\nAfter."
    assert plain.text(theorem).splitlines() == [
        "> **Rate**",
        ">",
        f"> For $p$, see [toy.gap]({SITE}/book/toy/claims.html#claim-toy-gap) (undecided).",
        "",
        "After.",
    ]
    assert plain.text("```{provenance}\n```\nA\n```{math}\n:label: x\na = b\n```") == "A\n$$\na = b\n$$"
    assert "paper table stands here [on the page]" in plain.text("```{paper-table} A-1\n```")
    assert plain.text("```python\nx = {}\n```") == "```python\nx = {}\n```"
    assert plain.text("$$\na = b\n$$ (eq-x)\n\n$$a$$ (eq-y)\nA") == "$$\na = b\n$$\n\n$$a$$\nA"


def test_labels_become_links_to_the_published_page(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    (root / "book/toy/labels.md").write_text(
        "(long-time)=\n## The whole horizon\n\n$$\na = b\n$$ (eq-x)\n\n```{math}\n:label: eq-y\nb = c\n```\n\n"
        ":::{prf:proposition} Rate\n:class: tip\n:label: prop-rate\nIt holds.\n:::\n\n"
        "```{code-cell}\n---\nmystnb:\n  figure:\n    name: fig-rate\n---\nplot()\n```\n",
        encoding="utf-8",
    )
    plain, page = Plain(Store(root), "toy/orders", SITE), f"{SITE}/book/toy/labels.html"
    for source, text in (
        ("Slopes of {eq}`eq-x`.", f"Slopes of [the equation]({page}#equation-eq-x)."),
        ("{eq}`eq-y` holds.", f"[The equation]({page}#equation-eq-y) holds."),
        ("By the bound {eq}`eq-y` it ends.", f"By the bound ([equation]({page}#equation-eq-y)) it ends."),
        ("It ends. {prf:ref}`prop-rate` says why.", f"It ends. [The proposition]({page}#prop-rate) says why."),
        ("See {numref}`fig-rate`.", f"See [the figure]({page}#fig-rate)."),
        (
            "See {ref}`long-time`, {ref}`later <long-time>`.",
            f"See [The whole horizon]({page}#long-time), [later]({page}#long-time).",
        ),
        ("By {eq}`eq-z` and {ref}`nowhere`, {ref}`there <nowhere>`.", "By the equation and nowhere, there."),
    ):
        assert plain.text(source) == text


def test_bibtex_of_paper_and_chapter(book: Path) -> None:
    text = words(page_text(book, "book/toy/change"))
    assert "@article{doe2020" in text.replace(" ", "") and "contdepth-toy" in text
    assert "https://contdepth.github.io/companion/book/toy/index.html" in text.replace(" ", "")


def test_an_entry_ends_with_its_own_brace() -> None:
    source = "@book{a, title={A {B} c},\n year={1}\n}\n@book{ab, title={x}}"
    assert entry_text(source, "a") == "@book{a, title={A {B} c},\n year={1}\n}"
    assert entry_text(source, "ab") == "@book{ab, title={x}}" and entry_text(source, "b") is None


def test_the_entries_are_bibtex(book: Path) -> None:
    from pybtex.database import parse_string

    ledger = Store(book).ledgers["toy"]
    entry = chapter_entry(ledger, authors="The toys", year="2026", version="0.1.0", site=SITE, book="A book")
    (parsed,) = parse_string(entry, "bibtex").entries.values()
    assert parsed.fields["url"] == f"{SITE}/book/toy/index.html"
    assert str(parsed.persons["author"][0]) == "{The toys}"
