"""A training from its settings to its report: begin a run or resume one, and leave its folder complete."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from elman.core import atomic_files, formatting, tensor_file
from elman.core.console import LoggingReporter, Reporter
from elman.core.errors import ConfigError, RunError
from elman.core.formatting import duration
from elman.core.graceful_stop import GracefulStop
from elman.core.records import Example, Seq, State
from elman.core.run_config import RunConfig
from elman.data import batching
from elman.data.batching import BatchPlan
from elman.nn import parameters
from elman.runs import folder
from elman.runs.folder import RunFolder
from elman.tasks import evaluation, mistakes, selection
from elman.tasks.abilities import Calibratable, ComputesWeights, FitsLast, Illustrated
from elman.tasks.base import Findings, Parts, Purpose, Scores, Task
from elman.tasks.model import Model
from elman.tasks.results import PartScores, RunResults, TrainingFacts
from elman.tasks.scoreboard import RunScores
from elman.training import calibration, changes, checkpoint, curves, optimizers, slow_kernels
from elman.training.callbacks import Callback, TrainingEnd
from elman.training.checkpoint import Progress, TrainingState
from elman.training.loop import Trainer, TrainingJob, headline
from elman.training.processes import ProcessGroup
from elman.training.setting_reads import SettingReads
from elman.training.unused import unused


class TrainingSession:
    """One sitting of a training: what is made before the loop, and what is written after it."""

    def __init__(
        self,
        where: RunFolder,
        run: RunConfig,
        task: Task,
        parts: Parts,
        team: ProcessGroup,
        show: Reporter,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self._callbacks = callbacks
        self._folder, self._run, self._task, self._team, self._plain = where, run, task, team, show
        self._reads: SettingReads | None = None
        if run.training.calibrate and not isinstance(task, Calibratable):
            remedy = "leave it false"
            raise ConfigError("training.calibrate", f"true for the task {run.task}", remedy=remedy)
        strict = run.data.strict
        self._train = selection.encoded(task, parts.train, Purpose.TRAIN, strict=strict)
        self._held = {
            use.value: selection.encoded(task, records, use, strict=strict)
            for use, records in ((Purpose.VALID, parts.valid), (Purpose.TEST, parts.test))
            if records
        }
        self._records = {"valid": parts.valid, "test": parts.test}
        self._valid = self._held.get("valid", ())
        self._shown = self._valid or self._train
        self._symbols = {name: _symbols(examples) for name, examples in self._parts().items()}
        self._fingerprint = _fingerprint(self._parts().values())
        if run.training.calibrate and not self._valid:
            remedy = "leave it false, or set data.valid or data.valid_path"
            raise ConfigError("training.calibrate", "true without a validation part", remedy=remedy)
        self._plan = _plan(self._train, run, task, team)
        self._learner = _learner(run, task, team, self._train)

    def begin(self, lines: Sequence[str], known: str = "", reads: SettingReads | None = None) -> Model:
        """Make the folder and train from the start; the log begins with earlier notes.

        Args:
            lines: lines to begin with.
            known: a line before them that was shown already.
            reads: what notes which settings are read; those that have no effect are reported after a step.
        """
        self._reads = reads
        with self._alone():
            if self._team.main:
                self._folder.create(self._run, self._task)
            self._team.wait()
            progress = Progress(data=self._fingerprint)
            return self._train_and_report(progress, [*lines, *self._introduction()], known)

    def resume(self) -> Model:
        """Train from the last checkpoint, or from the start if there was none yet.

        Where the settings are others than those of the folder, they are its settings from then on.
        """
        with self._alone():
            if self._folder.checkpoint.exists():
                return self._go_on(self._folder.checkpoint)
            progress, words = Progress(data=self._fingerprint), "no checkpoint yet: from the start"
            return self._train_and_report(progress, [words, *self._changes(), *self._introduction()])

    def _changes(self) -> list[str]:
        """Keep the changed settings, and say what has changed."""
        words = changes.summary(self._folder.config, self._run)
        if words and self._team.main:
            self._folder.rewrite(self._run)
        return [f"changed: {words}"] if words else []

    def _alone(self) -> AbstractContextManager[None]:
        """Lock the folder for this training alone."""
        return atomic_files.locked(self._folder.path, RunFolder.WRITTEN) if self._team.main else nullcontext()

    def _go_on(self, last: Path) -> Model:
        progress = checkpoint.restore(last, self._learner, self._team, self._carried())
        if progress.window >= self._plan.steps and progress.window:
            got, expected = f"window {progress.window}", f"below {self._plan.steps}"
            raise RunError(last, got, expected=expected, remedy="the settings must be those of the run")
        if progress.data != self._fingerprint:
            remedy = "put the data back as they were, or train a new run"
            raise RunError(self._run.data.path, "other data than the run began with", remedy=remedy)
        changes.check_end(self._folder.config, self._run, progress.epoch, progress.step)
        words = [f"resumed {self._folder.path} at step {progress.step}", *self._changes()]
        if len(words) > 1:
            progress.done, progress.planned = False, 0
        return self._train_and_report(progress, words + ["it is done"] * progress.done)

    def _carried(self) -> State | None:
        """Return a state such as is carried from one window of a text to the next."""
        if not self._task.continuous:
            return None
        with evaluation.evaluating(self._learner.network) as network, torch.no_grad():
            seq = evaluation.to_device(self._plan.batch(0, 0), self._team.device).seq
            return network(Seq(seq.data[:1]), None)[1]

    def _train_and_report(self, progress: Progress, words: list[str], known: str = "") -> Model:
        """Train; `known` has been shown already, and is only logged."""
        show = LoggingReporter(self._plain, self._folder.log) if self._team.main else self._plain
        held = self._valid, self._shown
        began = time.monotonic()
        try:
            if known and isinstance(show, LoggingReporter):
                show.note(known)
            sequences = () if self._task.continuous else self._train
            slow = slow_kernels.notice(self._run, self._learner.network, self._team.device, sequences)
            for line in filter(None, (*words, slow)):
                show.line(line)
            baselines = self._baselines(show)
            fixed = self._folder, self._run, self._task, self._plan, *held, self._team, show
            job = TrainingJob(*fixed, self._callbacks, spent=time.monotonic() - began)
            trainer = Trainer(job, self._learner, progress)  # whose clock starts with it
            trainer.begun = lambda: self._report_unused(show)
            with GracefulStop() as interrupt, folder.enough_memory("training"):
                trainer.run(interrupt)
            if trainer.fault:
                show.line(f"a callback failed; {self._how_to_resume(trainer)}")
                raise trainer.fault
            if self._team.main:
                self._conclude(trainer, baselines, show)
        finally:
            show.close()
        self._team.wait()
        return self._folder.load(self._team.device)

    def _report_unused(self, show: Reporter) -> None:
        """Say which settings have no effect, all that is read of them having been read."""
        if self._reads is None:
            return
        self._reads.end()
        for line in unused(self._run, self._reads.seen, continuous=self._task.continuous):
            show.line(line)

    def _introduction(self) -> Iterator[str]:
        uses = {"train": "to learn from", "valid": "to validate"}
        sizes = ", ".join(f"{self._size(part)} {use}" for part, use in uses.items() if part in self._symbols)
        yield f"data {self._run.data.path}: {sizes}"
        yield from (f"{name}: {words}" for name, words in self._task.describe().items())
        yield f"network {self._network_words()}, {self._parameters():,} parameters; {self._team.device}"
        yield f"run {self._folder.path}"

    def _parts(self) -> dict[str, Sequence[Example]]:
        return {"train": self._train, **self._held}

    def _size(self, part: str) -> str:
        """Describe how large a part is."""
        if part not in self._symbols:
            return "none"
        symbols = f"{self._symbols[part]:,} symbols"
        return symbols if self._task.continuous else f"{len(self._parts()[part]):,} examples ({symbols})"

    def _network_words(self) -> str:
        if not parameters.has_trainable(self._learner.network):
            return "computed from the training part"
        network = self._run.network
        return f"{network.layers} x {network.cell} {network.hidden}"

    def _parameters(self) -> int:
        return sum(parameter.numel() for parameter in self._learner.network.parameters())

    def _baselines(self, show: Reporter) -> PartScores:
        """Return part -> baseline -> scores; from the report where an earlier sitting left them."""
        if not self._team.main:
            return {}
        if results := self._folder.results:
            known = results.baselines
        else:
            show.line("measuring baselines")
            known = self._task.baselines(self._train, self._held)
        for part, rows in list(known.items())[:1]:
            for name, scores in rows.items():
                show.line(f"baseline {name}, {part} part: {headline(scores)}")
        return known

    def _conclude(self, trainer: Trainer, baselines: PartScores, show: Reporter) -> None:
        """Keep the best weights as the model's, score them, and write the report."""
        show.line("scoring")
        network = self._best(trainer).eval()
        if (
            isinstance(self._task, FitsLast)
            and self._valid
            and (words := self._task.fit_last(network, self._valid))
        ):
            show.line(words)
        rows, outputs = self._scores("model", network)
        if self._run.training.calibrate:
            before, _ = self._scores("model, uncalibrated", network)
            show.line(self._calibrate(network))
            rows, outputs = self._scores("model", network)
            rows = {part: rows[part] | before[part] for part in rows}
        notes = {"step": trainer.progress.step, "settings": folder.meaning(self._run)}
        self._folder.save_weights(network.state_dict(), notes)
        scores = {part: rows[part] | baselines.get(part, {}) for part in rows}
        part = list(self._held)[-1] if self._held else ""
        findings = self._findings(network, part, outputs[part]) if part else Findings({}, {})
        results = RunResults(
            data=self._data_facts(),
            training=self._training_facts(trainer),
            scores=scores,
            baselines=baselines,
            findings={f"{title}, {part} part": list(rows) for title, rows in findings.tables.items()},
            figures=list(findings.figures),
            sample=self._task.preview(network, self._shown, self._run.training.seed),
            warning=RunScores(scores).warning,
        )
        self._folder.write_results(results)
        across = next(iter(baselines.values()), {})
        losses = {name: scores["loss"] for name, scores in across.items() if "loss" in scores}
        note = curves.draw(self._folder, losses, findings.figures)
        table = formatting.markdown_table(scores)
        for line in (*filter(None, [note, results.warning]), *table, *self._farewell(trainer)):
            show.line(line)
        end = TrainingEnd(
            path=self._folder.path,
            finished=trainer.progress.done,
            step=trainer.progress.step,
            scores=RunScores(scores),
            seconds=trainer.progress.seconds,
        )
        for callback in self._callbacks:
            callback.on_end(end)

    def _findings(self, network: torch.nn.Module, part: str, outputs: list[Any]) -> Findings:
        """Return what there is to show of a part: of its outputs, and of what the network makes with them."""
        held = self._held[part]
        tables, figures = self._task.findings(held, outputs)
        if worst := mistakes.table(self._task, held, outputs, self._records[part]):
            tables = {**tables, mistakes.TITLE: worst}
        if isinstance(self._task, Illustrated):
            figures = {**figures, **self._task.pictures(network, held)}
        return Findings(tables, figures)

    def _calibrate(self, network: torch.nn.Module) -> str:
        """Fit the temperature of the network's scores, and say so."""
        assert isinstance(self._task, Calibratable)
        temperature = calibration.best_temperature(self._task, network, self._valid)
        self._task.soften(network, temperature)
        return f"calibrated: scores are divided by {temperature}, fitted on the validation part"

    def _scores(
        self, name: str, network: torch.nn.Module
    ) -> tuple[dict[str, dict[str, Scores]], dict[str, list[Any]]]:
        """Return part -> `name` -> scores of the network; and part -> its outputs."""
        done = {part: evaluation.evaluate(self._task, network, held) for part, held in self._held.items()}
        return (
            {part: {name: evaluation.scores} for part, evaluation in done.items()},
            {part: evaluation.outputs for part, evaluation in done.items()},
        )

    def _best(self, trainer: Trainer) -> torch.nn.Module:
        """Return the best network of an epoch's end, or the present one if stopped within a better epoch."""
        progress, network = trainer.progress, trainer.judged()
        if progress.best is None:
            return network
        within = progress.window and not progress.done
        if within and (not self._valid or trainer.goal(trainer.validate()) < progress.best):
            return network
        weights, _ = tensor_file.load(self._folder.best)
        folder.fill(network, weights, self._folder.best)
        return network

    def _data_facts(self) -> dict[str, str]:
        return {
            "source": self._run.data.path,
            **self._task.describe(),
            "training part": self._size("train"),
            "validation part": self._size("valid"),
            "test part": self._size("test"),
            "fingerprint": f"sha256 {self._fingerprint}",
        }

    def _training_facts(self, trainer: Trainer) -> TrainingFacts:
        progress = trainer.progress
        symbols = trainer.epochs_done * self._symbols["train"]
        return TrainingFacts(
            task=self._run.task,
            elman=version("elman"),
            torch=torch.__version__,
            network=self._network_words(),
            parameters=self._parameters(),
            epochs=round(trainer.epochs_done, 2),
            of_epochs=trainer.epochs,
            steps=progress.step,
            finished=progress.done,
            seconds=round(progress.seconds, 1),
            symbols_per_second=round(symbols / max(progress.seconds, 1e-9)),
            device=str(self._team.device),
            threads=torch.get_num_threads(),
            use=self._task.usage(),
        )

    def _farewell(self, trainer: Trainer) -> Iterator[str]:
        if trainer.progress.done:
            yield f"done in {duration(trainer.progress.seconds)}: {self._folder.path}"
        else:
            yield self._how_to_resume(trainer)

    def _how_to_resume(self, trainer: Trainer) -> str:
        command = f"elman train --resume {self._folder.path}"
        return f"stopped at step {trainer.progress.step}; go on with: {command}"


