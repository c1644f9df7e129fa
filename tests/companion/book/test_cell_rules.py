"""Pages that put something in the place of the library, or of what ``check`` shows, are found by their text."""

from pathlib import Path

import pytest
from toy_book import edit

from companion.book.cell_rules import cell_breaches
from companion.cli import main

ROOT = Path(__file__).parents[3]
IMPORTS = """import numpy as np
import contdepth.schemes.euler as euler_file
import contdepth
from contdepth.schemes import ForwardEuler, Heun, REGISTRY
from companion import begin, check, note
run = begin("toy/euler", profile=profile)
"""

FORBIDDEN = {
    "ForwardEuler.step = lambda *_: 0": "assigns to ForwardEuler.step, an attribute of something imported",
    "ForwardEuler.order += 1": "assigns to ForwardEuler.order",
    "ForwardEuler.order: int = 2": "assigns to ForwardEuler.order",
    "del ForwardEuler.step": "deletes ForwardEuler.step",
    "for ForwardEuler.order in (1, 2): pass": "assigns to ForwardEuler.order",
    "ForwardEuler.a.b, x = 1, 2": "assigns to ForwardEuler.a.b",
    "euler_file.slope = print": "assigns to euler_file.slope",
    "contdepth.schemes.euler.slope.__defaults__ = (2,)": "assigns to contdepth.schemes.euler.slope.__defaults__",
    "np.mean = np.median": "assigns to np.mean",
    "np.random.default_rng = None": "assigns to np.random.default_rng",
    "scheme = ForwardEuler\nscheme.step = print": "assigns to scheme.step",
    "one, two = Heun, ForwardEuler\ntwo.step = print": "assigns to two.step",
    "for scheme in (Heun, ForwardEuler):\n    scheme.step = print": "assigns to scheme.step",
    "inner = contdepth.schemes\nlower = inner.euler\nlower.slope = print": "assigns to lower.slope",
    "scheme = Heun if steps else ForwardEuler\nscheme.step = print": "assigns to scheme.step",
    "net = Heun()\nnet.__class__.step = print": "assigns to net.__class__.step",
    "type(net).step = print": "assigns to type(net).step",
    "kind = type(net)\nkind.step = print": "assigns to kind.step",
    "net.__class__ = Other": "assigns to net.__class__, which belongs to Python",
    "net.step.__func__.__code__ = other": "assigns to net.step.__func__.__code__",
    "def patch():\n    Heun.step = print": "assigns to Heun.step",
    "[Heun for Heun.step in [print]]": "assigns to Heun.step",
    "run.profile = 'book'": "assigns to run.profile",
    "run._seen.clear()": "calls run._seen.clear, which changes what the library holds",
    "setattr(Heun, 'step', print)": "calls setattr on Heun",
    "setattr(type(net), 'step', print)": "calls setattr on type(net)",
    "delattr(euler_file, 'slope')": "calls delattr on euler_file",
    "type.__setattr__(Heun, 'step', print)": "calls type.__setattr__",
    "object.__setattr__(net, 'step', print)": "calls object.__setattr__",
    "REGISTRY['euler'] = Heun": "assigns to an item of REGISTRY",
    "del contdepth.schemes.REGISTRY['euler']": "assigns to an item of contdepth.schemes.REGISTRY",
    "REGISTRY.update(euler=Heun)": "calls REGISTRY.update",
    "euler_file.__dict__['slope'] = print": "reaches the names of euler_file as a mapping",
    "vars(euler_file)['slope'] = print": "reaches the names of euler_file as a mapping",
    "names = vars(euler_file)": "reaches the names of euler_file as a mapping",
    "globals()['check'] = print": "uses globals, which reaches the names of the page as a mapping",
    "vars()['check'] = print": "reaches the names of the page as a mapping",
    "getattr(contdepth, 'schemes').slope = print": "assigns to getattr(contdepth, 'schemes').slope",
    "import sys\nsys.modules['contdepth.schemes'] = None": "uses sys.modules",
    "from sys import modules": "imports modules from sys",
    "import sys as s\ns.path.insert(0, '.')": "uses sys.path",
    "import importlib\nimportlib.reload(euler_file)": "imports importlib",
    "from importlib import reload": "imports importlib",
    "from unittest.mock import patch": "imports unittest.mock",
    "import unittest.mock as m": "imports unittest.mock",
    "from pytest import MonkeyPatch": "imports pytest",
    "import builtins": "imports builtins",
    "import ctypes": "imports ctypes",
    "exec('1')": "uses exec, which runs text as code",
    "run_text = eval": "uses eval, which runs text as code",
    "compile('1', '', 'exec')": "uses compile, which makes code from text",
    "__import__('contdepth')": "uses __import__",
    "def check(*_): pass": "gives the name check to something else",
    "check = print": "gives the name check to something else",
    "def cheat():\n    global note\n    note = print": "gives the name note to something else",
    "from numpy import mean as check": "gives the name check to something else",
    "for begin in (): pass": "gives the name begin to something else",
    "from companion.run.session import _show": "imports _show from companion.run.session",
    "import companion.run.session": "imports companion.run.session",
    "get_ipython().run_cell('1')": "uses get_ipython, which can run any code",
    "%run other.py": "uses get_ipython",
    "!pip install contdepth": "uses get_ipython",
    "%%python\n1": "uses get_ipython",
    "%time Heun.step = print": "assigns to Heun.step",
    "display({}, raw=True, metadata={'companion': {}})": "calls display with metadata of its own",
    "display({}, raw=True, metadata=made())": "calls display with metadata of its own",
    "display({}, **words)": "calls display with metadata of its own",
    "words = {'companion': {'check': {}}}": "names the metadata of check",
    "class Seen:\n    def _repr_mimebundle_(self, **_): return {}, {}": "defines _repr_mimebundle_",
    "import os\nos.environ.pop('COMPANION_RUN')": "names COMPANION_RUN",
}


