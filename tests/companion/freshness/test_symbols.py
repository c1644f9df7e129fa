"""Digests of symbols: what changes the meaning of a definition changes its digest, and nothing else does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from library_of import digest, write

from companion.freshness.code.components import components
from companion.freshness.code.symbols import Library

ROOT = Path(__file__).parents[3]
CORPUS = Path(__file__).parent / "corpus.txt"
CORPUS_DIGEST = "687481f39e5d62b27a97434a9f303c7a8a11c50823dcb9fcceb16abc1674ac91"


def alone(tmp_path, text, name="f", folder="one"):
    """Return the digest of ``name`` in a library of one module."""
    return digest(write(tmp_path / folder, {"__init__.py": "", "m.py": text}), f"m:{name}")


SAME = {
    "comments and blank lines": (
        "def f(x):\n    return x + 1\n",
        "def f(x):  # adds\n\n    # one\n    return x + 1\n",
    ),
    "docstrings": ("def f(x):\n    return x\n", 'def f(x):\n    """Return it."""\n    return x\n'),
    "a docstring alone": ("def f(x):\n    pass\n", 'def f(x):\n    """Do nothing."""\n'),
    "annotations": (
        "def f(x, *y, z=1):\n    a = 2\n    return a\n",
        "def f(x: int, *y: str, z: float = 1) -> 'int':\n    a: int = 2\n    b: str\n    return a\n",
    ),
    "formatting": (
        "def f(x):\n    return [x, 'a' 'b', 1_000, 0x10]\n",
        'def f(\n    x,\n):\n    return [\n        x,\n        ("ab"),\n        1000,\n        16,\n    ]\n',
    ),
    "parentheses after del": ("def f(a, b):\n    del (a, b)\n", "def f(a, b):\n    del a, b\n"),
    "quotes": ("def f():\n    return f'{1:>4}' 'x'\n", 'def f():\n    return f"{1:>4}x"\n'),
    "unused imports": ("import os\ndef f():\n    return 1\n", "def f():\n    import sys\n    return 1\n"),
    "two ways to import a module": (
        "import numpy as np\ndef f(x):\n    return np.linalg.norm(x)\n",
        "from numpy.linalg import norm as size\ndef f(x):\n    return size(x)\n",
    ),
    "an import moved into the function": (
        "import math\ndef f(x):\n    return math.sin(x)\n",
        "def f(x):\n    from math import sin\n    return sin(x)\n",
    ),
    "the annotations of a future": (
        "def f(x):\n    return x\n",
        "from __future__ import annotations\ndef f(x: int):\n    return x\n",
    ),
    "a neighbour": ("def f(x):\n    return x\n", "def f(x):\n    return x\n\n\ndef g(x):\n    return 2\n"),
    "what a type checker reads": (
        "def f(x):\n    return x\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from os import path\n"
        "def f(x: path):\n    return x\n",
    ),
    "the type of a field": (
        "from dataclasses import dataclass\n@dataclass\nclass f:\n    a: int = 1\n",
        "import dataclasses\n@dataclasses.dataclass\nclass f:\n    a: float = 1\n",
    ),
    "a local variable like a neighbour": (
        "def f(x):\n    g = x\n    return g\n",
        "def g():\n    return 1\n\n\ndef f(x):\n    g = x\n    return g\n",
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_the_meaning_is_the_same(tmp_path, case):
    one, other = SAME[case]
    assert alone(tmp_path, one) == alone(tmp_path, other, folder="other")


DIFFERENT = {
    "a coefficient": ("def f(x):\n    return 0.5 * x\n", "def f(x):\n    return 0.25 * x\n"),
    "kind of number": ("def f():\n    return 1\n", "def f():\n    return 1.0\n"),
    "True for 1": ("def f():\n    return 1\n", "def f():\n    return True\n"),
    "text for bytes": ("def f():\n    return 'a'\n", "def f():\n    return b'a'\n"),
    "an operator": ("def f(x):\n    return x + 1\n", "def f(x):\n    return x - 1\n"),
    "order": ("def f(x):\n    x += 1\n    x *= 2\n", "def f(x):\n    x *= 2\n    x += 1\n"),
    "a default": ("def f(x=1):\n    return x\n", "def f(x=2):\n    return x\n"),
    "which argument has the default": ("def f(*, a, b=1):\n    return a\n", "def f(*, a=1, b):\n    return a\n"),
    "a keyword": ("def f(x):\n    return g(a=x)\n", "def f(x):\n    return g(b=x)\n"),
    "indentation": (
        "def f(x):\n    if x:\n        a()\n    b()\n",
        "def f(x):\n    if x:\n        a()\n        b()\n",
    ),
    "else": (
        "def f(x):\n    for i in x:\n        a()\n    else:\n        b()\n",
        "def f(x):\n    for i in x:\n        a()\n    b()\n",
    ),
    "its name": ("def f():\n    return 1\n\nf = f", "def g():\n    return 1\n\nf = g"),
    "a decorator": ("import torch\n@torch.no_grad()\ndef f():\n    return 1\n", "def f():\n    return 1\n"),
    "what a name is imported from": (
        "from torchdiffeq import odeint\ndef f():\n    return odeint\n",
        "from torchdiffeq import odeint_adjoint as odeint\ndef f():\n    return odeint\n",
    ),
    "a constant beside it": ("A = 1\ndef f():\n    return A\n", "A = 2\ndef f():\n    return A\n"),
    "two constants exchanged": (
        "A = 1\nB = 2\ndef f():\n    return A\n",
        "A = 2\nB = 1\ndef f():\n    return A\n",
    ),
    "the place in a tuple": ("A, B = 1, 2\ndef f():\n    return A\n", "B, A = 1, 2\ndef f():\n    return A\n"),
    "a helper of a helper": (
        "def h():\n    return 1\ndef g():\n    return h()\ndef f():\n    return g()\n",
        "def h():\n    return 2\ndef g():\n    return h()\ndef f():\n    return g()\n",
    ),
    "a later assignment": ("A = 1\ndef f():\n    return A\n", "A = 1\nA = A + 1\ndef f():\n    return A\n"),
    "the order of fields": (
        "from dataclasses import dataclass\n@dataclass\nclass f:\n    a: int\n    b: int\n",
        "from dataclasses import dataclass\n@dataclass\nclass f:\n    b: int\n    a: int\n",
    ),
    "a field that is none": (
        "from dataclasses import dataclass\n@dataclass\nclass f:\n    a: int = 1\n",
        "from dataclasses import dataclass\nfrom typing import ClassVar\n@dataclass\nclass f:\n"
        "    a: ClassVar[int] = 1\n",
    ),
    "an annotation taken away from a field": (
        "from dataclasses import dataclass\n@dataclass\nclass f:\n    a: int = 1\n",
        "from dataclasses import dataclass\n@dataclass\nclass f:\n    a = 1\n",
    ),
    "a global through a comprehension": (
        "A = 1\ndef f(x):\n    return [A for a in x]\n",
        "A = 2\ndef f(x):\n    return [A for a in x]\n",
    ),
    "a global behind a class of the same name": (
        "A = 1\nclass f:\n    A = 3\n    def g(self):\n        return A\n",
        "A = 2\nclass f:\n    A = 3\n    def g(self):\n        return A\n",
    ),
    "a global written by a function": (
        "A = 1\ndef f():\n    global A\n    A = 5\n",
        "A = 2\ndef f():\n    global A\n    A = 5\n",
    ),
    "its own module by text": (
        "A = 1\ndef f():\n    return globals()['A']\n",
        "A = 2\ndef f():\n    return globals()['A']\n",
    ),
    "a name set in try": (
        "try:\n    A = 1\nexcept ImportError:\n    A = None\ndef f():\n    return A\n",
        "try:\n    A = 2\nexcept ImportError:\n    A = None\ndef f():\n    return A\n",
    ),
    "a width in an f-string": ("def f(x):\n    return f'{x:>4}'\n", "def f(x):\n    return f'{x:>5}'\n"),
    "a mapping unpacked": ("def f(x):\n    return {**x}\n", "def f(x):\n    return {None: x}\n"),
    "a walrus": (
        "A = 1\ndef f(x):\n    return [(y := A) for a in x], y\n",
        "A = 2\ndef f(x):\n    return [(y := A) for a in x], y\n",
    ),
    "what an annotation dispatches on": (
        "import functools\n@functools.singledispatch\ndef g(x): ...\n@g.register\ndef f(x: int):\n    return 1\n",
        "import functools\n@functools.singledispatch\ndef g(x): ...\n@g.register\ndef f(x: str):\n    return 1\n",
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_the_meaning_is_another(tmp_path, case):
    one, other = DIFFERENT[case]
    assert alone(tmp_path, one) != alone(tmp_path, other, folder="other")


CIRCLE = {
    "__init__.py": "",
    "a.py": "def even(n):\n    from contdepth.b import odd\n    return n == 0 or odd(n - 1)\n",
    "b.py": "from contdepth import a\n\n\ndef odd(n):\n    return n != 0 and a.even(n - 1)\n",
}


def test_a_circle_counts_together_wherever_its_members_stand(tmp_path):
    apart = write(tmp_path / "apart", CIRCLE)
    body = CIRCLE["a.py"].replace("    from contdepth.b import odd\n", "") + CIRCLE["b.py"].partition("\n\n\n")[2]
    together = write(tmp_path / "together", {"__init__.py": "", "c.py": body.replace("a.even", "even")})
    other = write(tmp_path / "other", {**CIRCLE, "b.py": CIRCLE["b.py"].replace("!= 0", "!= 1")})
    assert (
        digest(apart, "a:even")
        == digest(together, "c:even")
        != digest(apart, "b:odd")
        == digest(together, "c:odd")
    )
    assert digest(other, "a:even") != digest(apart, "a:even")


LIBRARY = {
    "__init__.py": '"""Doc."""\n\n__version__ = "1"\n',
    "s/__init__.py": "from contdepth.s.one import f\nfrom .two import g as h\n",
    "s/one.py": "from ..c import helper\n\n\ndef f(x):\n    return helper(x)\n",
    "s/two.py": "def g(x):\n    return x\n\n\ndef unused(x):\n    return 7\n",
    "c.py": "def helper(x):\n    return 2 * x\n",
    "user.py": "from contdepth.s import f\n\n\ndef use(x):\n    return f(x)\n",
}
MOVES = {
    "a module moved": {
        "s/one.py": None,
        "moved.py": LIBRARY["s/one.py"].replace("..c", ".c"),
        "s/__init__.py": "from contdepth.moved import f\nfrom .two import g as h\n",
    },
    "a file renamed": {
        "c.py": None,
        "core.py": LIBRARY["c.py"],
        "s/one.py": LIBRARY["s/one.py"].replace("..c", "contdepth.core"),
    },
    "another style of import": {
        "user.py": "import contdepth.s.one as one\n\n\ndef use(x):\n    return one.f(x)\n"
    },
    "the package taken as a whole": {"user.py": "from contdepth import s\n\n\ndef use(x):\n    return s.f(x)\n"},
    "the root taken as a whole": {"user.py": "import contdepth.s\n\n\ndef use(x):\n    return contdepth.s.f(x)\n"},
    "under another name": {"user.py": "def use(x):\n    from contdepth.s.one import f as g\n    return g(x)\n"},
    "everything in one file": {
        "user.py": LIBRARY["c.py"] + "\n\ndef f(x):\n    return helper(x)\n\n\ndef use(x):\n    return f(x)\n"
    },
    "another version number": {"__init__.py": '__version__ = "2"\n'},
    "a neighbour changed": {"s/two.py": LIBRARY["s/two.py"].replace("7", "8")},
}


@pytest.mark.parametrize("case", MOVES)
def test_where_things_stand_does_not_count(tmp_path, case):
    before = digest(write(tmp_path / "before", LIBRARY), "user:use")
    files = {name: text for name, text in {**LIBRARY, **MOVES[case]}.items() if text is not None}
    assert digest(write(tmp_path / "after", files), "user:use") == before


@pytest.mark.parametrize(
    "old_new",
    [
        ("c.py", "2 * x", "3 * x"),
        ("s/__init__.py", "contdepth.s.one import f", "contdepth.s.two import unused as f"),
        ("user.py", "s import f", "s import h as f"),
    ],
)
def test_what_a_name_leads_to_counts(tmp_path, old_new):
    name, old, new = old_new
    before = digest(write(tmp_path / "before", LIBRARY), "user:use")
    after = {**LIBRARY, name: LIBRARY[name].replace(old, new)}
    assert digest(write(tmp_path / "after", after), "user:use") != before


@pytest.mark.parametrize(
    "body",
    [
        "from contdepth.s.two import *\ndef use(x):\n    return unheard(x)\n",
        "from contdepth.s import two\ndef use(x):\n    return getattr(two, x)\n",
        "import contdepth.s.two as two\ndef use(x):\n    return two.unheard(x)\n",
        "from contdepth.s.two import unheard\ndef use(x):\n    return unheard(x)\n",
        "import importlib\ndef use(x):\n    return importlib.import_module('contdepth.s.two')\n",
        "from importlib import import_module as go\ndef use(x):\n    return getattr(go('contdepth.s.two'), x)\n",
        "def use(x):\n    return __import__('contdepth.s.two')\n",
        "class Base: ...\ndef use(x):\n    return Base.__subclasses__()\n",
        "import contdepth\ndef use(x):\n    return contdepth\n",
    ],
)
def test_what_cannot_be_told_counts_as_a_whole(tmp_path, body):
    """A change of any definition of the module counts then."""
    before = digest(write(tmp_path / "before", {**LIBRARY, "user.py": body}), "user:use")
    other = {**LIBRARY, "user.py": body, "s/two.py": LIBRARY["s/two.py"].replace("7", "8")}
    assert digest(write(tmp_path / "after", other), "user:use") != before


REGISTRY = {
    "__init__.py": "",
    "core.py": "KNOWN = {}\n\n\ndef register(name):\n    def keep(f):\n        KNOWN[name] = f\n        return f\n"
    "    return keep\n\n\ndef call(name):\n    return KNOWN[name]()\n",
    "decorated.py": "from contdepth.core import register\n\n\n@register('a')\ndef a():\n    return 1\n",
    "called.py": "from contdepth.core import register\n\n\ndef b():\n    return 1\n\n\nkept = register('b')(b)\n",
    "base.py": "CLASSES = []\n\n\nclass Base:\n    def __init_subclass__(cls):\n        CLASSES.append(cls)\n",
    "derived.py": "from contdepth.base import Base\n\n\nclass One(Base):\n    value = 1\n",
    "plain.py": "from dataclasses import dataclass\n\n\n@dataclass\nclass Plain:\n    value: int = 1\n",
    "patch.py": "from contdepth import plain\n\nplain.Plain.value = 2\n",
}


@pytest.mark.parametrize(
    ("module", "counts"),
    [("decorated", True), ("called", True), ("derived", True), ("patch", True), ("plain", False)],
)
def test_a_module_that_fills_a_registry_counts_as_soon_as_it_is_imported(tmp_path, module, counts):
    """The page takes nothing from the module by name."""
    from companion.freshness.code.scopes import Target

    def reached(folder, files):
        library = Library(write(tmp_path / folder, files))
        return {library.digest(symbol) for symbol in library.closure([], [Target(f"contdepth.{module}")])}

    changed = {**REGISTRY, f"{module}.py": REGISTRY[f"{module}.py"].replace("1", "3").replace("2", "3")}
    assert (reached("before", REGISTRY) != reached("after", changed)) == counts


def test_components_come_after_what_they_lead_to():
    graph = {"a": ["b", "c"], "b": ["a", "d"], "c": ["d"], "d": ["d"], "e": ["a"]}
    found = [sorted(group) for group in components("e", graph.__getitem__, ())]
    assert found in ([["d"], ["c"], ["a", "b"], ["e"]],)


def pythons():
    """Return the other supported interpreters that this machine has."""
    names = [f"python3.{minor}" for minor in (11, 12, 13) if minor != sys.version_info.minor]
    paths = [shutil.which(name) for name in names]
    paths += [
        str(path)
        for name in names
        for path in (Path.home() / ".pyenv" / "versions").glob(f"{name[6:]}.*/bin/python3")
    ]
    for path in dict.fromkeys(filter(None, paths)):
        if subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            yield path


TABLE = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from companion.freshness.code.tokens import Symbol
from companion.freshness.code.symbols import Library
lib = Path(sys.argv[2])
library = Library(lib)
names = [".".join(path.relative_to(lib).with_suffix("").parts).removesuffix(".__init__")
         for path in sorted((lib / "contdepth").rglob("*.py"))]
print(json.dumps({f"{name}:{one}": library.digest(Symbol("def", name, one))
                  for name in names for one in library.modules.get(name).definitions}))
"""


