"""The changed statements between two states of the library: where they stand, and of what kind they are."""

from __future__ import annotations

import shutil

import pytest
import toy_book
from toy_book import edit

from companion.book.pages import find_page
from companion.freshness.changes import changes

HELPERS = '''import math

SCALE = 2
NAMES = ("a", "b")


def twice(x, factor=SCALE):
    """Return it."""
    if x is None:
        message = "nothing"
        raise ValueError(message)
    try:
        if x > 1e9:
            raise OverflowError
    except OverflowError:
        x = math.inf
    for name in NAMES:
        y = (
            factor
            * x
        )
    return y
'''


@pytest.fixture
def two(tmp_path):
    """Two equal repositories."""
    one = toy_book.build(tmp_path / "one")
    (one / "lib/contdepth/helpers.py").write_text(HELPERS)
    return one, shutil.copytree(one, tmp_path / "two")


def found(two):
    pages = [find_page(root, "toy/heun") for root in two]
    return changes(*two, *pages)


def lines(side):
    return [(line.first, line.last, line.kind, line.text) for line in side]


def test_nothing_changed(two):
    edit(two[1], "lib/contdepth/helpers.py", '"""Return it."""', "# said otherwise")
    assert found(two) == changes(two[0], two[0], *[find_page(two[0], "toy/heun")] * 2)
    assert found(two).symbols == found(two).old == found(two).new == ()


def test_a_statement_is_found_with_its_lines(two):
    edit(two[1], "lib/contdepth/helpers.py", "factor\n            * x", "x\n            * factor")
    result = found(two)
    assert result.symbols == ("contdepth.helpers:twice",) and result.values == ()
    assert lines(result.old) == lines(result.new) == [(18, 21, "runs", "y = (")]
    assert result.new[0].path == "contdepth/helpers.py"


def test_heads_of_compound_statements_count_alone(two):
    edit(two[1], "lib/contdepth/helpers.py", "for name in NAMES:", "for name in NAMES[:]:")
    assert lines(found(two).new) == [(17, 17, "runs", "for name in NAMES[:]:")]


def test_what_can_only_raise(two):
    edit(two[1], "lib/contdepth/helpers.py", '"nothing"', '"none"')
    edit(two[1], "lib/contdepth/helpers.py", "raise OverflowError", "raise OverflowError(x)")
    result = found(two)
    assert lines(result.new) == [
        (10, 10, "raises", 'message = "none"'),
        (14, 14, "runs", "raise OverflowError(x)"),
    ]


def test_a_handler_and_a_call_that_never_returns_can_only_raise(two):
    helpers = "def refuse(x) -> NoReturn:\n    raise ValueError(x)\n\n\ndef accept(x):\n    return x\n\n\n"
    for root in two:
        edit(root, "lib/contdepth/helpers.py", "import math", "import math\nfrom typing import NoReturn")
        edit(root, "lib/contdepth/helpers.py", "def twice", f"{helpers}def twice")
    checked = """        raise ValueError(message)
    try:
        x + 0
    except TypeError:
        refuse("a number")
    if x < -1:
        refuse(x)
    if x < -2:
        accept(refuse)
"""
    edit(two[1], "lib/contdepth/helpers.py", "        raise ValueError(message)\n", checked)
    kinds = {line.text: line.kind for line in found(two).new}
    raises = {"except TypeError:", 'refuse("a number")', "if x < -1:", "refuse(x)", "raise ValueError(x)"}
    assert {text for text, kind in kinds.items() if kind == "raises"} == raises
    assert kinds["accept(refuse)"] == kinds["try:"] == kinds["x + 0"] == "runs"


CHECKED = """
    checks.real("x", x)
    checks.real("x", len(checks.pair("x", x.shape)))
    for one in x.parts:
        checks.real("parts", one)
        if one < 0 and not isinstance(one, int):
            raise ValueError(one)
    checks.real("x", x.pop())
    checks.warn(x)
    x = checks.real("x", x)
    for one in next(x):
        checks.real("parts", one)
    if x < 3:
        checks.real("x", x)
        x = 4
"""


def test_checks_whose_value_goes_nowhere_can_only_raise(two):
    module = "\n\n".join(
        f"def {name}(argument, value=0):\n    return value\n" for name in ("real", "pair", "warn")
    )
    for root in two:
        (root / "lib/contdepth/checks.py").write_text(module)
        edit(root, "lib/contdepth/helpers.py", "import math", "import math\nfrom contdepth import checks")
        edit(
            root,
            "lib/contdepth/helpers.py",
            "return y",
            "checks.real(y)\n    checks.pair(y)\n    checks.warn(y)\n    return y",
        )
    edit(two[1], "lib/contdepth/helpers.py", '    """Return it."""', f'    """Return it."""{CHECKED}')
    kinds = [(line.text, line.kind) for line in found(two).new]
    assert kinds == [
        ('checks.real("x", x)', "raises"),
        ('checks.real("x", len(checks.pair("x", x.shape)))', "raises"),
        ("for one in x.parts:", "raises"),
        ('checks.real("parts", one)', "raises"),
        ("if one < 0 and not isinstance(one, int):", "raises"),
        ("raise ValueError(one)", "raises"),
        ('checks.real("x", x.pop())', "runs"),
        ("checks.warn(x)", "runs"),
        ('x = checks.real("x", x)', "runs"),
        ("for one in next(x):", "runs"),
        ('checks.real("parts", one)', "raises"),
        ("if x < 3:", "runs"),
        ('checks.real("x", x)', "raises"),
        ("x = 4", "runs"),
    ]


