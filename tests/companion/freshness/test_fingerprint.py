"""Staleness: what changes a fingerprint does so with the right reason, and nothing else does."""

import json

import pytest
from toy_book import edit

from companion.book.pages import find_page
from companion.evidence.record import load_record
from companion.freshness.fingerprint import fingerprint, stale

EULER = "lib/contdepth/schemes/euler.py"


def reasons(root, page="euler"):
    record = load_record(root, "smoke", "toy", page)
    return stale(record, find_page(root, f"toy/{page}"))


def test_a_changed_scheme_stales_its_pages_and_no_others(ran):
    assert reasons(ran, "euler") == reasons(ran, "heun") == []
    edit(ran, EULER, "return 1.0", "return 1.001")
    assert reasons(ran, "euler") == ["contdepth.schemes.euler:slope changed since the run"]
    assert reasons(ran, "heun") == []


def test_a_module_behind_another_counts(ran):
    edit(ran, "lib/contdepth/helpers.py", "2 * x", "x + x")
    assert reasons(ran, "heun") == ["contdepth.helpers:twice changed since the run"]
    assert reasons(ran, "euler") == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (EULER, "  # exactly", "  # just so"),
        (EULER, "Return the order.", "Return the order:\n\n    it is one.\n    "),
        (EULER, '"""Forward Euler."""\n', '"""Explicit Euler."""\n\n\n\n'),
        ("lib/contdepth/schemes/__init__.py", '"""Schemes."""', '"""All schemes."""'),
        ("lib/contdepth/__init__.py", '"1"', '"2"'),
        ("book/toy/euler.md", "Prose.", "Better prose."),
        ("book/toy/claims.yml", "Forward Euler has order one.", "The order of forward Euler is one."),
        (
            "book/toy/claims.yml",
            "reason: coarse steps, accepted: reproduced",
            "reason: few, accepted: undecided",
        ),
        ("book/toy/claims.yml", "tolerance: 1e-2", "tolerance: 2e-2"),
        ("book/toy/claims.yml", "tolerance: 0.03", "tolerance: 0.04"),
        ("book/toy/claims.yml", "{above: 0.5}", "{above: 0.6}"),
        ("book/toy/claims.yml", "unit: nats", "unit: bits"),
        ("book/toy/euler.md", "import euler_slope", "import euler_slope as euler_slope  # renamed to itself"),
        ("book/toy/runs.yml", "{timeout: 60}", "{timeout: 70}"),
    ],
)
def test_words_do_not_stale(ran, name, old, new):
    """Docs, prose, statements, regions, units, accepted verdicts, import lines and time limits."""
    edit(ran, name, old, new)
    assert reasons(ran) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        (
            "book/toy/euler.md",
            'note("finest"',
            'note("smallest"',
            "the page's code cells changed since the run",
        ),
        (
            "book/toy/runs.yml",
            "steps: [4, 8]",
            "steps: [4, 9]",
            "its parameters changed since the run: steps [4, 8] -> [4, 9]",
        ),
        (
            "book/toy/euler.md",
            "euler_slope(steps)",
            "euler_slope(steps) + 0 * __import__('contdepth.helpers').twice(1)",
            "contdepth.helpers:twice is reached since the run",
        ),
    ],
)
def test_changes_stale_with_their_reason(ran, name, old, new, reason):
    edit(ran, name, old, new)
    assert reason in reasons(ran)


def test_data_sets_count_by_their_registry_entry(ran):
    edit(ran, "book/toy/runs.yml", "{book: [], smoke: []}", "{book: [], smoke: [digits]}")
    assert reasons(ran) == [
        "its present state has an error: page toy/euler, data: expected a data set of "
        "lib/contdepth/data/registry.json, found 'digits'"
    ]
    registry = ran / "lib/contdepth/data/registry.json"
    registry.parent.mkdir()
    registry.write_text(json.dumps({"digits": {"sha256": "aa"}}))
    assert reasons(ran) == ["data set digits was added since the run"]
    assert fingerprint(find_page(ran, "toy/euler"), "book")["parts"]["data"] == {}
    before = fingerprint(find_page(ran, "toy/euler"), "smoke")
    registry.write_text(json.dumps({"digits": {"sha256": "bb"}}))
    assert fingerprint(find_page(ran, "toy/euler"), "smoke")["digest"] != before["digest"]


def test_a_changed_notebook_does_not_match_its_record(ran):
    path = ran / "results/smoke/toy/euler.ipynb"
    path.write_text(path.read_text().replace("width 0.5", "width 0.6"))
    assert reasons(ran) == ["the stored notebook is not the one its record was written for"]


