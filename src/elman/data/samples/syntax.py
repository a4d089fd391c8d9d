"""What each token of Python source is, as Python's own parser tells: a teacher that is always there."""

from __future__ import annotations

import ast
import io
import keyword
import tokenize
from collections.abc import Iterator
from tokenize import TokenInfo
from typing import NamedTuple

Place = tuple[int, int]
"""Line, from 1, and column, from 0 in characters."""

_LEFT_OUT = frozenset((tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER))
_BEGIN, _END = (getattr(tokenize, f"FSTRING_{name}", -1) for name in ("START", "END"))  # from Python 3.12 on


class LogicalLine(NamedTuple):
    """A logical line: where it begins, its tokens, and what each of them is."""

    number: int
    tokens: list[str]
    roles: list[str]


def logical_lines(source: str) -> Iterator[LogicalLine]:
    """The logical lines of a module, without comments, each token with its role.

    A name is a variable that is read or assigned to, a function or method that is called, an attribute, a
    parameter, an argument's name, the name of what is defined or imported; else a token is a keyword, a
    number, a string or an operator. Of a string only its quotes are left.

    Raises:
        SyntaxError: the source is not valid Python of this version.
    """
    named = _names(source)
    line: list[TokenInfo] = []
    for token in _tokens(source):
        if token.type != tokenize.NEWLINE:
            line.append(token)
        elif line:
            yield LogicalLine(line[0].start[0], [_text(each) for each in line], _roles(line, named))
            line = []


def _tokens(source: str) -> Iterator[TokenInfo]:
    """The tokens that count; a formatted string is one, as it was before Python 3.12."""
    begun: list[TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == _BEGIN:
            begun.append(token)
        elif token.type == _END:
            first = begun.pop()
            token = token._replace(
                type=tokenize.STRING, string=first.string + token.string, start=first.start
            )
        if not begun and token.type not in _LEFT_OUT:
            yield token


def _text(token: TokenInfo) -> str:
    if token.type != tokenize.STRING:
        return token.string
    start = min(token.string.find(quote) for quote in "\"'" if quote in token.string)
    quotes = 3 if token.string[start : start + 3] in ('"""', "'''") else 1
    return token.string[: start + quotes] + token.string[start : start + quotes]


def _roles(line: list[TokenInfo], named: dict[Place, str]) -> list[str]:
    # What the tree does not place: names that are imported, that `as` gives, that a pattern captures; and
    # words that are keywords only there, such as `match`.
    unnamed = "imported" if line[0].string in ("import", "from") else "assigned"
    first = "keyword" if line[0].string in keyword.softkwlist else unnamed
    before = ["", *(token.string for token in line)]
    return [
        _role(token, previous, named.get(token.start, unnamed if previous else first))
        for token, previous in zip(line, before, strict=False)
    ]


def _role(token: TokenInfo, previous: str, name: str) -> str:
    """What a token is, where `name` is what it is if it is a name."""
    if token.type == tokenize.NAME:
        defined = {"def": "function-defined", "class": "class-defined"}.get(previous, name)
        return "keyword" if keyword.iskeyword(token.string) else defined
    return {tokenize.NUMBER: "number", tokenize.STRING: "string"}.get(token.type, "operator")


def _names(source: str) -> dict[Place, str]:
    """The roles of names, as the syntax tree has them, by the place where the name begins."""
    tree, lines = ast.parse(source), source.split("\n")
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    roles = {}

    def put(line: int | None, byte: int | None, role: str, back: int = 0) -> None:
        assert line is not None
        text = lines[line - 1]
        column = byte if text.isascii() else len(text.encode()[:byte].decode())
        assert column is not None
        roles[line, column - back] = role

    for node in ast.walk(tree):
        match node:
            case ast.Name(ctx=ast.Load()):
                put(node.lineno, node.col_offset, "called" if id(node) in called else "variable")
            case ast.Name():
                put(node.lineno, node.col_offset, "assigned")
            case ast.Attribute():
                role = "method-called" if id(node) in called else "attribute"
                put(node.end_lineno, node.end_col_offset, role, back=len(node.attr))
            case ast.arg():
                put(node.lineno, node.col_offset, "parameter")
            case ast.keyword(arg=str()):
                put(node.lineno, node.col_offset, "argument")
    return roles
