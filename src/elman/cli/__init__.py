"""The command line: each command parses, makes one call, and prints. No torch until a command needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from elman.errors import ElmanError

app = App(
    name="elman",
    help="Recurrent neural networks: train one on your sequences, write with it, complete, measure.",
    version_flags=["--version"],
    help_format="plaintext",
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
)

COMMANDS = {
    "train": ("elman.cli.train:train", "Train a network on your data, or go on with a run."),
    "init": ("elman.cli.train:init", "Write a commented file with all settings."),
    "sample": ("elman.cli.use:sample", "Write text with a trained model."),
    "complete": ("elman.cli.use:complete", "Tell the likeliest next words."),
    "eval": ("elman.cli.use:evaluate", "Measure a model on other data, beside trivial baselines."),
    "samples": ("elman.cli.show:samples", "List the data sets that are always there."),
    "kernels": ("elman.cli.show:kernels", "Say which kernel serves a cell, and why."),
}
"""Name -> where its function is, imported when it is called, and what `elman --help` says of it."""

for _name, (_place, _help) in COMMANDS.items():
    app.command(_place, name=_name, help=_help)


def main(tokens: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    sys.exit(run(tokens))


def run(tokens: Sequence[str] | None = None) -> int:
    """Run one command; what a user can cause is told in one line on standard error."""
    try:
        app(sys.argv[1:] if tokens is None else list(tokens), result_action="return_value")
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


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ElmanError) else f"{text} (see elman --help)"
