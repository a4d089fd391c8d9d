"""What is predicted of a whole sequence: one class, several classes, or a number."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Self, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core import json_schema
from elman.core.errors import DataError, nearest
from elman.core.records import RawValue
from elman.metrics import classification
from elman.plots.classification import draw_calibration, draw_confusion
from elman.tasks.base import Findings, Loss, Scores
from elman.tasks.classify import raw_labels
from elman.tasks.classify.settings import ClassifyConfig

_LEAST = 1e-7
"""The least probability whose logarithm is taken."""

_MOST_DRAWN = 60
"""Most classes of a confusion matrix that is drawn."""


class Target(ABC):
    """One kind of answer, learnt from the training part; it says how many scores a network gives for it."""

    name: ClassVar[str]
    selection_metric: ClassVar[str]
    size: int

    @classmethod
    @abstractmethod
    def learn(cls, values: Sequence[RawValue], config: ClassifyConfig) -> Self:
        """The target with the classes, or the scale, of the training part."""

    @classmethod
    def faults(cls, values: Sequence[RawValue], config: ClassifyConfig) -> dict[int, DataError]:
        """The places of values that cannot be learnt from, and why."""
        return {}

    @classmethod
    @abstractmethod
    def restore(cls, content: dict[str, Any], config: ClassifyConfig) -> Self:
        """The target that gave `content`."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What was learnt, in terms of JSON."""

    @abstractmethod
    def about(self) -> str:
        """What is predicted, in words."""

    @abstractmethod
    def encode(self, raw: RawValue) -> Tensor:
        """The answer as a target.

        Raises:
            DataError: an answer that the training part did not have, or that is not a number.
        """

    @abstractmethod
    def loss(self, scores: Tensor, targets: Tensor) -> Loss:
        """The summed loss in nats of scores [B, size]."""

    @abstractmethod
    def objective(self, scores: Tensor, targets: Tensor) -> Loss:
        """The loss with what training adds to it."""

    @abstractmethod
    def outputs(self, scores: Tensor) -> Tensor:
        """What the scores [B, size] say: probabilities [B, C], or mean and deviation [B, 2]."""

    @abstractmethod
    def surprise(self, outputs: Tensor, targets: Tensor) -> float:
        """The loss of outputs [N, ...], where no scores are known: the mean of -ln p of targets [N, ...]."""

    @abstractmethod
    def scores(self, outputs: Tensor, targets: Tensor) -> Scores:
        """Scores of outputs [N, ...] against targets [N, ...]."""

    @abstractmethod
    def answer(self, output: Tensor) -> dict[str, Any]:
        """Return one output as JSON."""

    @abstractmethod
    def findings(self, outputs: Tensor, targets: Tensor) -> Findings:
        """Tables and pictures of outputs against targets."""

    @abstractmethod
    def trivial(self, targets: Tensor) -> tuple[str, Tensor]:
        """What to say of any sequence, from the training targets alone: its name, and an output."""


