"""Staleness: what changes a fingerprint does so with the right reason, and nothing else does."""

import json

import pytest
from toy_book import edit

from companion.fingerprint import fingerprint, stale
from companion.library import reached_modules, reached_names
from companion.pages import find_page
from companion.record import load_record
from companion.sourcecode import essence, source_hash

EULER = "lib/contdepth/schemes/euler.py"


def reasons(root, page="euler"):
    record = load_record(root, "smoke", "toy", page)
    return stale(record, find_page(root, f"toy/{page}"))


def test_a_changed_scheme_stales_its_pages_and_no_others(ran):
    assert reasons(ran, "euler") == reasons(ran, "heun") == []
    edit(ran, EULER, "return 1.0", "return 1.001")
    assert reasons(ran, "euler") == ["contdepth.schemes.euler changed since the run"]
    assert reasons(ran, "heun") == []


def test_a_module_behind_another_counts(ran):
    edit(ran, "lib/contdepth/helpers.py", "2 * x", "x + x")
    assert reasons(ran, "heun") == ["contdepth.helpers changed since the run"]
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
        ("book/toy/runs.yml", "{timeout: 60}", "{timeout: 70}"),
    ],
)
def test_words_do_not_stale(ran, name, old, new):
    """Docs, prose, statements, accepted verdicts, other profiles' tolerances and time limits."""
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
            "import euler_slope",
            "import euler_slope, heun_slope",
            "contdepth.schemes.heun is reached by import since the run",
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


LIBRARY = {
    "contdepth/__init__.py": '"""Doc."""\n\n__version__ = "1"\n',
    "contdepth/a/__init__.py": "from contdepth.a.one import One\nfrom contdepth.b import Two as Deux\n",
    "contdepth/a/one.py": "class One: ...\n",
    "contdepth/a/other.py": "x = 1\n",
    "contdepth/b/__init__.py": "from contdepth.b.two import Two\n\n__all__ = ['Two']\n",
    "contdepth/b/two.py": "from ..c import helper\n\ndef Two():\n    from . import late\n    return late\n",
    "contdepth/b/late.py": "import os\n",
    "contdepth/c.py": "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from contdepth.a.other import x\ndef helper(): ...\n",
    "contdepth/d/__init__.py": "from contdepth.d.three import Three\nREGISTRY = {}\n",
    "contdepth/d/three.py": "class Three: ...\n",
    "contdepth/e/__init__.py": "from contdepth.e.x import X\nfrom contdepth.ee.y import Y\n",
    "contdepth/e/x.py": "class X: ...\n",
    "contdepth/ee/__init__.py": "",
    "contdepth/ee/y.py": "class Y: ...\n",
}


@pytest.mark.parametrize(
    ("cell", "modules"),
    [
        ("import numpy\nfrom os import path", ""),
        ("from contdepth.a import One", "a.one"),
        ("from contdepth.a import Deux", "b.late b.two c"),
        ("def f():\n    from contdepth.b import Two", "b.late b.two c"),
        ("%matplotlib inline\n!ls\nfrom contdepth.a.other import x", "a.other"),
        ("%%bash\nfrom nowhere", ""),
        ("%%time\nfrom contdepth.a import One", "a.one"),
        ("%%capture out\n%matplotlib inline\nfrom contdepth.a import One", "a.one"),
        ("import contdepth.e as e", "e.x ee.y"),
        ("import contdepth.b as b", "b.late b.two c"),
        ("from contdepth import a", "a.one a.other b.late b.two c"),
        ("import contdepth.a.one", "a.one a.other b.late b.two c"),
        ("import contdepth.a.one as one", "a.one"),
        ("from contdepth.d import Three", "d d.three"),
        ("from contdepth.a import unheard_of", "a.one a.other b.late b.two c"),
        ("from contdepth.a import *", "a.one a.other b.late b.two c"),
        ("from contdepth import __version__", ""),
        ("import importlib\nimportlib.import_module('contdepth.b.late')", "b.late"),
        ("import contdepth", "a.one a.other b.late b.two c d d.three e.x ee.y"),
    ],
)
def test_reached_modules(tmp_path, cell, modules):
    for name, text in LIBRARY.items():
        path = tmp_path / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert " ".join(m.removeprefix("contdepth.") for m in reached_modules(tmp_path, [cell])) == modules


SOURCE = '''#!/usr/bin/env python
"""Doc."""
import os  # a comment

class A:
    """Doc
    of two lines."""; x = 1

    def f(self, s="é # no comment"):   # é
        "single"
        return f"""kept
  # kept {s}

"""
'''


def test_essence_keeps_only_what_runs():
    assert essence(SOURCE) == (
        'import os\nclass A:\n    ; x = 1\n    def f(self, s="é # no comment"):\n'
        '        return f"""kept\n  # kept {s}\n\n"""'
    )
    assert source_hash(SOURCE.replace("\n", "\r\n")) == source_hash(SOURCE)
    assert source_hash(SOURCE.replace("kept\n", "kept \n")) != source_hash(SOURCE)


def test_a_re_exported_name_that_comes_from_elsewhere_counts(ran):
    """Both modules are reached before and after, but the name now means the other function."""
    edit(ran, "book/toy/euler.md", "import euler_slope", "import euler_slope, heun_slope")
    page = find_page(ran, "toy/euler")
    before = fingerprint(page, "smoke")
    assert before["parts"]["library"]["contdepth.schemes:euler_slope"] == "contdepth.schemes.euler.slope"
    init = ran / "lib/contdepth/schemes/__init__.py"
    text = init.read_text().replace("euler_slope", "X").replace("heun_slope", "euler_slope")
    init.write_text(text.replace("X", "heun_slope"))
    after = fingerprint(page, "smoke")
    assert before["digest"] != after["digest"]
    old, new = before["parts"]["library"], after["parts"]["library"]
    changed = [name for name in sorted(new) if old[name] != new[name]]
    assert changed == ["contdepth.schemes:euler_slope", "contdepth.schemes:heun_slope"]


def test_a_package_taken_as_a_whole_counts_with_all_its_names(tmp_path):
    for name, text in LIBRARY.items():
        path = tmp_path / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert reached_names(tmp_path, ["import contdepth.e as e"]) == {
        "contdepth.e:X": "contdepth.e.x.X",
        "contdepth.e:Y": "contdepth.ee.y.Y",
    }
    assert reached_names(tmp_path, ["from contdepth.e import X"]) == {"contdepth.e:X": "contdepth.e.x.X"}
