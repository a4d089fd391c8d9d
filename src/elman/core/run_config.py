"""Run settings: frozen dataclasses that check themselves, read from and written to commented TOML.

A setting stands here once: its name, its default, its bounds and the sentence that explains it. The command
line, the commented file of `elman init` and every error message are made from that.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar

from elman.core.errors import ConfigError, nearest
from elman.core.settings import FORMAT, Settings, merge, option

NOTATIONS = (
    *("auto", "iso", "day-first", "month-first", "year-first", "compact"),
    *("seconds", "milliseconds", "microseconds", "nanoseconds", "excel", "numbers"),
)
"""How a column may write its times: dates with the year first, or in another order; digits such as 202301 or
20230131; units since 1970; Excel's days since 1900; plain numbers of steps."""


@dataclass(frozen=True, kw_only=True)
class DataSettings(Settings):
    """What is read, and the symbols it is made of."""

    section = "data"

    path: str = option("sample:python-docs", "file, folder, or sample:NAME (see elman samples)")
    valid_path: str = option("", "file or folder to validate on, instead of a share of path")
    test_path: str = option("", "file or folder to test on, instead of a share of path")
    format: str = option("auto", "file format (see docs/formats.md); auto: detected from name and content")
    encoding: str = option(
        "auto", "text encoding of the files; auto: UTF-8 or UTF-16, else Windows-1252, which is reported"
    )
    strict: bool = option(
        False, "refuse data with a record that cannot be used, instead of leaving it out and saying so"
    )
    header: str = option(
        "auto",
        "whether the first line of a table names its columns; auto: inferred from the lines below it",
        choices=("auto", "yes", "no"),
    )
    decimal: str = option(
        "auto",
        "what commas are in the numbers of a table: before fractions (comma: 3,14), or between thousands "
        "(point: 1,234.5); auto: inferred and reported",
        choices=("auto", "comma", "point"),
    )
    input: str = option("", "input column; inferred and reported if empty")
    target: str = option("", "target column; inferred and reported if empty")
    dates: str = option(
        "auto",
        "how times are written, where that is ambiguous: day or month first, digits such as 20230131, units "
        "since 1970, Excel's days, numbers of steps",
        choices=NOTATIONS,
    )
    unit: str = option(
        "char",
        "unit of text; auto: word where texts have spaces",
        choices=("auto", "char", "byte", "word", "bpe"),
    )
    lower: bool = option(False, "lowercase the text")
    normal_form: str = option(
        "nfc",
        "normalisation of the text by Unicode: letters and marks composed (nfc), compatible characters made "
        "one as well (nfkc), or none",
        choices=("nfc", "nfkc", "none"),
    )
    vocab_size: int = option(
        0,
        "maximum vocabulary size (word, bpe); 0: all words, 2000 subwords",
        low=0,
    )
    min_count: int = option(1, "minimum count of a word; rarer words become <unk>", low=1)
    ngrams: int = option(
        1, "longest n-gram of symbols with its own embedding (text classification)", low=1, most=64
    )
    char_ngrams: int = option(
        0,
        "longest character n-gram (from 3) of a word with its own embedding (text classification); 0: none",
        low=0,
        most=64,
    )
    valid: float = option(0.05, "validation share; 0: none, and the last weights are kept", low=0, below=1)
    test: float = option(0.05, "test share, scored once at the end", low=0, below=1)
    split: str = option(
        "random",
        "how records are split; random keeps identical inputs in one part, stratified does too and "
        "shares every class alike, every takes each n-th of a file; a text is always cut in order",
        choices=("random", "stratified", "every", "order"),
    )
    group: str = option(
        "",
        "column, such as the speaker, whose values never span two parts; of rows that are steps, the columns "
        "that name their sequence: a,b",
    )
    time: str = option("", "column that orders rows that are steps of a sequence")
    rows: str = option(
        "auto",
        "what a row of a table is; auto: steps if there is a time, a group and one target per group",
        choices=("auto", "sequences", "steps"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.valid + self.test >= 1:
            got = f"{self.valid} + {self.test}"
            raise ConfigError(
                "data.valid + data.test", got, expected="less than 1", remedy="leave some to learn"
            )


class Reading(TypedDict, total=False):
    """Settings of data that a single file may have of its own: one to predict for, to score or to look at.

    What names columns names those of that file, in place of the columns that a model learnt from.
    """

    format: str
    form: str  # the same as format
    encoding: str
    strict: bool
    header: str
    decimal: str
    dates: str
    input: str
    target: str
    group: str
    time: str


_READING: Reading = {"format": "auto", "encoding": "auto", "strict": False}
"""The defaults of a single file; all else is as in the run."""


def reading_of(data: DataSettings, said: Reading) -> DataSettings:
    """Return the settings of a run's data, with those of a single file.

    Raises:
        ConfigError: an unknown word, or a value out of bounds.
    """
    for name in said:
        if name not in Reading.__annotations__:
            raise ConfigError(name, "an unknown word", remedy=nearest(name, Reading.__annotations__))
    values = {{"form": "format"}.get(name, name): value for name, value in said.items()}
    return data.but(**{**_READING, **values})


@dataclass(frozen=True, kw_only=True)
class SignalSettings(Settings):
    """How series, sound and pictures become sequences, and how training disturbs them."""

    section = "signal"

    normalise: str = option(
        "auto",
        "standardisation to mean 0 and deviation 1: per channel of the training part, per sequence or over "
        "all values; auto: channel, but all for pictures",
        choices=("auto", "channel", "sequence", "all", "none"),
    )
    missing: str = option(
        "error",
        "how missing values are handled: error, or carry the last value forward",
        choices=("error", "carry"),
    )
    vector: bool = option(
        False, "read a flat row of numbers as one step of many features, not as steps of one feature"
    )
    differences: bool = option(False, "append each step's difference from the previous step")
    deltas: int = option(
        0, "append delta features (slopes over neighbouring steps); 2: and delta-delta", low=0, high=2
    )
    level: bool = option(False, "subtract each sequence's overall mean, such as the loudness of sound")
    sound: str = option("logmel", "audio features", choices=("logmel", "mfcc"))
    bands: int = option(40, "number of mel bands", low=1, most=4_096)
    rate: int = option(
        0,
        "sample rate to resample audio to, in Hz; 0: that of the first file, which all others must have",
        low=0,
        most=10_000_000,
    )
    picture: str = option("rows", "how an image is read as a sequence", choices=("rows", "columns", "pixels"))
    size: int = option(0, "height and width to resize images to; 0: unchanged", low=0, most=32_768)
    height: int = option(
        0,
        "height to resize images to, keeping the aspect ratio; 0: use size",
        low=0,
        most=32_768,
    )
    noise: float = option(0.0, "standard deviation of Gaussian noise added in training", low=0)
    scaling: float = option(
        0.0, "standard deviation of the random factor that scales each channel in training", low=0
    )
    mask_steps: float = option(
        0.0, "largest share of steps masked in one span in training (SpecAugment)", low=0, below=1
    )
    mask_features: float = option(
        0.0, "largest share of features masked in one span in training (SpecAugment)", low=0, below=1
    )
    masks: int = option(
        1, "number of masked spans of steps, and of features", low=1, needs=("mask_steps", "mask_features")
    )
    kernels: int = option(
        0,
        "read a series by about this many features: the shares of steps at which fixed convolutions exceed "
        "thresholds (Dempster et al. 2021); 0: by its values",
        low=0,
        most=100_000,
        later=True,
    )


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(Settings):
    """The recurrent network itself."""

    section = "network"

    cell: str = option(
        "lstm", "recurrent cell: lstm, gru, gru_reset_before, rnn, rnn_relu, or one of docs/cells.md"
    )
    hidden: int = option(256, "hidden units per layer", low=1, most=100_000)
    layers: int = option(1, "number of stacked layers", low=1, most=1_000)
    embedding: int = option(0, "embedding size; 0: as many as hidden units, at most 128", low=0, most=100_000)
    embedding_init: float = option(
        0.0, "standard deviation of initial embeddings; 0: size**-0.5, in an untied language model 1", low=0
    )
    dropout: float = option(0.0, "dropout rate on each layer's output", low=0, below=1)
    input_dropout: float = option(0.0, "dropout rate on the first layer's input", low=0, below=1)
    output_dropout: float = option(
        0.0, "dropout rate on the last layer's output; 0: same as dropout", low=0, below=1
    )
    variational: bool = option(
        False, "use one dropout mask for all steps of a window (Gal & Ghahramani 2016)"
    )
    embedding_dropout: float = option(0.0, "dropout rate on whole symbols' embeddings", low=0, below=1)
    symbol_dropout: float = option(0.0, "share of symbols replaced by <unk> in training", low=0, below=1)
    recurrent_dropout: float = option(
        0.0, "dropout rate on the hidden state that enters a step (slow)", low=0, below=1
    )
    weight_dropout: float = option(
        0.0, "dropout rate on recurrent weights (Merity et al. 2018)", low=0, below=1
    )
    layer_norm: bool = option(False, "layer normalisation inside the cell (Ba et al. 2016; slow)")
    residual: bool = option(False, "add a layer's input to its output")
    skip: bool = option(
        False, "skip connections from the input to all layers and from all layers to the output (Graves 2013)"
    )
    learn_initial: bool = option(False, "learn the initial state")
    init: str = option("orthogonal", "weight initialisation", choices=("orthogonal", "torch"))
    init_gain: float = option(1.0, "factor on the initial recurrent matrices", above=0)
    zoneout: float = option(
        0.0,
        "share of each state that keeps its last value at a step (Krueger et al. 2017; slow)",
        low=0,
        below=1,
        later=True,
    )
    projection: int = option(
        0,
        "width of the hidden state of an LSTM, projected after each step (Sak et al. 2014; slow); 0: off",
        low=0,
        most=100_000,
        later=True,
    )
    memory: int = option(
        0,
        "chrono initialisation for memories of up to this many steps (Tallec & Ollivier 2018); 0: off",
        low=0,
    )


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """How the network learns."""

    section = "training"

    epochs: int = option(10, "passes over the training part", low=1)
    steps: int = option(
        0, "optimiser steps, whose last epoch may be cut short; 0: use epochs", low=0, most=10**12
    )
    minutes: float = option(
        0.0,
        "time for the whole training, which takes as many steps as end within it; 0: any time, or 10 minutes "
        "where neither epochs nor steps are given",
        low=0,
        high=10**6,
        later=True,
    )
    lr: float = option(0.004, "peak learning rate", above=0)
    batch_size: int = option(
        16, "batch size per process: sequences, or parallel rows of a text", low=1, most=1_000_000
    )
    bptt: int = option(64, "truncated BPTT length in a text; 0: the whole row", low=0)
    weight_noise: float = option(
        0.0, "standard deviation of weight noise, drawn anew for each batch (Graves 2011)", low=0
    )
    clip: float = option(1.0, "maximum gradient norm; 0: no clipping", low=0)
    optimizer: str = option("adamw", "optimiser", choices=("adamw", "adam", "sgd"))
    weight_decay: float = option(
        0.01, "weight decay (adamw, sgd)", low=0, needs=("optimizer",), among=("adamw", "sgd")
    )
    beta2: float = option(
        0.999,
        "Adam's beta2: decay of the second-moment estimate (adam, adamw)",
        above=0,
        below=1,
        needs=("optimizer",),
        among=("adam", "adamw"),
    )
    momentum: float = option(0.9, "momentum (sgd)", low=0, below=1, needs=("optimizer",), among=("sgd",))
    schedule: str = option("cosine", "learning-rate schedule", choices=("cosine", "plateau", "constant"))
    warmup: float = option(0.02, "share of all steps used for linear warm-up", low=0, below=1)
    final_lr: float = option(
        0.01,
        "final learning rate as a share of lr (cosine)",
        low=0,
        high=1,
        needs=("schedule",),
        among=("cosine",),
    )
    patience: int = option(
        1,
        "epochs without improvement before the learning rate is halved (plateau)",
        low=1,
        needs=("schedule",),
        among=("plateau",),
    )
    early_stop: int = option(0, "epochs without improvement before training stops; 0: never", low=0)
    ema: float = option(
        0.0, "decay of the exponential moving average of weights, such as 0.999; 0: none", low=0, below=1
    )
    calibrate: bool = option(False, "fit a softmax temperature on the validation part after training")
    accumulate: int = option(1, "batches per optimiser step (gradient accumulation)", low=1, most=1_000_000)
    precision: str = option("float32", "precision of matrix multiplications", choices=("float32", "bfloat16"))
    seed: int = option(1, "random seed", low=0, most=10**13)
    device: str = option("auto", "cpu, cuda, cuda:1 or mps; auto: the best available")
    threads: int = option(0, "CPU threads; 0: torch's default", low=0, most=1_024)
    tensorboard: bool = option(True, "also log to TensorBoard, if installed")
    checkpoint_minutes: float = option(1.0, "maximum minutes between two checkpoints", above=0)


SECTIONS: tuple[type[Settings], ...] = (DataSettings, SignalSettings, NetworkSettings, TrainingSettings)
"""The sections that every task has; one more carries the task's name and its own settings."""


_Own = TypeVar("_Own", bound=Settings, covariant=True)
_Section = TypeVar("_Section", bound=Settings)


@dataclass(frozen=True, kw_only=True)
class RunConfig(Generic[_Own]):
    """All settings of a run: which task, the common sections, and the task's own, which are its type.

    Attributes:
        given: the settings that a user set, as section.name; all others may be chosen from the data.
        complete: whether a settings file has a section network or training: then nothing is chosen.
        columns: those guessed from all of the data, before they were split; see `Task.guess_columns`.
    """

    task: str
    data: DataSettings
    signal: SignalSettings
    network: NetworkSettings
    training: TrainingSettings
    options: _Own
    given: frozenset[str] = dataclasses.field(default=frozenset(), compare=False)
    complete: bool = dataclasses.field(default=False, compare=False)
    columns: Any = dataclasses.field(default=None, compare=False, repr=False)

    @staticmethod
    def of(tables: Mapping[str, Any], own: type[_Section], where: object = "config") -> RunConfig[_Section]:
        """Make the settings that nested `tables` describe, for the task whose own section is `own`.

        Raises:
            ConfigError: an unknown section or key (the nearest known one is named), a value out of bounds.
        """
        sections: dict[str, type[Settings]] = {section.section: section for section in (*SECTIONS, own)}
        for name, table in tables.items():
            if name not in sections and name not in ("task", "format"):
                raise ConfigError(f"{where}: [{name}]", "an unknown section", remedy=nearest(name, sections))
            if name in sections and not isinstance(table, Mapping):
                raise ConfigError(f"{where}: {name}", repr(table), expected=f"a section [{name}]")
        given = frozenset(f"{name}.{key}" for name in sections for key in tables.get(name, ()))
        tables = merge(own.defaults, tables)
        return RunConfig(
            task=own.section,
            data=DataSettings.of(tables.get("data", {})),
            signal=SignalSettings.of(tables.get("signal", {})),
            network=NetworkSettings.of(tables.get("network", {})),
            training=TrainingSettings.of(tables.get("training", {})),
            options=own.of(tables.get(own.section, {})),
            given=given,
        )

    def but(self, changes: Mapping[str, Any]) -> RunConfig[_Own]:
        """Return the same settings but for `changes`: section.name -> value."""
        by_section: dict[str, dict[str, Any]] = {}
        for setting, value in changes.items():
            section, _, name = setting.partition(".")
            by_section.setdefault(section, {})[name] = value
        places = ("data", "signal", "network", "training", "options")
        changed = {
            place: section.but(**by_section[section.section])
            for place in places
            if (section := getattr(self, place)).section in by_section
        }
        return dataclasses.replace(self, **changed)

    @property
    def sections(self) -> tuple[Settings, ...]:
        """The sections in the order in which they are written."""
        return self.data, self.signal, self.network, self.training, self.options

    def to_toml(self) -> str:
        """Return the settings as commented TOML."""
        head = "# Settings of an Elman run. Every key may be left out.\n"
        head += f'format = {FORMAT}\ntask = "{self.task}"\n'
        return head + "".join(_section_text(section) for section in self.sections)


def section_of(key: str, own: type[Settings]) -> str:
    """Return the section that has the setting `key`: a common one, or the task's `own`.

    Raises:
        ConfigError: none has it; the nearest known one is named.
    """
    owners = {field.name: kind.section for kind in (own, *SECTIONS) for field in dataclasses.fields(kind)}
    if key not in owners:
        raise ConfigError(key, "an unknown setting", remedy=nearest(key, owners))
    return owners[key]


def _section_text(section: Settings) -> str:
    lines = [f"\n[{section.section}]"]
    for field in dataclasses.fields(section):
        choices = field.metadata["choices"]
        doc = field.metadata["doc"] + (f": {', '.join(choices)}" if choices else "")
        lines.append(f"{field.name} = {toml_value(vars(section)[field.name])}  # {doc}")
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Return a setting's value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04x}", escaped) + '"'
    return repr(value)