@final
class OneClass(Target):
    """One of C classes: softmax and cross-entropy, with smoothing and weights in training."""

    name = "class"
    selection_metric = "accuracy"

    def __init__(self, classes: Sequence[str], weights: Sequence[float], config: ClassifyConfig) -> None:
        self.classes, self.size = list(classes), len(classes)
        self._numbers = {name: number for number, name in enumerate(classes)}
        self._weights, self._smoothing = list(weights), config.smoothing

    @classmethod
    def learn(cls, values: Sequence[RawValue], config: ClassifyConfig) -> Self:
        """The classes in the order of their names; each must have two examples at least."""
        counts = Counter(raw_labels.label(raw) for raw in values)
        for fault in cls.faults(values, config).values():
            raise fault
        names = sorted(counts, key=_natural)
        mean = len(values) / len(names)
        balanced = config.class_weights == "balanced"
        return cls(names, [mean / counts[name] for name in names] if balanced else [], config)

    @classmethod
    def faults(cls, values: Sequence[RawValue], config: ClassifyConfig) -> dict[int, DataError]:
        """Those without a label, and those whose label no other has."""
        labels = [raw_labels.bare(raw) for raw in values]
        counts = Counter(filter(None, labels))
        found = {place: raw_labels.no_label(values[place]) for place, label in enumerate(labels) if not label}
        lone = (place for place, label in enumerate(labels) if counts[label] == 1 or len(counts) == 1)
        return found | {place: _lone(values[place], len(counts)) for place in lone if labels[place]}

    @classmethod
    def restore(cls, content: dict[str, Any], config: ClassifyConfig) -> Self:
        """The classes and weights in `content`."""
        learnt = json_schema.build(_Weighed, content)
        if learnt.weights and len(learnt.weights) != len(learnt.classes):
            raise ValueError(f"{len(learnt.weights)} weights of {len(learnt.classes)} classes")
        return cls(_different(learnt.classes), learnt.weights, config)

    def content(self) -> dict[str, Any]:
        """Classes and their weights."""
        return {"classes": self.classes, "weights": self._weights}

    def about(self) -> str:
        """How many classes, and which."""
        return f"one of {_listed(self.classes)}"

    def encode(self, raw: RawValue) -> Tensor:
        """The number of the class."""
        return torch.tensor(_number(raw_labels.label(raw), self._numbers, raw.where))

    def loss(self, scores: Tensor, targets: Tensor) -> Loss:
        """Cross-entropy."""
        return Loss(F.cross_entropy(scores.float(), targets, reduction="sum"), len(targets))

    def objective(self, scores: Tensor, targets: Tensor) -> Loss:
        """Cross-entropy with smoothed labels (Szegedy et al. 2016) and weighted classes."""
        weights = scores.new_tensor(self._weights) if self._weights else None
        nats = F.cross_entropy(
            scores.float(), targets, weights, reduction="sum", label_smoothing=self._smoothing
        )
        return Loss(nats, len(targets))

    def outputs(self, scores: Tensor) -> Tensor:
        """Probabilities [B, C]."""
        return scores.float().softmax(-1)

    def surprise(self, outputs: Tensor, targets: Tensor) -> float:
        """Cross-entropy."""
        return float(F.nll_loss(outputs.clamp(min=_LEAST).log(), targets))

    def scores(self, outputs: Tensor, targets: Tensor) -> Scores:
        """Accuracy, macro F1 and the calibration error."""
        truth, guess, top = targets.numpy(), outputs.argmax(-1).numpy(), outputs.amax(-1).numpy()
        matrix = classification.confusion(truth, guess, self.size)
        return {
            "accuracy": float((truth == guess).mean()),
            "macro_f1": classification.macro_f1(classification.per_class(matrix), matrix.sum(0)),
            "calibration_error": classification.calibration(top, truth == guess)[0],
        }

    def answer(self, output: Tensor) -> dict[str, Any]:
        """The likeliest class, its probability, and those of all."""
        best = int(output.argmax())
        named = {name: round(float(p), 6) for name, p in zip(self.classes, output, strict=True)}
        return {
            "prediction": self.classes[best],
            "probability": named[self.classes[best]],
            "probabilities": named,
        }

    def findings(self, outputs: Tensor, targets: Tensor) -> Findings:
        """Scores of each class; the confusion matrix and the calibration as pictures."""
        truth, guess, top = targets.numpy(), outputs.argmax(-1).numpy(), outputs.amax(-1).numpy()
        matrix = classification.confusion(truth, guess, self.size)
        _, bins = classification.calibration(top, truth == guess)
        figures = {"calibration": lambda figure: draw_calibration(figure, bins)}
        if self.size <= _MOST_DRAWN:
            figures["confusion"] = lambda figure: draw_confusion(figure, matrix, self.classes)
        return Findings({"classes": _table(self.classes, classification.per_class(matrix))}, figures)

    def trivial(self, targets: Tensor) -> tuple[str, Tensor]:
        """The share of each class, so that the most frequent one is always predicted."""
        return "majority class", targets.bincount(minlength=self.size) / len(targets)


