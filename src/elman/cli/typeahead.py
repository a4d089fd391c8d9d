"""A line that is typed on a terminal, with suggestions under it that change with every key."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import is_done
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.key_binding.bindings.emacs import load_emacs_bindings
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.utils import get_cwidth

from elman.core import words

Suggest = Callable[[str], list[tuple[str, float]]]

PROMPT = "> "


def typed(suggest: Suggest) -> None:
    """Read lines until Ctrl-D, and show below each, while it is typed, what `suggest` gives for it.

    Tab takes the first suggestion, Enter starts a new line, Ctrl-U clears the line. Keys that arrive while
    suggestions are computed are all applied before the next ones are.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    while _application(suggest).run():
        pass


def completed(line: str, word: str) -> str:
    """Return the line with its last word, begun or yet to begin, in full as `word`, and a space after it."""
    begun = words.begun(line).lstrip(" ")
    head = line[: len(line) - len(begun)] if word.startswith(words.normal(begun, "nfc")) else line
    return f"{head}{word} "


def _application(suggest: Suggest) -> Application[bool]:
    """Make the prompt of one line with its suggestions; it returns whether another line follows."""
    buffer, latest = Buffer(multiline=False), lru_cache(maxsize=1)(suggest)
    line = Window(
        BufferControl(buffer, input_processors=[BeforeInput(PROMPT)]),
        dont_extend_height=True,
        wrap_lines=True,
    )
    rows = Window(FormattedTextControl(lambda: _rows(latest(buffer.text))), dont_extend_height=True)
    own = _keys(buffer, lambda: latest(buffer.text))
    return Application(
        Layout(HSplit([line, ConditionalContainer(rows, ~is_done)])),
        key_bindings=merge_key_bindings([load_emacs_bindings(), own]),
    )


def _rows(words: list[tuple[str, float]]) -> str:
    return "\n".join(f"  {_padded(word, 20)} {probability:6.1%}" for word, probability in words)


def _padded(word: str, columns: int) -> str:
    """Pad the word with spaces to that many terminal columns; East Asian characters take two each."""
    return word + " " * (columns - get_cwidth(word))


def _keys(buffer: Buffer, words: Callable[[], list[tuple[str, float]]]) -> KeyBindings:
    """Bind the keys that mean something beyond editing."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        event.app.exit(result=True)

    @keys.add("c-d")
    def _(event: KeyPressEvent) -> None:
        event.app.exit(result=False)

    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        event.app.exit(exception=KeyboardInterrupt)

    @keys.add("c-u")
    def _(event: KeyPressEvent) -> None:
        buffer.reset()

    @keys.add("tab")
    def _(event: KeyPressEvent) -> None:
        if found := words():
            buffer.text = completed(buffer.text, found[0][0])
            buffer.cursor_position = len(buffer.text)

    return keys