def test_a_check_that_one_side_alone_has_is_told_apart(two):
    check = "def real(argument, value):\n    return value\n"
    for root in two:
        edit(root, "lib/contdepth/helpers.py", "import math", "import math\nfrom contdepth import checks")
        edit(root, "lib/contdepth/helpers.py", "return y", 'checks.real("y", y)\n    return y')
    (two[0] / "lib/contdepth/checks.py").write_text(check)
    new = "\n\ndef few(argument, value):\n    value = value[:3]\n    return value\n"
    (two[1] / "lib/contdepth/checks.py").write_text(check.replace("return value", "return 1 * value") + new)
    edit(two[1], "lib/contdepth/helpers.py", "return y", 'checks.few("y", y)\n    return y')
    assert [(line.text, line.kind) for line in found(two).new] == [
        ("return 1 * value", "runs"),
        ('checks.few("y", y)', "raises"),
        ("def few(argument, value):", "imports"),
        ("value = value[:3]", "check"),
        ("return value", "check"),
    ]


def test_a_moved_and_changed_function_is_compared_with_the_old_one(two):
    source = (two[1] / "lib/contdepth/helpers.py").read_text()
    (two[1] / "lib/contdepth/helpers.py").unlink()
    (two[1] / "lib/contdepth/tools.py").write_text("# moved\n" + source.replace("return y", "return y + 0"))
    edit(two[1], "lib/contdepth/schemes/heun.py", "contdepth.helpers", "contdepth.tools")
    result = found(two)
    assert lines(result.old) == [(22, 22, "runs", "return y")]
    assert lines(result.new) == [(23, 23, "runs", "return y + 0")]
    assert result.symbols == ("contdepth.helpers:twice", "contdepth.tools:twice")


def test_another_function_of_the_same_name_is_a_change(two):
    """Both stay as they are; the statement that calls one of them now calls the other."""
    for root in two:
        (root / "lib/contdepth/other.py").write_text("def twice(x):\n    return x + x\n")
        edit(
            root,
            "book/toy/heun.md",
            "slope(3)",
            "slope(__import__('contdepth.helpers') and __import__('contdepth.other') and 3)",
        )
    edit(two[1], "lib/contdepth/schemes/heun.py", "contdepth.helpers", "contdepth.other")
    result = found(two)
    assert [line.text for line in result.old] == [line.text for line in result.new] == ["return twice(1.0)"]


def test_a_new_function_counts_with_all_its_statements_and_one_that_is_gone_too(two):
    edit(two[1], "lib/contdepth/helpers.py", "        x = math.inf\n", "        x = infinite()\n")
    (two[1] / "lib/contdepth/helpers.py").write_text(
        (two[1] / "lib/contdepth/helpers.py").read_text() + "\n\ndef infinite():\n    return math.inf\n"
    )
    result = found(two)
    assert lines(result.new) == [
        (16, 16, "runs", "x = infinite()"),
        (25, 25, "imports", "def infinite():"),
        (26, 26, "runs", "return math.inf"),
    ]
    back = changes(two[1], two[0], *[find_page(root, "toy/heun") for root in two[::-1]])
    assert lines(back.old) == lines(result.new) and lines(back.new) == lines(result.old)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("SCALE = 2\n", "SCALE = 3\n", "the value 3 is new"),
        ("factor=SCALE", "factor=SCALE, more=7", "the value 7 is new"),
        ('("a", "b")', '("a",)', 'the value "b" is no longer there'),
    ],
)
def test_a_value_that_only_imports_read_is_said(two, old, new, sentence):
    """A smoke run executes such a line whether or not it uses the value."""
    edit(two[1], "lib/contdepth/helpers.py", old, new)
    assert any(sentence in line for line in found(two).values)


def test_a_value_that_only_moves_is_none(two):
    edit(two[1], "lib/contdepth/helpers.py", "if x > 1e9:", "if x > LIMIT:")
    edit(two[1], "lib/contdepth/helpers.py", "SCALE = 2\n", "SCALE = 2\nLIMIT = 1e9\n")
    result = found(two)
    assert result.values == ()
    assert [line.text for line in result.new] == ["if x > LIMIT:", "LIMIT = 1e9"]


def test_a_new_constant_that_functions_alone_lead_to_is_none(two):
    """The changed statement that uses it has to be executed, as if it had the value itself."""
    edit(two[1], "lib/contdepth/helpers.py", "SCALE = 2", "SCALE = 2\nSIZE = 3")
    edit(two[1], "lib/contdepth/helpers.py", "            * x", "            * x + SIZE - 3")
    result = found(two)
    assert result.values == () and sorted(line.kind for line in result.new) == ["imports", "runs"]


def test_a_new_function_that_functions_alone_lead_to_is_none(two):
    edit(
        two[1],
        "lib/contdepth/helpers.py",
        "def twice",
        "def once(x, factor=1.0):\n    return factor * x\n\n\ndef twice",
    )
    edit(two[1], "lib/contdepth/helpers.py", "            * x", "            * once(x)")
    assert found(two).values == ()


@pytest.mark.parametrize("new", ["SIZE = 3", "HALF = 1.5\nSIZE = 2 * HALF"])
def test_a_new_constant_that_a_default_of_an_old_function_leads_to_is_said(two, new):
    edit(two[1], "lib/contdepth/helpers.py", "SCALE = 2", new)
    edit(two[1], "lib/contdepth/helpers.py", "factor=SCALE", "factor=SIZE")
    said = " ".join(found(two).values)
    assert ("the value 3 is new" in said) or ("the value 1.5 is new" in said)


def test_a_constant_that_is_gone_with_its_use_is_none(two):
    edit(two[0], "lib/contdepth/helpers.py", "SCALE = 2", "SCALE = 2\nSIZE = 3")
    edit(two[0], "lib/contdepth/helpers.py", "            * x", "            * x + SIZE - 3")
    assert found(two).values == ()