@final
class Several(Target):
    """Any number of C classes at once: a sigmoid and binary cross-entropy for each."""

    name = "several"
    selection_metric = "macro_f1"

    def __init__(self, classes: Sequence[str], config: ClassifyConfig, *, flags: bool = False) -> None:
        self.classes, self.size, self._flags = list(classes), len(classes), flags
        self._numbers = {name: number for number, name in enumerate(classes)}
        self._config = config

    @classmethod
    def learn(cls, values: Sequence[RawValue], config: ClassifyConfig) -> Self:
        """The classes in the order of their names; each must have two examples at least."""
        flags = raw_labels.are_flags(values)
        counts = Counter(name for raw in values for name in raw_labels.labels(raw, config, flags=flags))
        if not counts:
            raise DataError(values[0].where, "no label in any row", expected="some", remedy="set data.target")
        for fault in cls.faults(values, config).values():
            raise fault
        return cls(sorted(counts, key=_natural), config, flags=flags)

    @classmethod
    def faults(cls, values: Sequence[RawValue], config: ClassifyConfig) -> dict[int, DataError]:
        """Those with a label that no other has."""
        labels = [raw_labels.labels(raw, config, flags=raw_labels.are_flags(values)) for raw in values]
        counts = Counter(name for several in labels for name in several)
        lone = {
            place: name
            for place, several in enumerate(labels)
            for name in reversed(several)
            if counts[name] == 1
        }
        return {place: _lone(values[place]._replace(value=name), 2) for place, name in lone.items()}

    @classmethod
    def restore(cls, content: dict[str, Any], config: ClassifyConfig) -> Self:
        """The classes in `content`."""
        learnt = json_schema.build(_TargetsClasses, content)
        return cls(_different(learnt.classes), config, flags=learnt.flags)

    def content(self) -> dict[str, Any]:
        """The classes, and whether lists have a 0 or 1 for each."""
        return {"classes": self.classes, "flags": self._flags}

    def about(self) -> str:
        """How many classes, and which."""
        return f"any of {_listed(self.classes)}"

    def encode(self, raw: RawValue) -> Tensor:
        """[1, C]: 1 for each class that the sequence has; the first axis stands for time."""
        target = torch.zeros(1, self.size)
        for name in raw_labels.labels(raw, self._config, flags=self._flags):
            target[0, _number(name, self._numbers, raw.where)] = 1
        return target

    def loss(self, scores: Tensor, targets: Tensor) -> Loss:
        """Binary cross-entropy, summed over the classes."""
        nats = F.binary_cross_entropy_with_logits(scores.float(), targets[0], reduction="sum")
        return Loss(nats, len(scores))

    def objective(self, scores: Tensor, targets: Tensor) -> Loss:
        """The same, with labels smoothed towards one half."""
        share = self._config.smoothing
        return self.loss(scores, targets * (1 - share) + share / 2)

    def outputs(self, scores: Tensor) -> Tensor:
        """Probabilities [B, C]."""
        return scores.float().sigmoid()

    def surprise(self, outputs: Tensor, targets: Tensor) -> float:
        """Binary cross-entropy, summed over the classes."""
        return float(F.binary_cross_entropy(outputs.clamp(_LEAST, 1 - _LEAST), targets[:, 0])) * self.size

    def scores(self, outputs: Tensor, targets: Tensor) -> Scores:
        """Macro F1, micro F1, and the share of sequences with all classes right."""
        truth, guess = targets[:, 0].numpy() > 0.5, outputs.numpy() > 0.5
        each = self._rates(truth, guess)
        hits = float((truth & guess).sum())
        return {
            "macro_f1": classification.macro_f1(each, guess.sum(0)),
            "micro_f1": 2 * hits / max(1, truth.sum() + guess.sum()),
            "subset_accuracy": float((truth == guess).all(1).mean()),
        }

    def answer(self, output: Tensor) -> dict[str, Any]:
        """The classes with a probability above one half, and the probabilities of all."""
        named = {name: round(float(p), 6) for name, p in zip(self.classes, output, strict=True)}
        return {"prediction": [name for name in named if named[name] > 0.5], "probabilities": named}

    def findings(self, outputs: Tensor, targets: Tensor) -> Findings:
        """Scores of each class."""
        each = self._rates(targets[:, 0].numpy() > 0.5, outputs.numpy() > 0.5)
        return Findings({"classes": _table(self.classes, each)}, {})

    def trivial(self, targets: Tensor) -> tuple[str, Tensor]:
        """The share of each class."""
        return "majority", targets[:, 0].mean(0)

    @staticmethod
    def _rates(truth: np.ndarray, guess: np.ndarray) -> classification.PerClass:
        return classification.rates((truth & guess).sum(0).astype(float), guess.sum(0), truth.sum(0))


