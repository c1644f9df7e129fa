"""Cells read as Jupyter reads them: what is Python stays as it is, magics, shell lines and help become calls."""

import ast

import pytest

from companion.book.cell_rules import cell_breaches
from companion.book.sourcecode import ends_in_semicolon, parse_cell


def said(source: str) -> str:
    return ast.unparse(parse_cell(source))


PYTHON = {
    "a line that begins with the operator %": "x = (10\n% 3)",
    "a line that begins with the operator !=": "same = (1\n!= 2)",
    "a continued line that begins with %": "x = 10 \\\n% 3",
    "a text with magics in it": 'x = """\n%time f()\n!ls\nobj?\n"""',
    "a comment that asks": "x = 1  # really?",
}


@pytest.mark.parametrize("source", PYTHON.values(), ids=PYTHON)
@pytest.mark.parametrize("magic", ["", "%matplotlib inline\n", "y = !ls\n"], ids=["alone", "line magic", "shell"])
def test_python_stays_what_it_is_beside_a_magic_too(source, magic):
    tree = parse_cell(magic + source)
    assert ast.unparse(tree.body[-1]) == ast.unparse(ast.parse(source).body[-1])
    assert len(tree.body) == 1 + bool(magic)


@pytest.mark.parametrize(
    ("source", "call"),
    [
        ("x = !ls -l", "x = get_ipython().getoutput('ls -l')"),
        ("!ls", "get_ipython().system('ls')"),
        ("obj?", "get_ipython().run_line_magic('pinfo', 'obj')"),
        ("?obj", "get_ipython().run_line_magic('pinfo', 'obj')"),
        ("obj.part??", "get_ipython().run_line_magic('pinfo2', 'obj.part')"),
        ("if True:\n    %cd ..", "if True:\n    get_ipython().run_line_magic('cd', '..')"),
        (">>> x = 1\n>>> y = 2", "x = 1\ny = 2"),
        ("\n  x = 1", "x = 1"),
    ],
)
def test_what_is_no_python_becomes_a_call(source, call):
    assert said(source) == call


@pytest.mark.parametrize(
    "source", ["t = %time f(1)", "%timeit -n 5 f(1)", "%%time\nf(1)", "if True:\n    %time f(1)"]
)
def test_the_python_inside_of_a_magic_is_seen(source):
    names = {node.id for node in ast.walk(parse_cell(source)) if isinstance(node, ast.Name)}
    assert "f" in names
    assert cell_breaches([source.replace("f(1)", "exec('1')")]) != []


@pytest.mark.parametrize("source", ["print('a'", "x = = 1", "%%time\nx = (", "x = !ls\ny = ("])
def test_what_jupyter_refuses_is_refused(source):
    with pytest.raises(SyntaxError):
        parse_cell(source)


@pytest.mark.parametrize(
    ("source", "hidden"),
    [("x = (10\n% 3);", True), ("%time f();", False), ("x = !ls\nx;", True), ("x = (1\n!= 2)", False)],
)
def test_a_last_semicolon_is_found_beside_magics(source, hidden):
    assert ends_in_semicolon(source) is hidden
