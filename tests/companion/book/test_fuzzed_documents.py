"""Ledgers, ``runs.yml`` and parameters with odd contents: they are read, or one sentence says what is wrong.

``CONTDEPTH_FUZZ=2000`` takes that many examples of each.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import toy_book
import yaml
from fuzz.budget import fuzzed
from hypothesis import given
from hypothesis import strategies as st

from companion.book.ledger import load_ledger
from companion.book.pages import find_page, load_runs
from companion.book.parameters import merge, parse_value, read_defaults
from companion.errors import CompanionError

FEW = 150
READERS = {"claims.yml": (toy_book.CLAIMS, load_ledger), "runs.yml": (toy_book.RUNS, load_runs)}

odd = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        3,
        10**30,
        0.5,
        float("nan"),
        float("inf"),
        "",
        " ",
        "text",
        "toy",
        "toy.euler.order",
        "\u00e9\u2028",
        "a: b",
        "[",
        [],
        [1, 2],
        [2, 1],
        [None],
        ["steps"],
        [[], {}],
        {},
        {"a": 1},
        {"equals": 1},
        {"below": "x"},
        {"value": None, "source": []},
    ]
).map(deepcopy)
pieces = st.sampled_from(
    [
        "!!int abc",
        "!!float abc",
        "!!timestamp abc",
        "!!bool abc",
        "!!binary 'a'",
        "!!set {a}",
        "!!omap [a]",
        "!!pairs [a]",
        "!!null abc",
        "!unknown x",
        "!!python/none",
        "&a [*a]",
        "*nowhere",
        "<<: {a: 1}",
        "<<: 1",
        "? [1]\n: 2",
        "? {a: b}\n: 2",
        "1: 2",
        "- - -",
        "{",
        "]",
        "'",
        '"\\x"',
        "|",
        ">9",
        "\t",
        "\0",
        "\ufeff",
        "\x7f",
        "---\n",
        "...\n",
        "%YAML 9.9\n",
        "%TAG ! x\n",
        "#",
        ": ",
        "\n",
        " ",
        "1e999",
        ".nan",
        "-.inf",
        "0x1F",
        "9" * 400,
        "[" * 60 + "]" * 60,
    ]
)


def places(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [where] * bool(where) + [place for key, inner in items for place in places(inner, (*where, key))]


@st.composite
def changed_tree(draw: st.DrawFn, text: str) -> bytes:
    """The document with one to three of its values replaced, left out or doubled, or with a key more."""
    data = yaml.safe_load(text)
    for _ in range(draw(st.integers(1, 3))):
        all_places = places(data)
        if not all_places:
            break
        *above, last = all_places[draw(st.integers(0, len(all_places) - 1))]
        parent = data
        for key in above:
            parent = parent[key]
        kind = draw(st.integers(0, 5))
        if kind == 0:
            del parent[last]
        elif kind == 1 and isinstance(parent, list):
            parent.append(parent[last])
        elif kind == 1:
            parent[draw(st.sampled_from(["no such key", "", "id", "verdict", "range", "profile"]))] = draw(odd)
        else:
            parent[last] = draw(odd)
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False).encode()


@st.composite
def changed_text(draw: st.DrawFn, text: str) -> bytes:
    """The text with one to three pieces put in or in the place of some characters; or bytes that are no text."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.sampled_from([0, 0, 1, 5, 40]))
        text = text[:start] + draw(st.one_of(pieces, st.text(max_size=3))) + text[start + length :]
    content = text.encode("utf-8", "surrogatepass")
    return content[:-1] + b"\xff\xfe" if draw(st.integers(0, 19)) == 0 else content


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_book.build(tmp_path_factory.mktemp("fuzz") / "repository")


