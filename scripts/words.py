"""Find phrases to avoid: in the pages, the help, and the strings and docstrings of the source.

Prints each hit as `file:line: phrase: text`, then the number of hits of each kind; exits with 1 if any.
Arguments restrict the search to these kinds.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
KINDS = ("pages", "help", "errors", "strings", "docstrings")
GENERATED = "command-line.md"  # the help, which is searched as such

# A phrase -> what to write instead. "held out" and "there is no" are English; "no such" is the usual error.
PHRASES = {
    r"told": "reported, set, given, passed",
    r"said(?!\.\w)": "reported, stated, printed",
    r"heard": "recognized, received",
    r"held(?![- ]out)": "kept, stored, cached",
    r"(?<!there )(?:is|are) no(?! (?:such|longer|better|more|less|fewer|other|need|way)\b)": (
        "not a valid ..., not"
    ),
    r"so many": "this many, N",
    r"upon each other": "stacked",
    r"in the hand": "loaded",
    r"what one": "what a user, what you",
    r"one who": "a user that, a client that",
    r"how (?:hard|far) (?:they|it) tr(?:y|ies)": "budget",
    r"nothing is said": "not reported",
    r"knows? no": "does not depend on",
    r"beside each other": "side by side",
}
_PHRASE = re.compile("|".join(rf"(?P<p{i}>\b{phrase}\b)" for i, phrase in enumerate(PHRASES)), re.IGNORECASE)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A phrase where it stands.

    Args:
        kind: one of `KINDS`.
        place: the file, or the command whose help it is, and the line.
        phrase: the words found.
        instead: what to write instead.
        text: the line, or the string.
    """

    kind: str
    place: str
    phrase: str
    instead: str
    text: str


def hits(*kinds: str) -> list[Hit]:
    """Every hit of these kinds; of all kinds if none is named."""
    wanted = kinds or KINDS
    texts = [*_pages(), *_source(), *(_help() if "help" in wanted else ())]
    return [hit for kind, place, text in texts if kind in wanted for hit in found(kind, place, text)]


def found(kind: str, place: str, text: str) -> Iterator[Hit]:
    """The hits in one text."""
    flat = " ".join(text.split())
    for match in _PHRASE.finditer(flat):
        instead = list(PHRASES.values())[int((match.lastgroup or "p0")[1:])]
        yield Hit(kind=kind, place=place, phrase=match[0], instead=instead, text=_around(flat, match.span()))


def _around(text: str, span: tuple[int, int], width: int = 50) -> str:
    return text[max(0, span[0] - width) : span[1] + width]


def _pages() -> Iterator[tuple[str, str, str]]:
    """Each paragraph of the pages, without fenced blocks."""
    for page in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]:
        if page.name == GENERATED:
            continue
        text = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), page.read_text(encoding="utf-8"))
        for paragraph in re.finditer(r"(?:.+\n?)+", text):
            line = text.count("\n", 0, paragraph.start()) + 1
            yield "pages", f"{page.relative_to(ROOT)}:{line}", paragraph[0]


def _help() -> Iterator[tuple[str, str, str]]:
    """Each line of each command's help, so wide that nothing is cut in two."""
    from command_line import COMMANDS, help_text

    for command in ([], *([name] for name in COMMANDS)):
        for number, line in enumerate(help_text(command, width=10_000).splitlines(), 1):
            yield "help", f"{' '.join(['elman', *command])} --help:{number}", line


def _source() -> Iterator[tuple[str, str, str]]:
    """Each docstring, each string of a raised error, and each other string that is a phrase."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if _is_text(node)}
        errors = {id(part) for node in ast.walk(tree) if _is_error(node) for part in ast.walk(node)}
        for node in _whole_strings(tree):
            kind = "docstrings" if id(node) in docstrings else "errors" if id(node) in errors else "strings"
            text = _text(node)
            if " " in text:
                yield kind, f"{path.relative_to(ROOT)}:{node.lineno}", text


def _is_text(node: ast.AST) -> bool:
    """A string that stands by itself: a docstring, also one below a field."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_error(node: ast.AST) -> bool:
    """What is raised, and an error that is made to be raised elsewhere."""
    name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
    return isinstance(node, ast.Raise) or name.endswith("Error")


def _whole_strings(node: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The strings, an f-string as one."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node
    if isinstance(node, ast.JoinedStr):
        values = [part for part in node.values if isinstance(part, ast.FormattedValue)]
    else:
        values = list(ast.iter_child_nodes(node))
    for child in values:
        yield from _whole_strings(child)


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def main() -> int:
    """Print the hits and their numbers; 1 if there are any."""
    unknown = sorted(set(sys.argv[1:]) - set(KINDS))
    if unknown:
        print(f"usage: words.py [{' | '.join(KINDS)}]...", file=sys.stderr)
        return 2
    every = hits(*sys.argv[1:])
    for hit in every:
        print(f"{hit.place}: {hit.phrase}: {hit.text}")
    counts = Counter(hit.kind for hit in every)
    print(", ".join(f"{kind}: {counts[kind]}" for kind in sys.argv[1:] or KINDS))
    return 1 if every else 0


if __name__ == "__main__":
    sys.exit(main())
