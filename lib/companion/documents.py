"""YAML documents read strictly: no duplicate keys, YAML 1.2 scalars, line numbers, one sentence for each
breach.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from companion.errors import DocumentError, nearest
from companion.text import read_text

__all__ = ["Document", "Where", "elsewhere", "read_document", "schema", "schema_problems"]

Where = tuple[str | int, ...]
"""A place in a document: the keys and indices that lead to it."""


_NO_VALUE = (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError)
"""What PyYAML raises where a tag and the value behind it do not fit, such as ``!!int abc``, or all is too deep."""

MOST_PLACES = 100_000
"""Places in a document: more come from aliases of aliases."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2: ``1e-10`` is a number, ``no`` and dates are text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same, compiled where PyYAML was: ten times as fast, but its errors say less."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


@dataclass(frozen=True, eq=False)
class Document:
    """A parsed YAML file: its data, and the line of every place in it; equal to itself alone."""

    label: str
    data: Any
    lines: dict[Where, int] = field(repr=False)

    def problem(self, where: Where, expected: str, found: str, *, key: str | None = None) -> str:
        """Return the sentence ``file:line, claim id, key k: expected …, found …``."""
        subject, rest = self._subject(where)
        path = key if key is not None else _dotted(rest)
        parts = [f"{self.label}:{self._line(where)}", subject, f"key {path}" if path else ""]
        return f"{', '.join(part for part in parts if part)}: expected {expected}, found {found}"

    def _line(self, where: Where) -> int:
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def _subject(self, where: Where) -> tuple[str, Where]:
        """Split ``where`` into what a reader calls the thing (claim, table, page …) and the keys inside it."""
        if (
            len(where) >= 2
            and where[0] in ("claims", "tables", "headlines", "departures", "pieces")
            and isinstance(where[1], int)
        ):
            item = self.data[where[0]][where[1]]
            kind, key = ("group", "name") if where[0] == "pieces" else (str(where[0])[:-1], "id")
            name = item.get(key) if isinstance(item, dict) else None
            return f"{kind} {name if isinstance(name, str) else f'number {where[1] + 1}'}", where[2:]
        if len(where) >= 2 and where[0] in ("sources", "scales", "pages"):
            return f"{str(where[0])[:-1]} {where[1]}", where[2:]
        return "", where


def _dotted(where: Where) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_document(path: Path, label: str) -> Document:
    """Return the document at ``path``, called ``label`` in messages; raise :class:`DocumentError` if it
    cannot be read.
    """
    try:
        return _parsed(read_text(path), label)
    except FileNotFoundError:
        raise DocumentError([f"{label}: expected a file, found nothing"]) from None
    except (UnicodeDecodeError, yaml.reader.ReaderError):
        raise DocumentError([f"{label}: expected UTF-8 text, found other bytes"]) from None


@lru_cache(maxsize=32)
def _parsed(text: str, label: str) -> Document:
    """Parse once for each text: a build asks for every ledger once a page and profile. Nobody changes the data."""
    try:
        return _document(_FastLoader(text), label)
    except (yaml.MarkedYAMLError, *_NO_VALUE):
        pass  # the plain loader finds the same error and has the better words
    try:
        return _document(_Loader(text), label)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError([f"{label}:{line}: expected YAML, found this: {error.problem}"]) from None
    except _NO_VALUE as error:
        found = str(error) or type(error).__name__
        raise DocumentError([f"{label}: expected YAML without tags of types, found this: {found}"]) from None


def _document(loader: Any, label: str) -> Document:
    try:
        node = loader.get_single_node()
        if node is None:
            raise DocumentError([f"{label}: expected a mapping, found an empty file"])
        lines: dict[Where, int] = {}
        problems: list[str] = []
        _walk(node, (), lines, problems, label, set())
        if problems:
            raise DocumentError(problems)
        return Document(label, loader.construct_document(node), lines)
    finally:
        loader.dispose()


def _walk(
    node: yaml.Node, where: Where, lines: dict[Where, int], problems: list[str], label: str, above: set[int]
) -> None:
    if id(node) in above:
        problems.append(
            f"{label}:{node.start_mark.line + 1}: expected a tree, found an alias of an enclosing node"
        )
        return
    if len(lines) > MOST_PLACES:
        raise DocumentError([f"{label}: expected at most {MOST_PLACES} values, found more; use fewer aliases"])
    lines.setdefault(where, node.start_mark.line + 1)
    inside = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*where, index), lines, problems, label, inside)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                problems.append(
                    f"{label}:{line}: expected a key that is text, found {getattr(key, 'value', 'a collection')!r}"
                )
            elif key.value in seen:
                problems.append(f"{label}:{line}: expected every key once, found {key.value!r} twice")
            else:
                seen.add(key.value)
                lines[(*where, key.value)] = line
                _walk(value, (*where, key.value), lines, problems, label, inside)