def _learner(run: RunConfig, task: Task, team: ProcessGroup, train: Sequence[Example]) -> TrainingState:
    """Make a network and optimiser: the same weights in every process, other random numbers afterwards."""
    torch.manual_seed(run.training.seed)
    network = folder.build(task).to(team.device).train()
    if isinstance(task, ComputesWeights):
        task.store(network, train)
    torch.manual_seed(run.training.seed * 1_000_003 + team.rank)
    average = optimizers.WeightAverage(network, run.training.ema) if run.training.ema else None
    return TrainingState(network, optimizers.optimizer(network, run.training), average, None)


def _plan(examples: Sequence[Example], run: RunConfig, task: Task, team: ProcessGroup) -> BatchPlan:
    config = run.training
    return batching.plan(
        examples,
        continuous=task.continuous,
        batch_size=config.batch_size,
        bptt=config.bptt,
        seed=config.seed,
        rank=team.rank,
        world=team.world,
    )


def _symbols(examples: Sequence[Example]) -> int:
    """Return how many steps the examples have together."""
    return sum(len(example.data) for example in examples)


def _fingerprint(parts: Iterable[Sequence[Example]]) -> str:
    digest = hashlib.sha256()
    for examples in parts:
        for example in examples:
            digest.update(example.data.contiguous().numpy().tobytes())
            digest.update(example.target.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