@pytest.mark.parametrize("way", [changed_tree, changed_text])
@pytest.mark.parametrize("file", READERS)
def test_a_document_is_read_or_refused_in_sentences(root: Path, file: str, way: Any) -> None:
    text, read = READERS[file]
    path = root / "book" / "toy" / file

    @fuzzed(FEW)
    @given(way(text))
    def one(content: bytes) -> None:
        path.write_bytes(content)
        try:
            read(root, "toy")
        except CompanionError as error:
            assert str(error)

    try:
        one()
    finally:
        path.write_text(text, encoding="utf-8")


values = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            "[1, 2]",
            "{}",
            "{1: 2}",
            "{[1]: 2}",
            "{{}}",
            "{[]}",
            "b'x'",
            "1j",
            "1e999",
            "-1e999",
            "nan",
            "None",
            "True",
            "...",
            "()",
            "(1,)",
            "f(1)",
            "a.b",
            "1 +",
            "1 + 2j",
            "-'a'",
            "not 1",
            "\0",
            "\\",
            "'",
            "9" * 5000,
            "[" * 150 + "]" * 150,
            "-" * 50 + "1",
            "'\\ud800'",
            " 1",
            "1\n",
            "[40, 80]",
            "0.25",
            "set()",
        ]
    ),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=2), inner, max_size=2)
        ),
        max_leaves=5,
    ).map(repr),
)


@fuzzed(FEW)
@given(st.sampled_from(["steps", "width", "profile", "no such", ""]), values)
def test_a_parameter_is_taken_or_refused_in_a_sentence(name: str, text: str) -> None:
    defaults = {"profile": "book", "steps": [40, 80], "width": 0.5, "free": None, "table": {"a": 1}}
    kept = repr(defaults)
    try:
        merge(defaults, {name: parse_value(text)}, "page toy/euler")
    except CompanionError as error:
        assert str(error)
    assert repr(defaults) == kept


@fuzzed(FEW)
@given(st.lists(values, min_size=1, max_size=2), st.sampled_from(["", "steps = ", "steps: int = ", "a = b = "]))
def test_a_parameters_cell_is_read_or_refused_in_a_sentence(texts: list[str], before: str) -> None:
    try:
        read_defaults("\n".join(before + text for text in texts), "book/toy/euler.md")
    except CompanionError as error:
        assert str(error)


@fuzzed(FEW)
@given(
    st.one_of(
        st.text(max_size=12), st.sampled_from(["toy/", "/", "toy/../toy/euler", "toy/\0", "toy/euler/", "."])
    )
)
def test_a_page_is_found_or_refused_in_a_sentence(root: Path, name: str) -> None:
    try:
        assert find_page(root, name).id == name
    except CompanionError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("!!int abc", "expected YAML without tags of types"),
        ("!!float abc", "expected YAML without tags of types"),
        ("!!timestamp abc", "expected YAML without tags of types"),
        ("[" * 30 + "&a [1]" + "]" * 30, "expected text"),
    ],
)
def test_a_value_that_is_not_what_its_tag_says_is_refused(root: Path, value: str, said: str) -> None:
    path = root / "book" / "toy" / "claims.yml"
    path.write_text(toy_book.CLAIMS.replace("title: Toys", f"title: {value}"), encoding="utf-8")
    try:
        with pytest.raises(CompanionError, match=said):
            load_ledger(root, "toy")
    finally:
        path.write_text(toy_book.CLAIMS, encoding="utf-8")


def test_aliases_of_aliases_are_not_followed_for_ever(root: Path) -> None:
    path = root / "book" / "toy" / "claims.yml"
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))]
    path.write_text(toy_book.CLAIMS + "\n".join(lines) + "\n", encoding="utf-8")
    try:
        with pytest.raises(CompanionError, match="expected at most 100000 values, found more; use fewer aliases"):
            load_ledger(root, "toy")
    finally:
        path.write_text(toy_book.CLAIMS, encoding="utf-8")


@pytest.mark.parametrize("text", ["{{}}", "{[]}", "{[1]: 2}", "[" * 150 + "]" * 150])
def test_what_is_no_literal_is_text(text: str) -> None:
    assert parse_value(text) == text or text.startswith("[[")