def elsewhere(document: Document, chapter: str) -> list[str]:
    """Return a sentence where ``document``, which stands in the folder of ``chapter``, says another one."""
    said = document.data["chapter"]
    return (
        [] if said == chapter else [document.problem(("chapter",), f"the folder's name {chapter!r}", repr(said))]
    )


@cache
def schema(name: str) -> dict[str, Any]:
    """Return ``schema/<name>.schema.json``."""
    return json.loads((Path(__file__).parent / "schema" / f"{name}.schema.json").read_text(encoding="utf-8"))


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema(name))


@lru_cache(maxsize=32)
def schema_problems(document: Document, name: str) -> tuple[str, ...]:
    """Return a sentence for every breach of ``schema/<name>.schema.json``, in the order of the file.

    Looked for once in each document, since this is most of the work of reading a ledger.
    """
    found: list[tuple[int, str]] = []
    for error in _validator(name).iter_errors(document.data):
        for leaf in _leaves(error):
            for where, expected, seen in _explain(leaf, _validator(name).schema):
                found.append((document._line(where), document.problem(where, expected, seen)))
    found += [
        (document._line(where), document.problem(where, "a finite number", str(value)))
        for where, value in _scalars(document.data, ())
        if isinstance(value, float) and not math.isfinite(value)
    ]
    return tuple(sentence for _, sentence in sorted(dict.fromkeys(found), key=lambda pair: pair[0]))


def _leaves(error: Any) -> list[Any]:
    """Return the errors inside ``anyOf`` that concern the branch the author meant, or the error itself."""
    inner = [child for child in error.context or [] if child.path or child.validator != "type"]
    return [leaf for child in inner for leaf in _leaves(child)] if inner else [error]


def _explain(error: Any, root: dict[str, Any]) -> list[tuple[Where, str, str]]:
    where: Where = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        patterns = error.schema.get("patternProperties", {})
        unknown = [
            key
            for key in error.instance
            if key not in known and not any(re.search(pattern, key) for pattern in patterns)
        ]
        options = ", ".join(known) or " or ".join(patterns)
        return [
            ((*where, key), f"one of the keys {options}", _unknown(key, error.instance, known)) for key in unknown
        ]
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return [
            ((*where, key), _describe(error.schema.get("properties", {}).get(key, {}), root), "nothing")
            for key in missing
        ]
    if error.validator in ("minItems", "maxItems"):
        return [(where, _describe(error.schema, root), f"{len(error.instance)} items")]
    return [(where, _describe(error.schema, root), _found(error.instance))]


def _unknown(key: str, instance: dict[str, Any], known: list[str]) -> str:
    """Return what to say of an unknown key; half a sentence split off at a comma looks like a key without a
    value.
    """
    split = instance[key] is None and " " in key
    return "an unknown key" + ("; put text that holds a comma in quotes" if split else nearest(key, known))


_TYPES = {
    "number": "a number",
    "integer": "a whole number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def _describe(schema: dict[str, Any], root: dict[str, Any]) -> str:
    """Return in words what ``schema`` accepts."""
    if "$ref" in schema:
        return _describe(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    if "anyOf" in schema:
        return " or ".join(_describe(branch, root) for branch in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(str(option) for option in schema["enum"])
    types = schema.get("type", [])
    words = [_TYPES[kind] for kind in ([types] if isinstance(types, str) else types)] or ["a value"]
    text = ", ".join(words[:-1]) + (" or " if words[:-1] else "") + words[-1]
    for keyword, sign in (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<=")):
        text += f" {sign} {schema[keyword]}" if keyword in schema else ""
    if types == "array" and "items" in schema:
        low, high = schema.get("minItems"), schema.get("maxItems")
        text += (
            f" of {low} items" if low is not None and low == high else f" of at least {low} items" if low else ""
        )
        text += f", each {_describe(schema['items'], root)}"
    if "pattern" in schema:
        text += (
            f" like {schema['examples'][0]}" if schema.get("examples") else f" that matches {schema['pattern']}"
        )
    return "text that is not empty" if text == "text" and schema.get("minLength") else text


def _found(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return (
        {None: "null", True: "true", False: "false"}[value]
        if value is None or value is True or value is False
        else repr(value)
    )


def _scalars(value: object, where: Where) -> list[tuple[Where, object]]:
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in _scalars(item, (*where, key))]
    if isinstance(value, list):
        return [pair for index, item in enumerate(value) for pair in _scalars(item, (*where, index))]
    return [(where, value)]
