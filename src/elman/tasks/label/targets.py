"""What is predicted at each step: a class, or a number with its uncertainty."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, ClassVar, NamedTuple, Self, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core import json_schema
from elman.core.errors import DataError, nearest
from elman.data.batching import IGNORED
from elman.data.cells import is_empty, is_number
from elman.metrics import classification
from elman.plots.classification import draw_confusion
from elman.tasks.base import Findings, Loss, Scores
from elman.tasks.label import step_scores
from elman.tasks.label.settings import LabelConfig

_LEAST = 1e-7
"""The least probability whose logarithm is taken."""

_MOST_DRAWN = 60
"""Most classes of a confusion matrix that is drawn."""

_FEW = 20
"""More different numbers than this may be values; fewer are classes, if they are whole."""

_WIDTH = 1.96
"""Deviations to each side that hold 95 % of a normal distribution."""


class StepCells(NamedTuple):
    """The targets of the steps of a sequence as they stand in the data, and where they came from."""

    cells: Sequence[Any]
    where: str


class StepTarget(ABC):
    """One kind of answer at each step, learnt from the training part; it takes `size` scores a step."""

    name: ClassVar[str]
    selection_metric: ClassVar[str]
    size: int

    @classmethod
    @abstractmethod
    def learn(cls, sequences: Sequence[StepCells], config: LabelConfig) -> Self:
        """The target with the classes, or the scale, of the training part."""

    @classmethod
    @abstractmethod
    def restore(cls, content: dict[str, Any], config: LabelConfig) -> Self:
        """The target that gave `content`."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What was learnt, in terms of JSON."""

    @abstractmethod
    def about(self) -> str:
        """What is predicted, in words."""

    @abstractmethod
    def encode(self, sequence: StepCells) -> Tensor:
        """The answers as targets [T]; an empty cell is one that is not scored.

        Raises:
            DataError: an answer that the training part did not have, or that is not a number.
        """

    @abstractmethod
    def known(self, targets: Tensor) -> Tensor:
        """Which targets [...] are there."""

    @abstractmethod
    def unknown(self, steps: int) -> Tensor:
        """Targets [steps] of which none is there."""

    @abstractmethod
    def loss(self, scores: Tensor, targets: Tensor) -> Loss:
        """The summed loss in nats of scores [T, B, size], over the targets [T, B] that are there."""

    @abstractmethod
    def objective(self, scores: Tensor, targets: Tensor) -> Loss:
        """The loss with what training adds to it."""

    @abstractmethod
    def outputs(self, scores: Tensor) -> Tensor:
        """What scores [..., size] say: probabilities [..., C], or mean and deviation [..., 2]."""

    @abstractmethod
    def surprise(self, outputs: Tensor, targets: Tensor) -> float:
        """The loss of outputs [N, ...], where no scores are known: the mean of -ln p of targets [N]."""

    @abstractmethod
    def scores(self, outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Scores:
        """Scores of outputs [T, ...] of sequences against targets [T]."""

    @abstractmethod
    def answer(self, output: Tensor) -> dict[str, Any]:
        """Return the outputs [T, ...] of a sequence as JSON: lists of an entry a step."""

    @abstractmethod
    def findings(self, outputs: Tensor, targets: Tensor) -> Findings:
        """Tables and pictures of outputs [N, ...] against targets [N], which are all there."""

    @abstractmethod
    def trivial(self, targets: Tensor) -> tuple[str, Tensor]:
        """What to say of any step, from the training targets [N] alone: its name, and an output."""


@final
class StepClass(StepTarget):
    """One of C classes: softmax and cross-entropy, with smoothing and weights in training."""

    name = "class"
    selection_metric = "accuracy"

    def __init__(self, classes: Sequence[str], weights: Sequence[float], config: LabelConfig) -> None:
        self.classes, self.size = list(classes), len(classes)
        self._numbers = {name: number for number, name in enumerate(classes)}
        self._weights, self._smoothing = list(weights), config.smoothing

    @classmethod
    def learn(cls, sequences: Sequence[StepCells], config: LabelConfig) -> Self:
        """The classes in the order of their names."""
        counts = Counter(_text(cell) for each in sequences for cell in each.cells if not is_empty(cell))
        if len(counts) < 2:
            got = f"one class, {next(iter(counts))!r}, at all steps" if counts else "no target at any step"
            remedy = "give more data, or name the right column with --target"
            raise DataError(sequences[0].where, got, expected="two classes or more", remedy=remedy)
        names = sorted(counts, key=_natural)
        mean = sum(counts.values()) / len(names)
        balanced = config.class_weights == "balanced"
        return cls(names, [mean / counts[name] for name in names] if balanced else [], config)

    @classmethod
    def restore(cls, content: dict[str, Any], config: LabelConfig) -> Self:
        """The classes and weights in `content`."""
        learnt = json_schema.build(_StepClasses, content)
        if len(set(learnt.classes)) < max(2, len(learnt.classes)):
            raise ValueError("no two classes, or one twice")
        if learnt.weights and len(learnt.weights) != len(learnt.classes):
            raise ValueError(f"{len(learnt.weights)} weights of {len(learnt.classes)} classes")
        return cls(learnt.classes, learnt.weights, config)

    def content(self) -> dict[str, Any]:
        """Classes and their weights."""
        return {"classes": self.classes, "weights": self._weights}

    def about(self) -> str:
        """How many classes, and which."""
        shown = ", ".join(self.classes[:8]) + (", ..." if len(self.classes) > 8 else "")
        return f"one of {len(self.classes)} classes at each step: {shown}"

    def encode(self, sequence: StepCells) -> Tensor:
        numbers = [IGNORED if is_empty(cell) else self._number(cell, sequence) for cell in sequence.cells]
        return torch.tensor(numbers)

    def known(self, targets: Tensor) -> Tensor:
        return targets != IGNORED

    def unknown(self, steps: int) -> Tensor:
        return torch.full((steps,), IGNORED)

    def loss(self, scores: Tensor, targets: Tensor) -> Loss:
        """Cross-entropy."""
        flat, answers = scores.float().flatten(0, -2), targets.flatten()
        nats = F.cross_entropy(flat, answers, ignore_index=IGNORED, reduction="sum")
        return Loss(nats, int((answers != IGNORED).sum()))

    def objective(self, scores: Tensor, targets: Tensor) -> Loss:
        """Cross-entropy with smoothed labels (Szegedy et al. 2016) and weighted classes."""
        weights = scores.new_tensor(self._weights).float() if self._weights else None
        flat, answers = scores.float().flatten(0, -2), targets.flatten()
        how = {"ignore_index": IGNORED, "reduction": "sum"}
        nats = F.cross_entropy(flat, answers, weights, label_smoothing=self._smoothing, **how)
        return Loss(nats, int((answers != IGNORED).sum()))

    def outputs(self, scores: Tensor) -> Tensor:
        """Probabilities [..., C]."""
        return scores.float().softmax(-1)

    def surprise(self, outputs: Tensor, targets: Tensor) -> float:
        """Cross-entropy."""
        return float(F.nll_loss(outputs.clamp(min=_LEAST).log(), targets))

    def scores(self, outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Scores:
        """Accuracy, macro F1, the edit score of segments, and the calibration error."""
        pairs = [
            (target[target != IGNORED], output[target != IGNORED])
            for output, target in _both(outputs, targets)
        ]
        guesses = [(truth.numpy(), output.argmax(-1).numpy()) for truth, output in pairs]
        truth, guess = (np.concatenate(each) for each in zip(*guesses, strict=True))
        top = torch.cat([output.amax(-1) for _, output in pairs]).numpy()
        if not len(truth):
            return {}
        matrix = classification.confusion(truth, guess, self.size)
        return {
            "accuracy": float((truth == guess).mean()),
            "macro_f1": classification.macro_f1(classification.per_class(matrix), matrix.sum(0)),
            "edit_score": step_scores.edit_score(guesses),
            "calibration_error": classification.calibration(top, truth == guess)[0],
        }

    def answer(self, output: Tensor) -> dict[str, Any]:
        """The likeliest class of each step, and its probability."""
        top, best = output.max(-1)
        names = [self.classes[number] for number in best.tolist()]
        return {"prediction": names, "probability": [round(p, 6) for p in top.tolist()]}

    def findings(self, outputs: Tensor, targets: Tensor) -> Findings:
        """Scores of each class, and the confusion matrix as a picture."""
        matrix = classification.confusion(targets.numpy(), outputs.argmax(-1).numpy(), self.size)
        each = classification.per_class(matrix)
        rows = zip(self.classes, each.precision, each.recall, each.f1, each.support, strict=True)
        head: list[object] = ["class", "precision", "recall", "F1", "steps"]
        table = [head, *([name, float(p), float(r), float(f), int(n)] for name, p, r, f, n in rows)]
        drawn = {"confusion": lambda figure: draw_confusion(figure, matrix, self.classes)}
        return Findings({"classes": table}, drawn if self.size <= _MOST_DRAWN else {})

    def trivial(self, targets: Tensor) -> tuple[str, Tensor]:
        """The share of each class, so that the most frequent one is always predicted."""
        return "majority class", targets.bincount(minlength=self.size) / max(1, len(targets))

    def _number(self, cell: Any, sequence: StepCells) -> int:
        name = _text(cell)
        if name not in self._numbers:
            known = f"one of the {len(self._numbers)} labels of the training part"
            remedy = nearest(name, self._numbers)
            raise DataError(sequence.where, f"the label {name!r}", expected=known, remedy=remedy)
        return self._numbers[name]


@final
class StepNumber(StepTarget):
    """A number: its mean and deviation under a normal distribution (Nix and Weigend 1994).

    In training the mean is fitted by squared errors, the deviation by the likelihood given that mean: steps
    with a small deviation do not outweigh the others (Seitzer et al. 2022, whose beta is 1).
    """

    name = "value"
    selection_metric = "rmse"
    size = 2

    def __init__(self, mean: float, deviation: float, config: LabelConfig) -> None:
        self._mean, self._deviation, self._most = mean, deviation, config.most

    @classmethod
    def learn(cls, sequences: Sequence[StepCells], config: LabelConfig) -> Self:
        """The mean and deviation of the training part, in which the network counts."""
        whole = cls(0.0, 1.0, config)
        numbers = torch.cat([whole.encode(each) for each in sequences]).double()
        numbers = numbers[~numbers.isnan()]
        if not len(numbers):
            remedy = "fill some in, or name the right column with --target"
            raise DataError(sequences[0].where, "no target at any step", expected="some", remedy=remedy)
        return cls(float(numbers.mean()), float(numbers.std(correction=0)) or 1.0, config)

    @classmethod
    def restore(cls, content: dict[str, Any], config: LabelConfig) -> Self:
        """Mean and deviation in `content`."""
        return cls(*json_schema.build(_StepSpread, content), config)

    def content(self) -> dict[str, Any]:
        """Mean and deviation."""
        return {"mean": self._mean, "deviation": self._deviation}

    def about(self) -> str:
        """That it is a number, and its spread."""
        most = f", at most {self._most:g}" if self._most else ""
        return f"a number at each step (mean {self._mean:.4g}, deviation {self._deviation:.4g}{most})"

    def encode(self, sequence: StepCells) -> Tensor:
        numbers = [float("nan") if is_empty(cell) else _real(cell, sequence) for cell in sequence.cells]
        target = torch.tensor(numbers, dtype=torch.float32)
        return target.clamp(max=self._most) if self._most else target

    def known(self, targets: Tensor) -> Tensor:
        return ~targets.isnan()

    def unknown(self, steps: int) -> Tensor:
        return torch.full((steps,), torch.nan)

    def loss(self, scores: Tensor, targets: Tensor) -> Loss:
        """-ln p of the numbers, in their own unit."""
        there = self.known(targets)
        outputs = self.outputs(scores[there])
        density = torch.distributions.Normal(outputs[:, 0], outputs[:, 1], validate_args=False)
        return Loss(-density.log_prob(targets[there]).sum(), int(there.sum()))

    def objective(self, scores: Tensor, targets: Tensor) -> Loss:
        """Half the squared error, in deviations of the training part, and -ln p of a fixed mean."""
        there = self.known(targets)
        mean, deviation = self.outputs(scores[there]).unbind(-1)
        error = (mean - targets[there]) / self._deviation
        density = torch.distributions.Normal(mean.detach(), deviation, validate_args=False)
        return Loss(error.square().sum() / 2 - density.log_prob(targets[there]).sum(), int(there.sum()))

    def outputs(self, scores: Tensor) -> Tensor:
        """Mean and deviation [..., 2] in the unit of the target: a line, and a softplus, of the scores."""
        scores = scores.float()
        mean = self._mean + self._deviation * scores[..., 0]
        deviation = self._deviation * (F.softplus(scores[..., 1]) + 1e-3)
        return torch.stack([mean, deviation], -1)

    def surprise(self, outputs: Tensor, targets: Tensor) -> float:
        """-ln p of the numbers, in their own unit."""
        return -float(torch.distributions.Normal(outputs[:, 0], outputs[:, 1]).log_prob(targets).mean())

    def scores(self, outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Scores:
        """RMSE, that of each sequence's last target alone, MAE, NSE, and the share within 1.96 deviations."""
        pairs = [
            (target[~target.isnan()], output[~target.isnan()]) for output, target in _both(outputs, targets)
        ]
        truth = torch.cat([target for target, _ in pairs]).double().numpy()
        mean, deviation = torch.cat([output for _, output in pairs]).double().numpy().T
        if not len(truth):
            return {}
        last = [float(target[-1] - output[-1, 0]) for target, output in pairs if len(target)]
        return {
            "rmse": float(np.sqrt(np.mean((truth - mean) ** 2))),
            "rmse_last": float(np.sqrt(np.mean(np.square(last)))),
            "mae": classification.mae(truth, mean),
            "nse": classification.r2(truth, mean),
            "coverage_95": float((np.abs(truth - mean) <= _WIDTH * deviation).mean()),
        }

    def answer(self, output: Tensor) -> dict[str, Any]:
        """The mean, and the interval that holds 95 %."""
        mean, deviation = output.double().unbind(-1)
        low, high = mean - _WIDTH * deviation, mean + _WIDTH * deviation
        named = {"prediction": mean, "low_95": low, "high_95": high}
        return {name: [float(f"{value:.7g}") for value in values.tolist()] for name, values in named.items()}

    def findings(self, outputs: Tensor, targets: Tensor) -> Findings:
        """Nothing beside the scores."""
        return Findings({}, {})

    def trivial(self, targets: Tensor) -> tuple[str, Tensor]:
        """The mean and deviation of the training part."""
        return "mean", torch.tensor([self._mean, self._deviation])


class _StepClasses(NamedTuple):
    classes: list[str]
    weights: list[float]


class _StepSpread(NamedTuple):
    mean: float
    deviation: Annotated[float, ("exclusiveMinimum", 0)]


TARGETS: dict[str, type[StepTarget]] = {kind.name: kind for kind in (StepClass, StepNumber)}


def guess(sequences: Sequence[StepCells], config: LabelConfig) -> str:
    """Which kind of target these are: `config.kind`, or what they look like.

    More than 20 different numbers, or some that are not whole, are values; anything else is a class.
    """
    if config.kind != "auto":
        return config.kind
    different = {
        _text(cell) for cell in chain.from_iterable(each.cells for each in sequences) if not is_empty(cell)
    }
    if not different or not all(map(_is_finite, different)):
        return "class"
    whole = all(float(value).is_integer() for value in different)
    return "value" if not whole or len(different) > _FEW else "class"


def _both(outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Sequence[tuple[Tensor, Tensor]]:
    return list(zip(outputs, targets, strict=True))


def _text(cell: Any) -> str:
    """A label: whole numbers are the same as 1 and as 1.0."""
    is_whole = isinstance(cell, float | np.floating) and float(cell).is_integer()
    return str(int(cell)) if is_whole else str(cell).strip()


def _is_finite(cell: Any) -> bool:
    return is_number(cell) and bool(np.isfinite(float(cell)))


def _real(cell: Any, sequence: StepCells) -> float:
    if not is_number(cell) or np.isinf(float(cell)):
        remedy = "mend it, leave it empty, or set label.kind = class"
        raise DataError(sequence.where, json.dumps(str(cell)), expected="a number", remedy=remedy)
    return float(cell)


def _natural(name: str) -> tuple[float, str]:
    return (float(name), "") if _is_finite(name) else (float("inf"), name)
