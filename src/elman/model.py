"""A trained model in the hand: load it, write with it, complete, evaluate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from elman import bundle, dataset, devices, scoring
from elman.config import Run
from elman.errors import TaskError
from elman.tasks.base import Writer


class Model:
    """A trained network with its task, ready to be used.

    Args:
        loaded: what `bundle.load` gave.
    """

    def __init__(self, loaded: bundle.Bundle) -> None:
        self._loaded = loaded
        self.network, self.task = loaded.network, loaded.task

    @property
    def path(self) -> Path:
        """The run folder that the model was loaded from."""
        return self._loaded.path

    @property
    def config(self) -> Run:
        """The settings that it was trained with."""
        return self._loaded.run

    def __repr__(self) -> str:
        network = self.config.network
        return (
            f"Model({self.path.name}: {self.config.task}, {network.layers} x {network.cell} {network.hidden})"
        )

    def write(
        self,
        prompt: str = "",
        length: int = 400,
        *,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """The text that follows `prompt`, piece by piece as it is written, in constant memory.

        Args:
            prompt: what the text begins with; it is not repeated.
            length: symbols (characters, words, ...) to write.
            temperature: below 1 the likely becomes likelier, 0 takes the likeliest always.
            top_k: choose among that many likeliest symbols only; 0: among all.
            top_p: choose among the likeliest that together have this probability (Holtzman et al. 2020).
            seed: the same seed writes the same text; None: another text each time.

        Raises:
            TaskError: the task does not write.
            VocabError: a character of the prompt is unknown to the model.
            ConfigError: a setting is out of bounds.
        """
        return self._writer().write(
            self.network, prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
        )

    def sample(
        self,
        prompt: str = "",
        length: int = 400,
        *,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> str:
        """The text that follows `prompt`, whole; arguments and errors as for `write`."""
        pieces = self.write(prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
        return "".join(pieces)

    def complete(self, text: str, count: int = 5) -> list[tuple[str, float]]:
        """The `count` likeliest next words after `text` with their probabilities, the likeliest first.

        Where `text` ends inside a word, the words begin with what is there of it.

        Raises:
            TaskError: the task does not complete.
            VocabError: a character of the text is unknown to the model.
        """
        return self._writer().complete(self.network, text, count)

    def evaluate(self, source: str | Path, *, encoding: str = "utf-8") -> dict[str, dict[str, float]]:
        """Scores on all of a file, folder or sample, beside baselines learnt from the model's training part.

        Baselines are left out where the training data are no longer there.

        Returns:
            Predictor ("model", "unigram", ...) -> metric -> value.

        Raises:
            DataError: the data cannot be read.
        """
        held = self.task.encode(dataset.records(str(source), replace(self.config.data, encoding=encoding)))
        scores = {"model": scoring.evaluate(self.task, self.network, held).scores}
        if not dataset.there(self.config):
            return scores
        train = self.task.encode(dataset.read(self.config).train)
        return scores | self.task.baselines(train, held)

    def _writer(self) -> Writer:
        if not isinstance(self.task, Writer):
            raise TaskError(f"task {self.config.task!r}", "a task that writes nothing", expected="language")
        return self.task


def load(path: str | Path, *, device: str = "auto") -> Model:
    """The model of a run folder.

    Args:
        path: the folder that `elman.train` or `elman train` made.
        device: where to compute; a run from another kind of device loads too.

    Raises:
        RunError: there is no run, a newer one, or a damaged one.
        ConfigError: there is no such device.
    """
    return Model(bundle.load(Path(path), devices.choose(device)))