@pytest.mark.parametrize(
    ("cell", "symbols"),
    [
        ("import numpy\nfrom os import path\npath(numpy)", ""),
        ("from contdepth.schemes import euler_slope as s\ns(3)", "schemes.euler:slope"),
        ("import contdepth.schemes.euler\ncontdepth.schemes.euler.slope", "schemes.euler:slope"),
        ("from contdepth.schemes import euler_slope, heun_slope\neuler_slope()", "schemes.euler:slope"),
        (
            "def f():\n    from contdepth.schemes import heun\n    return heun.slope()",
            "helpers:twice schemes.heun:slope",
        ),
        ("%matplotlib inline\n!ls\nfrom contdepth.helpers import twice\nx = twice(3)", "helpers:twice"),
        ("%%bash\nfrom nowhere", ""),
        ("%%time\nfrom contdepth.helpers import twice\ntwice(1)", "helpers:twice"),
        ("%%capture out\n%matplotlib inline\nfrom contdepth.helpers import twice\ntwice(1)", "helpers:twice"),
        ("from contdepth.helpers import twice\nt = %timeit -n 3 -o twice(1)", "helpers:twice"),
        ("from contdepth.helpers import twice\nx = !ls\ny = (twice(2)\n% 3)\nz = (y\n!= 3)\nx?", "helpers:twice"),
        ("from contdepth import helpers\nhelpers", "helpers:(whole) helpers:twice"),
        ("from contdepth import __version__\n__version__", ":__version__"),
    ],
)
def test_reached_symbols(ran, cell, symbols):
    """Cells are read as Jupyter reads them; what is imported and not used does not count."""
    path = ran / "book/toy/heun.md"
    path.write_text(path.read_text().replace("slope(3)", f"3)\n```\n\n```{{code-cell}} python\n{cell}\n```\n\n("))
    part = fingerprint(find_page(ran, "toy/heun"), "smoke")["parts"]["library"]["symbols"]
    found = [
        f"{module.removeprefix('contdepth').removeprefix('.')}:{name}"
        for module, names in part.items()
        for name in names
    ]
    assert " ".join(sorted(found)) == symbols


def test_a_byte_order_mark_is_read_over(ran):
    """Before a page, a module of the library, a ledger, its runs and the registry of data sets."""
    registry = ran / "lib/contdepth/data/registry.json"
    registry.parent.mkdir()
    registry.write_text("{}")
    for path in [*ran.glob("book/toy/*"), *ran.glob("lib/contdepth/**/*.py"), registry]:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert reasons(ran, "euler") == reasons(ran, "heun") == []


def test_a_re_exported_name_that_comes_from_elsewhere_counts(ran):
    """Both functions are reached before and after, but each name now means the other one."""
    cell = 'check("toy.euler.order", euler_slope(steps))'
    edit(ran, "book/toy/euler.md", "import euler_slope", "import euler_slope, heun_slope")
    edit(ran, "book/toy/euler.md", cell, f"{cell}\nheun_slope(steps)")
    page = find_page(ran, "toy/euler")
    before = fingerprint(page, "smoke")
    init = ran / "lib/contdepth/schemes/__init__.py"
    text = init.read_text().replace("euler_slope", "X").replace("heun_slope", "euler_slope")
    init.write_text(text.replace("X", "heun_slope"))
    after = fingerprint(page, "smoke")
    assert before["parts"]["library"]["symbols"] == after["parts"]["library"]["symbols"]
    assert before["digest"] != after["digest"]


def test_which_of_two_functions_of_one_name_a_cell_calls_counts(ran):
    """Both are called ``slope`` where they are defined, both are used before and after, in the same order."""
    cell = 'check("toy.euler.order", euler_slope(steps))'
    edit(ran, "book/toy/euler.md", "import euler_slope", "import euler_slope, heun_slope")
    edit(ran, "book/toy/euler.md", cell, f"{cell}\nheun_slope(steps)\nx = euler_slope(steps)")
    page = find_page(ran, "toy/euler")
    before = fingerprint(page, "smoke")
    edit(ran, "book/toy/euler.md", "x = euler_slope", "x = heun_slope")
    assert fingerprint(page, "smoke")["digest"] != before["digest"]


def test_only_the_symbol_that_changed_is_named(ran):
    edit(ran, "lib/contdepth/helpers.py", "2 * x", "x + x + zero()")
    path = ran / "lib/contdepth/helpers.py"
    path.write_text(path.read_text() + "\n\ndef zero():\n    return 0\n")
    assert reasons(ran, "heun") == [
        "contdepth.helpers:twice changed since the run",
        "contdepth.helpers:zero is reached since the run",
    ]


def test_moving_and_renaming_make_nothing_stale(ran):
    """A module moved, a file renamed, another style of import in library and page."""
    (ran / "lib/contdepth/schemes/heun.py").rename(ran / "lib/contdepth/second.py")
    edit(ran, "lib/contdepth/second.py", "from contdepth.helpers import twice", "from contdepth import tools")
    edit(ran, "lib/contdepth/second.py", "twice(1.0)", "tools.twice(1.0)")
    (ran / "lib/contdepth/helpers.py").rename(ran / "lib/contdepth/tools.py")
    edit(ran, "lib/contdepth/schemes/__init__.py", "schemes.heun", "second")
    edit(ran, "book/toy/heun.md", "from contdepth.schemes.heun import slope", "import contdepth.second as s")
    edit(ran, "book/toy/heun.md", "slope(3)", "s.slope(3,)")
    assert reasons(ran, "heun") == reasons(ran, "euler") == []