@final
class NumberTarget(Target):
    """A number: its mean and deviation under a normal distribution (Nix and Weigend 1994)."""

    name = "value"
    selection_metric = "mae"
    size = 2

    def __init__(self, mean: float, deviation: float) -> None:
        self._mean, self._deviation = mean, deviation

    @classmethod
    def learn(cls, values: Sequence[RawValue], config: ClassifyConfig) -> Self:
        """The mean and deviation of the training part, in which the network counts."""
        numbers = np.array([_real(raw) for raw in values])
        return cls(float(numbers.mean()), float(numbers.std()) or 1.0)

    @classmethod
    def restore(cls, content: dict[str, Any], config: ClassifyConfig) -> Self:
        """Mean and deviation in `content`."""
        return cls(*json_schema.build(_TargetsSpread, content))

    def content(self) -> dict[str, Any]:
        """Mean and deviation."""
        return {"mean": self._mean, "deviation": self._deviation}

    def about(self) -> str:
        """That it is a number, and its spread."""
        return f"a number (mean {self._mean:.4g}, deviation {self._deviation:.4g})"

    def encode(self, raw: RawValue) -> Tensor:
        """The number."""
        return torch.tensor(_real(raw))

    def loss(self, scores: Tensor, targets: Tensor) -> Loss:
        """-ln p of the numbers, in their own unit."""
        outputs = self.outputs(scores)
        density = torch.distributions.Normal(outputs[:, 0], outputs[:, 1])
        return Loss(-density.log_prob(targets).sum(), len(targets))

    def objective(self, scores: Tensor, targets: Tensor) -> Loss:
        """The loss itself."""
        return self.loss(scores, targets)

    def outputs(self, scores: Tensor) -> Tensor:
        """Mean and deviation [B, 2] in the unit of the target: a line, and a softplus, of the scores."""
        scores = scores.float()
        mean = self._mean + self._deviation * scores[:, 0]
        deviation = self._deviation * (F.softplus(scores[:, 1]) + 1e-3)
        return torch.stack([mean, deviation], 1)

    def surprise(self, outputs: Tensor, targets: Tensor) -> float:
        """-ln p of the numbers, in their own unit."""
        return -float(torch.distributions.Normal(outputs[:, 0], outputs[:, 1]).log_prob(targets).mean())

    def scores(self, outputs: Tensor, targets: Tensor) -> Scores:
        """The mean absolute error, R2, and the share within 1.96 deviations, which should be 0.95."""
        truth, mean, deviation = targets.numpy(), outputs[:, 0].numpy(), outputs[:, 1].numpy()
        return {
            "mae": classification.mae(truth, mean),
            "r2": classification.r2(truth, mean),
            "coverage_95": float((np.abs(truth - mean) <= 1.96 * deviation).mean()),
        }

    def answer(self, output: Tensor) -> dict[str, Any]:
        """The mean, and the deviation."""
        return {"prediction": float(output[0]), "deviation": float(output[1])}

    def findings(self, outputs: Tensor, targets: Tensor) -> Findings:
        """Nothing beside the scores."""
        return Findings({}, {})

    def trivial(self, targets: Tensor) -> tuple[str, Tensor]:
        """The mean and deviation of the training part."""
        return "mean", torch.tensor([self._mean, self._deviation])


class _Weighed(NamedTuple):
    classes: list[str]
    weights: list[float]


class _TargetsClasses(NamedTuple):
    classes: list[str]
    flags: bool = False


class _TargetsSpread(NamedTuple):
    mean: float
    deviation: Annotated[float, ("exclusiveMinimum", 0)]


TARGETS: dict[str, type[Target]] = {kind.name: kind for kind in (OneClass, Several, NumberTarget)}


def guess(values: Sequence[RawValue], config: ClassifyConfig) -> str:
    """Which kind of target these are: `config.kind`, or what they look like.

    Lists of 0 and 1 with one 1 each are a class; other lists, or texts with `config.separator`, are several
    classes; more than 20 different numbers, of which one at least is not whole or most occur once, are a
    value; anything else is a class.
    """
    if config.kind != "auto":
        return config.kind
    if any(isinstance(raw.value, list | tuple) for raw in values) or config.separator:
        flags = raw_labels.are_flags(values) and all(sum(raw.value) == 1 for raw in values)
        return "class" if flags else "several"
    different = {str(raw.value).strip() for raw in values}
    if len(different) > 20 and all(map(_is_real, different)):
        whole = all(float(value).is_integer() for value in different)
        return "value" if not whole or len(different) > len(values) / 2 else "class"
    return "class"


def _different(classes: list[str]) -> list[str]:
    if not classes or len(set(classes)) < len(classes):
        raise ValueError("no classes, or one twice")
    return classes


def _real(raw: RawValue) -> float:
    if not _is_real(raw.value):
        remedy = "mend it, or set classify.kind = class"
        raise DataError(raw.where, json.dumps(str(raw.value)), expected="a number", remedy=remedy)
    return float(raw.value)


def _is_real(value: Any) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError, OverflowError):
        return False


def _number(name: str, numbers: dict[str, int], where: str) -> int:
    if name not in numbers:
        known = f"the {len(numbers)} labels of the training part"
        raise DataError(
            where, f"the label {name!r}", expected=f"one of {known}", remedy=nearest(name, numbers)
        )
    return numbers[name]


def _lone(raw: RawValue, classes: int) -> DataError:
    """The error of the only example of a class, or of data with one class."""
    got = f"{classes} class" if classes == 1 else f"the only example to learn {str(raw.value)!r} from"
    return DataError(
        raw.where,
        got,
        expected="two classes or more, each with two examples or more",
        remedy="give more data, join the class with another, or name the right column with --target",
    )


def _natural(name: str) -> tuple[float, str]:
    return (float(name), "") if _is_real(name) else (float("inf"), name)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"{len(names)} classes: {shown}"


def _table(names: Sequence[str], each: classification.PerClass) -> list[list[object]]:
    rows = zip(names, each.precision, each.recall, each.f1, each.support, strict=True)
    head: list[object] = ["class", "precision", "recall", "F1", "examples"]
    return [head, *([name, float(p), float(r), float(f), int(n)] for name, p, r, f, n in rows)]