def table(python, lib):
    """Return the digest of every definition below ``lib`` as ``python`` finds it."""
    done = subprocess.run([python, "-I", "-c", TABLE, str(ROOT / "lib"), str(lib)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_python_finds_the_same_digests(tmp_path):
    """On the whole library and on a text with every construction; the digest of the latter is written down here,
    so that interpreters that are never on one machine agree too.
    """
    corpus = write(tmp_path, {"__init__.py": "", "corpus.py": CORPUS.read_text(encoding="utf-8")})
    here = [table(sys.executable, lib) for lib in (corpus, ROOT / "lib")]
    assert len(here[1]) > 1000 and here[0]["contdepth.corpus:everything"] == CORPUS_DIGEST
    for python in pythons():
        assert [table(python, lib) for lib in (corpus, ROOT / "lib")] == here, python


def test_formatting_the_whole_library_changes_no_digest(tmp_path):
    shutil.copytree(
        ROOT / "lib" / "contdepth",
        tmp_path / "lib" / "contdepth",
        ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"),
    )
    before = table(sys.executable, tmp_path / "lib")
    ruff = [sys.executable, "-m", "ruff", "format", "--isolated", "--quiet", "--line-length", "80"]
    subprocess.run([*ruff, str(tmp_path / "lib")], check=True)
    text = (tmp_path / "lib/contdepth/schemes/order.py").read_text(encoding="utf-8")
    assert text != (ROOT / "lib/contdepth/schemes/order.py").read_text(encoding="utf-8")
    assert table(sys.executable, tmp_path / "lib") == before


FACE = {
    "faces.py": "def face(package, file):\n    return None, None, []\n",
    "room/__init__.py": "from contdepth.faces import face\n\n"
    "__getattr__, __dir__, __all__ = face(__name__, __file__)\n",
    "room/__init__.pyi": "from .euler import step\nfrom .heun import other\n",
    "room/euler.py": "def step(u):\n    return 2 * u\n",
    "room/heun.py": "def other(u):\n    return 3 * u\n",
    "m.py": "from contdepth.room import step\nfrom contdepth import room\n"
    "def f(u):\n    return step(u) + room.step(u)\n",
}


def test_a_name_of_a_face_is_the_definition_that_the_stub_names(tmp_path):
    before = digest(write(tmp_path / "lazy", FACE), "m:f")
    eager = FACE | {"room/__init__.py": "from contdepth.room.euler import step\n"}
    del eager["room/__init__.pyi"]
    assert digest(write(tmp_path / "eager", eager), "m:f") == before
    neighbour = FACE | {"room/heun.py": "def other(u):\n    return 4 * u\n"}
    assert digest(write(tmp_path / "neighbour", neighbour), "m:f") == before
    loader = FACE | {"faces.py": "def face(package, file):\n    return 1, 2, 3\n"}
    assert digest(write(tmp_path / "loader", loader), "m:f") == before
    edited = FACE | {"room/euler.py": "def step(u):\n    return 4 * u\n"}
    assert digest(write(tmp_path / "edited", edited), "m:f") != before
    turned = FACE | {"room/__init__.pyi": "from .heun import other as step\n"}
    assert digest(write(tmp_path / "turned", turned), "m:f") != before
