"""A cell's source as Python: magics, shell lines and help as Jupyter reads them."""

from __future__ import annotations

import ast
import io
import tokenize

__all__ = ["ends_in_semicolon", "parse_cell"]

PYTHON_CELLS = ("time", "timeit", "capture", "prun")
"""Cell magics below which the cell is Python."""
PYTHON_LINES = ("time", "timeit", "prun")
"""Line magics whose text is Python, behind options."""
_SHELL = "get_ipython"


def parse_cell(source: str) -> ast.Module:
    """Return the syntax tree of a cell; raise :class:`SyntaxError` where Jupyter would.

    What is Python already is read as it is. All else goes through IPython's own transformer, which turns magics
    and shell lines into calls; the Python inside of timing magics takes the place of their text.
    """
    text = _as_python(source)
    tree = ast.parse(text)
    return tree if text == source else _Inner().visit(tree)


def _as_python(source: str) -> str:
    """Return ``source`` where it is Python, else what IPython makes of it."""
    try:
        ast.parse(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        return TransformerManager().transform_cell(source)
    return source


class _Inner(ast.NodeTransformer):
    """Puts the Python inside of magics in the place of the text that holds it."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        function = node.func
        if (
            not isinstance(function, ast.Attribute)
            or not isinstance(function.value, ast.Call)
            or not isinstance(function.value.func, ast.Name)
            or function.value.func.id != _SHELL
        ):
            return node
        values = [item.value for item in node.args if isinstance(item, ast.Constant)]
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) != len(node.args) or not texts:
            return node
        if function.attr == "run_line_magic" and texts[0] in PYTHON_LINES and len(texts) == 2:
            arguments = [_behind_options(texts[1])]
        elif function.attr == "run_cell_magic" and texts[0] in PYTHON_CELLS and len(texts) == 3:
            arguments = [_behind_options(texts[1]), parse_cell(texts[2])]
        else:
            return node
        node.args[1:] = arguments  # type: ignore[assignment]
        return node


def _behind_options(text: str) -> ast.AST:
    """Return the Python behind the options of a magic, or the text as a constant where there is none."""
    words = text.split(" ")
    for start in range(len(words)):
        try:
            return ast.parse(" ".join(words[start:]))
        except SyntaxError:
            if not words[start].startswith("-") and not words[start].isdigit():
                break
    return ast.Constant(text)


def ends_in_semicolon(source: str) -> bool:
    """Tell whether the last thing a cell says, comments aside, is a semicolon."""
    silent = {"COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER"}
    try:
        text = _as_python(source)
        said = [
            token.string
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if tokenize.tok_name[token.type] not in silent
        ]
    except (tokenize.TokenError, SyntaxError):
        return False  # said elsewhere
    return said[-1:] == [";"]