@pytest.mark.parametrize(("text", "said"), FORBIDDEN.items(), ids=FORBIDDEN)
def test_what_a_page_may_not_do(text, said):
    found = cell_breaches([IMPORTS, text])
    assert found and all(line.startswith("code cell 2 line ") for line in found)
    assert any(line.partition("found that it ")[2].startswith(said) for line in found), found


@pytest.mark.parametrize(
    "text",
    [
        "net = Heun()\nnet.h = 0.5\nnet.blocks[0].k = 1\ndel net.h",
        "axis = figure.axes[0]\naxis.x = 1\nsetattr(axis, 'y', 2)",
        "values = {}\nvalues['a'] = 1\nvalues.update(b=2)\nrows = []\nrows.append(1)",
        "class Mine(Heun):\n    order = 2\n    def step(self):\n        self.count = 1\n"
        "        return super().step()",
        "model = net.eval()\nmodel.compile()",
        "display(figure)",
        "%time net = Heun()",
        "%matplotlib inline",
        "import re\nre.compile('a')",
        "found = check('toy.a', 1)\nnote('finest', found.value)",
        "step = Heun.step\ny = step(net)",
    ],
    ids=range(11),
)
def test_what_it_may(text):
    assert cell_breaches([IMPORTS, text]) == []


def test_names_given_in_one_cell_are_known_in_the_next():
    found = cell_breaches([IMPORTS, "scheme = Heun", "x = 1\nscheme.step = print"])
    assert found == [
        "code cell 3 line 2: expected the library and what check shows as they are, found that it "
        "assigns to scheme.step, an attribute of something imported"
    ]


def test_check_ledger_lists_such_a_page(toy, capsys):
    edit(toy, "book/toy/heun.md", 'check("toy.heun.order"', 'slope.__defaults__ = (2,)\ncheck("toy.heun.order"')
    assert main(["check-ledger", "--root", str(toy)]) == 2
    assert capsys.readouterr().err.startswith("page toy/heun, code cell 2 line 5: expected the library and what ")


def test_no_page_of_this_book_does_such_a_thing():
    from companion.book.cell_rules import breaches
    from companion.book.pages import load_pages

    pages = load_pages(ROOT)
    assert len(pages) > 30 and [line for page in pages for line in breaches(page)] == []
