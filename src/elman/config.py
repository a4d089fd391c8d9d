"""Run settings: frozen dataclasses that check themselves, read from and written to commented TOML.

A setting stands here once: its name, its default, its bounds and the sentence that explains it. The command
line, the commented file of `elman init` and every error message are made from that.
"""

from __future__ import annotations

import dataclasses
import math
import operator
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from elman.errors import ConfigError, nearest
from elman.schema import shown

FORMAT = 1
"""The version of the run folder's layout; a run of a newer one is refused."""


def option(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
    most: int = 10**9,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with its explanation and bounds: low <= value <= high, above < value < below.

    No whole number may be above `most`, beyond which nothing can come of it but the end of the memory.
    """
    bounds = {"low": low, "above": above, "high": high, "below": below, "choices": choices}
    return dataclasses.field(default=default, metadata={"doc": doc, "most": most, **bounds})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One section of the settings. A subclass names its `section` and its fields by `option`.

    A task's own section may have `defaults` for the common ones: section -> setting -> value.
    """

    section: ClassVar[str]
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _typed(self, field)
            object.__setattr__(self, field.name, value)
            _check_bounds(f"{self.section}.{field.name}", value, field.metadata)

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """The section that `table` describes; an unknown key is an error that names the nearest known one."""
        known = [field.name for field in dataclasses.fields(cls)]
        for key in table:
            if key not in known:
                raise ConfigError(f"{cls.section}.{key}", "an unknown setting", remedy=nearest(key, known))
        return cls(**table)


@dataclass(frozen=True, kw_only=True)
class Data(Settings):
    """What is read, and the symbols it is made of."""

    section = "data"

    path: str = option("sample:python-docs", "file, folder, or sample:NAME (see elman samples)")
    valid_path: str = option("", "file or folder to validate on, in place of a share of path")
    test_path: str = option("", "file or folder to be scored on once, in place of a share of path")
    format: str = option("auto", "how the data are stored (see docs/formats.md); auto: by name and content")
    encoding: str = option("utf-8", "how the file's text is encoded")
    input: str = option("", "column that is read; empty: guessed, and said")
    target: str = option("", "column that is to be predicted; empty: guessed, and said")
    unit: str = option(
        "char",
        "what one symbol of a text is; auto: word where texts have spaces",
        choices=("auto", "char", "byte", "word", "bpe"),
    )
    lower: bool = option(False, "make small letters of capitals")
    vocab_size: int = option(0, "most symbols to know (word, bpe); 0: all words, 2000 subwords", low=0)
    min_count: int = option(1, "rarer words are <unk>", low=1)
    ngrams: int = option(
        1, "n-grams of up to so many symbols have vectors too, in a text to classify", low=1, most=64
    )
    char_ngrams: int = option(
        0,
        "n-grams of 3 to so many characters of a word have vectors too, in a text to classify; 0: none",
        low=0,
        most=64,
    )
    valid: float = option(
        0.05, "share that validates; 0: none, and the last weights are kept", low=0, below=1
    )
    test: float = option(0.05, "share that is scored once, at the end", low=0, below=1)
    split: str = option(
        "random",
        "how records are parted; random keeps identical inputs on one side, every takes each n-th of a file, "
        "a text is cut in order always",
        choices=("random", "every", "order"),
    )
    group: str = option("", "column, such as the speaker, whose values are each kept on one side")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.valid + self.test >= 1:
            got = f"{self.valid} + {self.test}"
            raise ConfigError(
                "data.valid + data.test", got, expected="less than 1", remedy="leave some to learn"
            )


@dataclass(frozen=True, kw_only=True)
class Signals(Settings):
    """How series, sound and pictures become sequences, and how training disturbs them."""

    section = "signal"

    normalise: str = option(
        "auto",
        "what has mean 0 and deviation 1: each channel of the training part, each sequence by itself, all "
        "numbers together; auto: channel, but all for pictures",
        choices=("auto", "channel", "sequence", "all", "none"),
    )
    missing: str = option(
        "error", "what a missing number is: error, or the one before", choices=("error", "carry")
    )
    vector: bool = option(
        False, "numbers without channels are one step of so many features, not steps of one"
    )
    differences: bool = option(False, "put each step's difference from the one before beside it")
    deltas: int = option(
        0, "put slopes over the steps around each beside it; 2: and the slopes of these", low=0, high=2
    )
    level: bool = option(
        False, "take each sequence's mean off all its numbers, such as the loudness of sound"
    )
    sound: str = option("logmel", "what a frame of sound is", choices=("logmel", "mfcc"))
    bands: int = option(40, "mel bands of a frame of sound", low=1, most=4_096)
    rate: int = option(
        0,
        "samples a second that all sound is brought to; 0: as the first has it, and others must",
        low=0,
        most=10_000_000,
    )
    picture: str = option("rows", "what a step of a picture is", choices=("rows", "columns", "pixels"))
    size: int = option(0, "height and width that pictures are brought to; 0: as they are", low=0, most=32_768)
    height: int = option(
        0,
        "height that pictures are brought to, their width in proportion; 0: as size says",
        low=0,
        most=32_768,
    )
    noise: float = option(0.0, "deviation of noise that training adds to each number", low=0)
    scaling: float = option(0.0, "deviation of the random factor that training scales each channel by", low=0)
    mask_steps: float = option(0.0, "most of the steps that training masks in a stretch", low=0, below=1)
    mask_features: float = option(
        0.0, "most of the features that training masks in a stretch", low=0, below=1
    )
    masks: int = option(1, "stretches of steps, and of features, that training masks", low=1)


@dataclass(frozen=True, kw_only=True)
class Network(Settings):
    """The recurrent network itself."""

    section = "network"

    cell: str = option("lstm", "what a layer is made of: rnn, rnn_relu, lstm, gru, gru_reset_before")
    hidden: int = option(256, "units of a layer", low=1, most=100_000)
    layers: int = option(1, "layers upon each other", low=1, most=1_000)
    embedding: int = option(
        0, "size of a symbol's vector; 0: as many as hidden units, at most 128", low=0, most=100_000
    )
    embedding_init: float = option(
        0.0, "deviation that symbols' vectors start with; 0: size**-0.5, in an untied language model 1", low=0
    )
    dropout: float = option(0.0, "share dropped of what leaves a layer", low=0, below=1)
    input_dropout: float = option(0.0, "share dropped of what enters the first layer", low=0, below=1)
    output_dropout: float = option(0.0, "share dropped of what leaves the last; 0: dropout", low=0, below=1)
    variational: bool = option(False, "drop the same units at all steps of a window (Gal & Ghahramani 2016)")
    embedding_dropout: float = option(0.0, "share of symbols dropped whole", low=0, below=1)
    symbol_dropout: float = option(0.0, "share of a text that training reads as unknown", low=0, below=1)
    recurrent_dropout: float = option(0.0, "share dropped of the state a step sees (slow)", low=0, below=1)
    weight_dropout: float = option(0.0, "share dropped of recurrent weights (Merity 2018)", low=0, below=1)
    layer_norm: bool = option(False, "normalise the products inside the cell (Ba et al. 2016; slow)")
    residual: bool = option(False, "add a layer's input to its output")
    skip: bool = option(False, "all layers see the input, and the output sees all layers (Graves 2013)")
    learn_initial: bool = option(False, "learn the state that a sequence starts from")
    init: str = option("orthogonal", "how weights start", choices=("orthogonal", "torch"))
    init_gain: float = option(1.0, "by what recurrent matrices are multiplied at the start", above=0)
    memory: int = option(
        0,
        "gates start so that units keep for up to so many steps (Tallec & Ollivier 2018); 0: by init",
        low=0,
    )


@dataclass(frozen=True, kw_only=True)
class Training(Settings):
    """How the network learns."""

    section = "training"

    epochs: int = option(10, "times through the training part", low=1)
    steps: int = option(0, "optimiser steps to make, in whole epochs; 0: as epochs says", low=0, most=10**12)
    lr: float = option(0.004, "highest learning rate", above=0)
    batch_size: int = option(
        16, "sequences, or rows of a text, read side by side in each process", low=1, most=1_000_000
    )
    bptt: int = option(64, "steps that a gradient goes back in a text; 0: the whole row", low=0)
    weight_noise: float = option(
        0.0, "deviation of noise on all weights, drawn anew for each batch (Graves 2011)", low=0
    )
    clip: float = option(1.0, "largest gradient norm; 0: no clipping", low=0)
    optimizer: str = option("adamw", "optimiser", choices=("adamw", "adam", "sgd"))
    weight_decay: float = option(0.01, "pull of the weights to zero (adamw, sgd)", low=0)
    beta2: float = option(0.999, "memory of squared gradients (adam, adamw)", above=0, below=1)
    momentum: float = option(0.9, "momentum (sgd)", low=0, below=1)
    schedule: str = option("cosine", "course of the rate", choices=("cosine", "plateau", "constant"))
    warmup: float = option(0.02, "share of all steps in which the rate rises", low=0, below=1)
    final_lr: float = option(0.01, "share of lr that is left at the end (cosine)", low=0, high=1)
    patience: int = option(1, "epochs without progress before the rate halves (plateau)", low=1)
    early_stop: int = option(0, "epochs without progress before training ends; 0: never", low=0)
    ema: float = option(0.0, "decay of averaged weights, such as 0.999, that are used if set", low=0, below=1)
    calibrate: bool = option(False, "fit one temperature of the scores on the validation part, when done")
    accumulate: int = option(1, "batches whose gradients make one step", low=1, most=1_000_000)
    precision: str = option("float32", "arithmetic of the products", choices=("float32", "bfloat16"))
    seed: int = option(1, "start of all random numbers", low=0, most=10**13)
    device: str = option("auto", "cpu, cuda, cuda:1, mps; auto: the best there is")
    threads: int = option(0, "processor threads; 0: as torch chooses", low=0, most=1_024)
    tensorboard: bool = option(True, "write the numbers for TensorBoard too, where it is installed")
    checkpoint_minutes: float = option(1.0, "most minutes between two checkpoints", above=0)


SECTIONS: tuple[type[Settings], ...] = (Data, Signals, Network, Training)
"""The sections that every task has; one more carries the task's name and its own settings."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """All settings of a run: which task, the common sections, and the task's own."""

    task: str
    data: Data
    signal: Signals
    network: Network
    training: Training
    options: Settings

    @classmethod
    def of(cls, tables: Mapping[str, Any], own: type[Settings], where: object = "config") -> Run:
        """The settings that nested `tables` describe, for the task whose own section is `own`.

        Raises:
            ConfigError: an unknown section or key (the nearest known one is named), a value out of bounds.
        """
        sections: dict[str, type[Settings]] = {section.section: section for section in (*SECTIONS, own)}
        for name, table in tables.items():
            if name not in sections and name not in ("task", "format"):
                raise ConfigError(f"{where}: [{name}]", "an unknown section", remedy=nearest(name, sections))
            if name in sections and not isinstance(table, Mapping):
                raise ConfigError(f"{where}: {name}", repr(table), expected=f"a section [{name}]")
        tables = merge(own.defaults, tables)
        return cls(
            task=own.section,
            data=Data.of(tables.get("data", {})),
            signal=Signals.of(tables.get("signal", {})),
            network=Network.of(tables.get("network", {})),
            training=Training.of(tables.get("training", {})),
            options=own.of(tables.get(own.section, {})),
        )

    @property
    def sections(self) -> tuple[Settings, ...]:
        """The sections in the order in which they are written."""
        return self.data, self.signal, self.network, self.training, self.options

    def to_toml(self) -> str:
        """The settings as commented TOML."""
        head = "# Settings of an Elman run. Every key may be left out.\n"
        head += f'format = {FORMAT}\ntask = "{self.task}"\n'
        return head + "".join(_section_text(section) for section in self.sections)


def read_tables(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigError: there is no such file, or it is no TOML (with line and column).
    """
    try:
        return _checked(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigError(path, "no such file", remedy="elman init writes one") from None
    except OSError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise ConfigError(path, "no TOML: values nested too deep") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"no TOML: {error}") from error
    except ValueError as error:  # of whole numbers, which TOML bounds
        raise ConfigError(path, "no TOML: a whole number of more than 64 bits") from error


def _checked(tables: dict[str, Any]) -> dict[str, Any]:
    """The tables, whose whole numbers are seen to be of 64 bits, as TOML has them.

    Raises:
        ValueError: one has more.
    """
    values: list[Any] = [tables]
    while values:
        value = values.pop()
        if isinstance(value, dict | list):
            values += value.values() if isinstance(value, dict) else value
        elif isinstance(value, int) and value.bit_length() > 63:
            raise ValueError("a whole number of more than 64 bits")
    return tables


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables on top of each other: a later one's keys replace an earlier one's."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
            merged[key] = merge(merged[key], value) if both else value
    return merged


def assignment(text: str) -> dict[str, Any]:
    """The nested table of one `section.key=value`; a value that is no TOML is taken as a string.

    Raises:
        ConfigError: the text has another form.
    """
    match = re.fullmatch(r"\s*([\w-]+)\.([\w-]+)\s*=\s*(.*?)\s*", text, re.DOTALL)
    if not match:
        raise ConfigError("--set", repr(text), expected="section.key=value, such as training.lr=0.01")
    section, key, value = match.groups()
    try:
        parsed = _checked(tomllib.loads(f"value = {value}"))["value"]
    except (ValueError, RecursionError):  # also of what has too many digits, or is nested too deep
        parsed = value
    return {section: {key.replace("-", "_"): parsed}}


def section_of(key: str, own: type[Settings]) -> str:
    """The section that has the setting `key`: a common one, or the task's `own`.

    Raises:
        ConfigError: none has it; the nearest known one is named.
    """
    owners = {field.name: kind.section for kind in (own, *SECTIONS) for field in dataclasses.fields(kind)}
    if key not in owners:
        raise ConfigError(key, "an unknown setting", remedy=nearest(key, owners))
    return owners[key]


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, bool) else shown(value)


_KINDS = {"int": "a whole number", "float": "a number", "str": "a string", "bool": "true or false"}


def _typed(section: Settings, field: dataclasses.Field[Any]) -> Any:
    """The field's value in the type that it is declared with (an int serves as a float)."""
    value = getattr(section, field.name)
    kind = field.type if isinstance(field.type, str) else field.type.__name__
    if kind == "float" and type(value) is int and value.bit_length() < sys.float_info.max_exp:
        return float(value)
    if type(value).__name__ != kind or (kind == "float" and not math.isfinite(value)):
        raise ConfigError(f"{section.section}.{field.name}", _shown(value), expected=_KINDS[kind])
    return value


_BOUNDS = {
    "low": ("at least", operator.ge),
    "high": ("at most", operator.le),
    "above": ("above", operator.gt),
    "below": ("below", operator.lt),
}


def _check_bounds(where: str, value: Any, meta: Mapping[str, Any]) -> None:
    if meta["choices"] and value not in meta["choices"]:
        raise ConfigError(where, _shown(value), expected=f"one of {', '.join(meta['choices'])}")
    bounds = [
        (words, holds, meta[name]) for name, (words, holds) in _BOUNDS.items() if meta[name] is not None
    ]
    if not all(holds(value, bound) for _, holds, bound in bounds):
        expected = "a value " + " and ".join(f"{words} {bound:g}" for words, _, bound in bounds)
        raise ConfigError(where, _shown(value), expected=expected)
    if type(value) is int and value > meta["most"]:
        raise ConfigError(where, _shown(value), expected=f"at most {meta['most']:,}")


def _section_text(section: Settings) -> str:
    lines = [f"\n[{section.section}]"]
    for field in dataclasses.fields(section):
        choices = field.metadata["choices"]
        doc = field.metadata["doc"] + (f": {', '.join(choices)}" if choices else "")
        lines.append(f"{field.name} = {_toml(getattr(section, field.name))}  # {doc}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04x}", escaped) + '"'
    return repr(value)
