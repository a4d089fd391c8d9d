"""elman.accelerate under published models: the same numbers, and the time of their own training.

    pip install -r benchmarks/models-requirements.txt
    python benchmarks/models.py [--only flair,darts] [--rounds 7] [--write]

Each model is built by its package's own class, and trained and asked by its package's own calls, with
torch's layers and with ours by turns (A B A B ...) in one process, from the same weights and the same
seeds; a time is the median of --rounds. Before that, without dropout: the losses of both, then their
predictions, then those after `undo`. What of the packages is not installed is named and left out.
Printed, and written to --out; with --write into docs/models.md as well.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib
import importlib.metadata
import importlib.util
import logging
import os
import platform
import random
import textwrap
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

import elman
from models.base import Case
from timing.clock import Plan, take_turns
from timing.page import processor, write

PACKAGES = {
    "neuralforecast": "neuralforecast",
    "darts": "darts",
    "pytorch_forecasting": "pytorch-forecasting",
    "gluonts": "gluonts",
    "flair": "flair",
    "stanza": "stanza",
    "sb3_contrib": "sb3-contrib",
}
"""By the name that Python imports, which is its file's in benchmarks/models too: what pip calls it."""

PAGE = Path(__file__).parents[1] / "docs/models.md"
INSTALL = "pip install -r benchmarks/models-requirements.txt"
DROPOUTS = ("p", "dropout", "dropout_rate", "dropprob")  # what packages call a module's share

Row = list[str]
Weights = dict[str, Tensor]


class Checked(NamedTuple):
    """Whether the numbers stay the same.

    Args:
        layers: a row of the table of layers for each.
        replaced, left: how many layers run in our kernels, and how many do not.
        losses: how many steps were compared.
        loss: the largest difference of a step's loss, relative to it.
        prediction: the largest difference of the prediction's numbers, relative to the largest of them.
        undone: whether classes, names of weights and every bit of the prediction are back after `undo`.
    """

    layers: list[Row]
    replaced: int
    left: int
    losses: int
    loss: float
    prediction: float
    undone: bool


def seeded(module: nn.Module, weights: Weights, call: Callable[[], Any]) -> Any:
    """Call it from these weights, with every source of chance begun anew."""
    module.load_state_dict(weights)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    return call()


def accelerated(module: nn.Module, weights: Weights, call: Callable[[], Any]) -> Any:
    """The same, in our kernels."""
    with elman.accelerate(module):
        return seeded(module, weights, call)


@contextlib.contextmanager
def without_dropout(module: nn.Module) -> Iterator[None]:
    """Set every share that is dropped to 0, and back at the end."""
    shares = [
        (each, name, getattr(each, name))
        for each in module.modules()
        for name in DROPOUTS
        if isinstance(getattr(each, name, None), float)
        and ("drop" in type(each).__name__.lower() or is_rnn(each))
    ]
    for each, name, _ in shares:
        setattr(each, name, 0.0)
    try:
        yield
    finally:
        for each, name, share in shares:
            setattr(each, name, share)


def is_rnn(module: nn.Module) -> bool:
    return isinstance(module, (nn.RNNBase, nn.RNNCellBase))


class Shapes:
    """Which shapes the recurrent layers of a model are called with."""

    def __init__(self, module: nn.Module) -> None:
        self.seen: dict[str, Counter[str]] = {}
        self.hooks = [
            each.register_forward_pre_hook(self._note(name), with_kwargs=True)
            for name, each in module.named_modules()
            if is_rnn(each)
        ]

    def take(self) -> dict[str, str]:
        """Of each layer the shape that was met most often, and the number of calls; then begin anew."""
        seen, self.seen = self.seen, {}
        return {name: f"{shapes.most_common(1)[0][0]}; {shapes.total()}" for name, shapes in seen.items()}

    def close(self) -> None:
        """Look no further."""
        for hook in self.hooks:
            hook.remove()

    def _note(self, name: str) -> Callable[..., None]:
        def note(module: nn.Module, args: tuple, kwargs: dict) -> None:
            given = args[0] if args else kwargs.get("input", kwargs.get("x"))
            packed = isinstance(given, PackedSequence)
            shape = (len(given.batch_sizes), int(given.batch_sizes[0])) if packed else tuple(given.shape[:-1])
            if not packed and getattr(module, "batch_first", False):
                shape = shape[::-1]
            said = ", ".join(map(str, shape)) + " packed" * packed
            self.seen.setdefault(name, Counter())[said] += 1

        return note


def check(case: Case, start: Weights) -> tuple[Checked, Weights]:
    """Compare losses and predictions of both; the weights after that training come with it."""
    module = case.module
    kinds = {name: type(each) for name, each in module.named_modules()}
    described = {name: str(each) for name, each in module.named_modules() if is_rnn(each)}
    shapes = Shapes(module)
    with without_dropout(module):
        losses = seeded(module, start, case.train)
        in_training = shapes.take()
        trained = copy.deepcopy(module.state_dict())
        ours = accelerated(module, start, case.train)
    shapes.take()
    before = seeded(module, trained, case.predict)
    in_prediction = shapes.take()
    report = elman.accelerate(module)
    predicted = seeded(module, trained, case.predict)
    report.undo()
    shapes.close()
    after = seeded(module, trained, case.predict)
    undone = (
        kinds == {name: type(each) for name, each in module.named_modules()}
        and list(trained) == list(module.state_dict())
        and torch.equal(before, after)
    )
    why = {each.name: each.reason for each in report.left}
    layers = [
        [
            *(f"`{name or 'itself'}`", f"`{described[name]}`" if name in described else kinds[name].__name__),
            *(in_training.get(name, "-"), in_prediction.get(name, "-"), why.get(name, "replaced")),
        ]
        for name in [each.name for each in (*report.replaced, *report.left)]
    ]
    loss = max(abs(a - b) / max(abs(a), 1e-12) for a, b in zip(losses, ours, strict=True))
    prediction = float((before - predicted).abs().max() / before.abs().max())
    counts = len(report.replaced), len(report.left), len(losses)
    return Checked(layers, *counts, loss, prediction, undone), trained


