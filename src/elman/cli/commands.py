"""The command line: each command parses, makes one call, and prints. No torch until a command needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from cyclopts import App, CycloptsError

from elman.cli.export import export
from elman.cli.forecast import backtest, forecast
from elman.cli.inspection import inspect
from elman.cli.lists import kernels, samples
from elman.cli.predict import evaluate, predict
from elman.cli.probe import probe
from elman.cli.sample import complete, sample
from elman.cli.serve import serve
from elman.cli.stream import stream
from elman.cli.task_options import placed
from elman.cli.train import KNOWN, init, train
from elman.cli.translate import translate
from elman.core import notes, plugins
from elman.core.errors import ElmanError, shortened

_NOTE = 800
"""Characters of a note, at most."""

app = App(
    name="elman",
    help=(
        "Recurrent neural networks: train one on your sequences; predict, translate, forecast, write, draw.\n"
        "\n"
        "Every command takes --import FILE.py, or --import MODULE, as often as you like: Python code of "
        "yours that is imported first, to register cells and tasks of your own."
    ),
    version_flags=["--version"],
    help_format="plaintext",
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
)

COMMANDS = {
    "train": train,
    "init": init,
    "predict": predict,
    "translate": translate,
    "forecast": forecast,
    "backtest": backtest,
    "sample": sample,
    "complete": complete,
    "eval": evaluate,
    "inspect": inspect,
    "probe": probe,
    "stream": stream,
    "serve": serve,
    "export": export,
    "samples": samples,
    "kernels": kernels,
}

for _name, _function in COMMANDS.items():
    app.command(_function, name=_name)


def main(tokens: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    sys.exit(run(tokens))


def run(tokens: Sequence[str] | None = None) -> int:
    """Run one command; print what a user can cause as one line on standard error.

    Bytes of standard input that are not of its encoding are kept, as names of files may have them; what
    standard output cannot write of a text is written as `\\ud800`.
    """
    for pipe, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(pipe, TextIOWrapper):
            pipe.reconfigure(errors=errors)
    try:
        with notes.forward(lambda text: print(f"elman: {shortened(text, _NOTE)}", file=sys.stderr)):
            given = _imported(sys.argv[1:] if tokens is None else list(tokens))
            app(_placed(given), result_action="return_value")
        sys.stdout.flush()
    except (ElmanError, CycloptsError) as error:
        print(f"elman: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("elman: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has gone (`elman sample RUN | head`); nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _imported(tokens: list[str]) -> list[str]:
    """Import what the tokens name, and return the others."""
    left: list[str] = []
    rest = iter(tokens)
    for token in rest:
        option, joined, name = token.partition("=")
        if token == "--":
            return [*left, token, *rest]
        if option == plugins.OPTION:
            plugins.import_named(name if joined else next(rest, ""))
        else:
            left.append(token)
    return left


def _placed(tokens: list[str]) -> list[str]:
    """Return the tokens, those of `train` with a task's own settings where the command takes them."""
    return ["train", *placed(tokens[1:], KNOWN)] if tokens[:1] == ["train"] else tokens


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ElmanError) else f"{shortened(text)} (see elman --help)"