def measure(case: Case, start: Weights, trained: Weights, plan: Plan) -> tuple[Row, str]:
    """Seconds of training and prediction by turns, and how busy others were meanwhile."""
    module = case.module
    block = take_turns(
        {
            "train torch": lambda: seeded(module, start, case.train),
            "train ours": lambda: accelerated(module, start, case.train),
            "predict torch": lambda: seeded(module, trained, case.predict),
            "predict ours": lambda: accelerated(module, trained, case.predict),
        },
        plan,
    )
    row = []
    for name in ("train", "predict"):
        ours, theirs = block.median(f"{name} ours"), block.median(f"{name} torch")
        row += [f"{ours:.3g}", f"{theirs:.3g}", f"{theirs / ours:.2f}"]
    return row, "?" if block.foreign is None else f"{block.foreign:.0%}"


def installed(names: list[str]) -> list[str]:
    """Those of the packages that are there; what is missing is told, with the way to it."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        print(f"not installed: {', '.join(PACKAGES[name] for name in missing)}. To install: {INSTALL}")
    return [name for name in names if name not in missing]


class Tables:
    """The three tables, which grow by a model at a time."""

    def __init__(self) -> None:
        heads = [
            "training: ours s",
            "torch s",
            "torch / ours",
            "prediction: ours s",
            "torch s",
            "torch / ours",
        ]
        self.times: list[Row] = [["package", "model", *heads, "others"]]
        self.numbers: list[Row] = [
            [
                *("package", "model", "replaced", "left"),
                *("steps", "loss", "prediction", "as before after undo"),
            ]
        ]
        self.layers: list[Row] = [
            [
                *("package", "model", "layer", "torch's"),
                *("in training", "in prediction", "replaced, or why not"),
            ]
        ]
        self.works: list[str] = []

    def add(self, package: str, model: str, case: Case, plan: Plan) -> None:
        """Check and measure one model."""
        start = copy.deepcopy(case.module.state_dict())
        checked, trained = check(case, start)
        times, others = measure(case, start, trained, plan)
        title = [PACKAGES[package], model]
        self.times.append([*title, *times, others])
        self.layers += [[*title, *layer] for layer in checked.layers]
        counts = [str(count) for count in (checked.replaced, checked.left, checked.losses)]
        differences = [f"{checked.loss:.0e}", f"{checked.prediction:.0e}", "yes" if checked.undone else "NO"]
        self.numbers.append([*title, *counts, *differences])
        self.works.append(f"- {' '.join(title)}: {case.work}")
        print(f"{' '.join(title)}: {' '.join(times)}, {' '.join(differences)}", flush=True)

    def __str__(self) -> str:
        parts = [
            table(self.times),
            "\nOne training, and one prediction, is:\n",
            *self.works,
            "\n### The same numbers\n",
            table(self.numbers),
            "\n### The layers\n",
            "In training and prediction: steps, batch; calls. Of several shapes the most frequent one.\n",
            table(self.layers),
        ]
        return "\n".join(parts) + "\n"


def table(rows: list[Row]) -> str:
    head, *rest = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest])


def machine(names: list[str], plan: Plan) -> str:
    """Where and with what this was measured."""
    versions = [f"{PACKAGES[each]} {importlib.metadata.version(PACKAGES[each])}" for each in names]
    said = (
        f"{processor()}; {torch.get_num_threads()} threads; torch {torch.__version__}, "
        f"Python {platform.python_version()}; {', '.join(versions)}. Medians of {plan.rounds}. Where a "
        "ratio is above 1, ours is faster. `others`: how long other processes kept a CPU busy meanwhile, of "
        "the time. `loss`: the largest difference of a step's loss, relative to it. `prediction`: that of "
        "its numbers, relative to the largest of them."
    )
    return textwrap.fill(said, 110)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PACKAGES), help=f"packages, of {','.join(PACKAGES)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tries", type=int, default=1, help="anew where others disturbed, up to this often")
    parser.add_argument("--out", type=Path, default=Path("runs/models.md"))
    parser.add_argument("--write", action="store_true", help="into docs/models.md")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    names = installed(options.only.split(","))
    if not names:
        return
    os.environ["TQDM_DISABLE"] = "1"
    warnings.filterwarnings("ignore")
    plan, tables = Plan(options.rounds, 0, options.tries), Tables()
    for name in names:
        package = importlib.import_module(f"models.{name}")
        logging.disable(logging.WARNING)
        torch.set_num_threads(options.threads)
        for model, build in package.MODELS.items():
            torch.manual_seed(1)
            tables.add(name, model, build(), plan)
    text = f"{machine(names, plan)}\n\n### Times\n\n{tables}"
    print(text)
    write(text, options.out, PAGE if options.write else None)


if __name__ == "__main__":
    main()
