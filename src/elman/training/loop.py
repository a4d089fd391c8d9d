"""The training loop: batches or windows of a text, clipping, validation, checkpoints, resumption.

Independent of the kind of task. A run that was stopped at any step and resumed gives the numbers, to the bit,
of one that never stopped (on the same number of threads).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from elman.core import tensor_file
from elman.core.console import Reporter
from elman.core.errors import DivergedError
from elman.core.formatting import duration, number, one_line
from elman.core.graceful_stop import GracefulStop
from elman.core.records import Batch, Example, State
from elman.core.run_config import RunConfig
from elman.data.batching import BatchPlan, steps_of
from elman.diagnostics import non_finite
from elman.diagnostics.layer_stats import LayerStats
from elman.diagnostics.training_monitor import LayerMonitor
from elman.nn import parameters
from elman.nn.kernels import dispatch
from elman.runs import folder
from elman.runs.folder import RunFolder
from elman.tasks import evaluation
from elman.tasks.base import Loss, Scores, Task
from elman.training import checkpoint, optimizers
from elman.training.advice import Epoch, advise
from elman.training.budget import Budget
from elman.training.callbacks import Callback, TrainingEpoch, TrainingStep
from elman.training.checkpoint import Progress, RunningSums, TrainingState
from elman.training.metrics_log import Board, MetricsLog
from elman.training.processes import ProcessGroup

_ROWS_PER_EPOCH = 20
"""Rows of metrics that an epoch leaves."""

_LOOK_EVERY = 100
"""Fewest steps between two that are looked at: a look takes about as long as one."""


@dataclass(frozen=True)
class TrainingJob:
    """All of a training that stays the same from its first step to its last."""

    folder: RunFolder
    run: RunConfig
    task: Task
    plan: BatchPlan
    valid: Sequence[Example]
    shown: Sequence[Example]
    processes: ProcessGroup
    show: Reporter
    callbacks: Sequence[Callback] = ()
    spent: float = 0.0


class Trainer:
    """Takes a job from where its progress stands to its end, or until it is interrupted."""

    def __init__(self, job: TrainingJob, learner: TrainingState, progress: Progress) -> None:
        config, processes = job.run.training, job.processes
        self.job, self.learner, self.progress = job, learner, progress
        self._config = config
        self._wrapped = processes.wrap(learner.network)
        self._plan = job.plan
        self._metrics = self._table() if processes.main else None
        board = processes.main and config.tensorboard
        self._board = Board(job.folder.board, up_to=progress.step) if board else None
        self._judged = copy.deepcopy(learner.network) if learner.average else learner.network
        self._steps_per_epoch = math.ceil(self._plan.steps / config.accumulate)
        self._steps_per_row = max(1, self._steps_per_epoch // _ROWS_PER_EPOCH)
        self._saved = self._since = time.monotonic()
        self._row = (time.monotonic(), progress.whole.symbols)
        self._entering: State | None = None
        self._advised: set[str] = set()
        self._own, self._speed_now = RunningSums(), 0.0
        self.fault: Exception | None = None
        self._budget = Budget(config.minutes, job.spent)
        self.begun: Callable[[], None] = lambda: None

    def _table(self) -> MetricsLog:
        return MetricsLog(self.job.folder.metrics, up_to=self.progress.step, digest=self.progress.metrics)

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training, as its minutes allow."""
        return self.progress.planned or self._wanted

    @property
    def _wanted(self) -> int:
        """Optimiser steps of the whole training, if it may take any time."""
        return self._config.steps or self._config.epochs * self._steps_per_epoch

    def _epoch_ends(self) -> bool:
        return self.progress.window >= self._plan.steps or not self._goes_on()

    def _goes_on(self) -> bool:
        """Return whether there are steps left; a number of steps may end in the midst of an epoch."""
        if self._config.steps or self.progress.planned:
            return self.progress.step < self.steps
        return self.progress.epoch < self._config.epochs

    @property
    def epochs(self) -> int:
        """Epochs of the whole training, the last one perhaps cut short."""
        return math.ceil(self.steps / self._steps_per_epoch)

    @property
    def epochs_done(self) -> float:
        """Epochs that are done, with the share of the present one."""
        return self.progress.step / self._steps_per_epoch

    def run(self, interrupt: GracefulStop) -> None:
        """Train until the end, the early end, or an interrupt; a checkpoint is there afterwards.

        A callback may interrupt it too. If one fails, its error is `fault` afterwards.

        `begun` is called after the first step of this sitting, or at once where there is none.

        A network with nothing to learn by gradient is at its end before the first step.

        Raises:
            DivergedError: the gradient is no longer finite; the last checkpoint is whole.
        """
        progress = self.progress
        progress.done = progress.done or not parameters.has_trainable(self.learner.network)
        if progress.done or not self._goes_on():
            self.begun()
        first = progress.step
        while self._goes_on() and not progress.done:
            self.step()
            if progress.step == first + 1:
                self.begun()
            self._plan_steps(epoch_ends=False)
            stop = self._called(lambda callback: callback.on_step(self._now()))
            if self._epoch_ends():
                self._end_epoch()
                self._plan_steps(epoch_ends=True)
                stop = self._called(lambda callback: callback.on_epoch(self._epoch())) or stop
                self._save()
            elif self.job.processes.any(self._due()):
                self._save()
            stop = stop and ((self._goes_on() and not progress.done) or self.fault is not None)
            if self.job.processes.any(interrupt.seen or stop):
                self._save()
                return
        progress.done = True
        self._save()

    def _called(self, call: Callable[[Callback], bool | None]) -> bool:
        """Call all callbacks, until one fails; whether training is to stop here."""
        stop = False
        for callback in self.job.callbacks if self.job.processes.main and not self.fault else ():
            try:
                stop = bool(call(callback)) or stop
            except Exception as error:
                self.fault = error
                return True
        return stop

    def _now(self) -> TrainingStep:
        progress, own = self.progress, self._own
        return TrainingStep(
            step=progress.step,
            steps=self.steps,
            epoch=progress.epoch + 1,
            epochs=self.epochs,
            loss=own.nats / max(1, own.count),
            grad_norm=own.norm,
            lr=self.learner.optimizer.param_groups[0]["lr"],
            symbols_per_second=self._speed_now,
        )

    def _epoch(self) -> TrainingEpoch:
        """Return the epoch that has ended."""
        progress = self.progress
        numbers = progress.epochs[-1]
        return TrainingEpoch(
            epoch=progress.epoch,
            epochs=self.epochs,
            step=progress.step,
            train_loss=numbers.train,
            scores=dict(numbers.scores),
            best=progress.best_epoch == progress.epoch - 1,
            grad_norm=numbers.mean_norm,
            seconds=progress.seconds,
        )

    def _plan_steps(self, *, epoch_ends: bool) -> None:
        """Let training end within its minutes; processes agree on the fewest steps."""
        progress, team = self.progress, self.job.processes
        if not self._config.minutes:
            return
        own = self._budget.plan(progress.step, self.steps, self._seconds(), epoch_ends=epoch_ends)
        steps = int(team.gather(torch.tensor(own)).min()) if team.world > 1 else own
        if steps == self.steps:
            return
        progress.planned = steps
        if team.main:
            whole = progress.seconds / progress.step * self._wanted
            self.job.show.line(self._budget.words(steps, self._steps_per_epoch, self._wanted, whole))

    def judged(self) -> nn.Module:
        """Return the network that predicts: with averaged weights, where an average is kept."""
        if self.learner.average:
            self._judged.load_state_dict(self.learner.average.weights)
        return self._judged

    def step(self) -> None:
        """Make one optimiser step: the windows that make it, clipping, the update, the numbers kept.

        Raises:
            DivergedError: the gradient is no longer finite.
        """
        config, progress, learner = self._config, self.progress, self.learner
        optimizers.set_rate(learner.optimizer, self._rate())
        learner.optimizer.zero_grad(set_to_none=True)
        windows, self._own = min(config.accumulate, self._plan.steps - progress.window), RunningSums()
        watch = LayerMonitor() if self._is_monitored(windows) else None
        for index in range(windows):
            watching = dispatch.through(watch) if watch and not index else nullcontext()
            with self._without_sync(last=index == windows - 1), watching:
                self._batch(windows)
        norm = float(optimizers.gradient_norm(learner.network.parameters(), config.clip))
        progress.step += 1
        if not math.isfinite(norm):
            raise self._diverged(norm)
        if watch:
            progress.look, progress.looked = watch.stats(), progress.step
        learner.optimizer.step()
        if learner.average:
            learner.average.update(learner.network)
        self._count(norm)

    def _is_monitored(self, windows: int) -> bool:
        """Return whether the next step is monitored: at the end of a row, and not too often."""
        progress = self.progress
        ends = progress.window + windows >= self._plan.steps or progress.step + 1 == self.steps
        if ends and (not progress.looked or progress.epoch + 1 == self.epochs):
            return True
        due = progress.step + 1 - progress.looked >= _LOOK_EVERY
        return due and (ends or (progress.step + 1) % self._steps_per_row == 0)

    def _batch(self, windows: int) -> None:
        progress, learner, device = self.progress, self.learner, self.job.processes.device
        batch, self._entering = self._plan.batch(progress.epoch, progress.window), learner.state
        with optimizers.weight_noise(learner.network, self._config.weight_noise):
            state, loss = self._forward(evaluation.to_device(batch, device))
            (loss.nats / (max(1, loss.count) * windows)).backward()
        learner.state = tuple(tensor.detach() for tensor in state) if self.job.task.continuous else None
        progress.window += 1
        for tally in (progress.recent, progress.whole, self._own):
            tally.nats += float(loss.nats.detach())
            tally.count += loss.count
            tally.symbols += steps_of(batch.seq)

    def _forward(self, batch: Batch) -> tuple[State, Loss]:
        half = self._config.precision == "bfloat16"
        with torch.autocast(self.job.processes.device.type, torch.bfloat16, enabled=half):
            scores, state = self._wrapped(batch.seq, self.learner.state)
        return state, self.job.task.objective(scores, batch)

    def _without_sync(self, *, last: bool) -> AbstractContextManager[object]:
        """Let processes exchange gradients only at the last window of a step."""
        if last or not isinstance(self._wrapped, DistributedDataParallel):
            return nullcontext()
        return self._wrapped.no_sync()

    def _rate(self) -> float:
        return optimizers.rate(self._config, self.progress.step, self.steps, self.progress.halvings)

    def _count(self, norm: float) -> None:
        progress = self.progress
        for tally in (progress.recent, progress.whole, self._own):
            tally.norm += norm
            tally.steps += 1
            tally.clipped += bool(self._config.clip and norm > self._config.clip)
            if norm > tally.top_norm:
                tally.top_norm, tally.top_step = norm, progress.step
        self._speed_now = self._speed()
        self.job.show.step(progress.step, self.steps, self._words())
        if progress.step % self._steps_per_row == 0 and not self._epoch_ends():
            self._add_row(self._speed())

    def _words(self) -> str:
        recent = self.progress.recent
        lines = [f"loss {recent.nats / max(1, recent.count):.3f}", f"{self._speed():,.0f} symbols/s"]
        if self.progress.epochs and self.progress.epochs[-1].scores:
            lines.append(_valid(self.progress.epochs[-1].scores))
        return " · ".join(lines)

    def _speed(self) -> float:
        began, symbols = self._row
        done = (self.progress.whole.symbols - symbols) * self.job.processes.world
        return done / max(time.monotonic() - began, 1e-9)

    def _seconds(self) -> float:
        """Time spent since the training's first step, over all its sittings."""
        now = time.monotonic()
        self.progress.seconds += now - self._since
        self._since = now
        return self.progress.seconds

    def _add_row(self, speed: float, scores: Scores | None = None) -> None:
        recent, progress = self.progress.recent, self.progress
        if self._metrics and recent.steps:
            stats = progress.look if progress.looked == progress.step else None
            row = {
                "step": progress.step,
                "epoch": progress.epoch + 1,
                "seconds": f"{self._seconds():.1f}",
                "symbols_per_second": f"{speed:.0f}",
                "lr": f"{self.learner.optimizer.param_groups[0]['lr']:.6g}",
                "train_loss": repr(recent.nats / recent.count),
                "grad_norm": repr(recent.norm / recent.steps),
                "clipped": f"{recent.clipped / recent.steps:.4f}",
                **(_layer_columns(stats) if stats else {}),
                "valid_loss": repr(scores["loss"]) if scores else "",
                "valid_score": repr(scores[self.job.task.selection_metric]) if scores else "",
            }
            self._metrics.add(row)
            if self._board:
                self._board.add(row)
        progress.recent = RunningSums()
        self._row = (time.monotonic(), progress.whole.symbols)

    def _end_epoch(self) -> None:
        """Validate, say so, keep the best weights, and turn to the next epoch."""
        progress, whole, speed = self.progress, self.progress.whole, self._speed()
        self._check_finite()
        scores = self.validate() if self.job.valid else {}
        train = self.job.processes.mean(whole.nats / max(1, whole.count))
        for part, loss in (("training", train), ("validation", scores.get("loss", 0.0))):
            if not math.isfinite(loss):
                raise self._endless(part, loss)
        mean_norm, clipped = whole.norm / whole.steps, whole.clipped / whole.steps
        self._add_row(speed, scores)
        numbers = Epoch(train, scores, mean_norm, whole.top_norm, whole.top_step, clipped, progress.look)
        progress.epochs.append(numbers)
        progress.look = None
        if not scores or progress.best is None or self.goal(scores) < progress.best:
            progress.best, progress.best_epoch = self.goal(scores), progress.epoch
            self._write_best()
        self._react_to_plateau()
        self._tell()
        progress.epoch, progress.window, progress.whole = progress.epoch + 1, 0, RunningSums()
        self._row = (time.monotonic(), 0)
        self.learner.state = None

    def validate(self) -> Scores:
        """Score the validation part; predictions are made only where they decide on the best epoch."""
        task = self.job.task
        return evaluation.evaluate(
            task, self.judged(), self.job.valid, predict=task.selection_metric != "loss"
        ).scores

    def goal(self, scores: Scores) -> list[float]:
        """Return what the best epoch has the least of; nothing, where there is no validation part."""
        return evaluation.goal(self.job.task, scores) if scores else []

    def _react_to_plateau(self) -> None:
        config, progress = self._config, self.progress
        worse_for = progress.epoch - progress.best_epoch
        if config.schedule == "plateau" and worse_for and worse_for % config.patience == 0:
            progress.halvings += 1
        if config.early_stop and worse_for >= config.early_stop:
            progress.done = True

    def _tell(self) -> None:
        if not self.job.processes.main:
            return
        progress, numbers = self.progress, self.progress.epochs[-1]
        best = " (best)" if progress.best_epoch == progress.epoch else ""
        valid = f"{_valid(numbers.scores)}{best}  " if numbers.scores else ""
        left = self._seconds() * (self.steps / progress.step - 1)
        self.job.show.line(
            f"epoch {progress.epoch + 1}/{self.epochs}  train loss {numbers.train:.3f}  "
            f"{valid}{duration(progress.seconds)}, {duration(left)} left"
        )
        last = progress.done or progress.epoch + 1 == self.epochs or progress.step == self.steps
        self._advise(last)
        with evaluation.evaluating(self.judged()) as network:
            preview = self.job.task.preview(network, self.job.shown, self._config.seed + progress.epoch)
        self._say([f"  {one_line(preview)}"] if preview else [])
        if progress.done:
            self.job.show.line(f"no progress for {self._config.early_stop} epochs: training ends here")

    def _advise(self, last: bool) -> None:
        """Say what is the matter, each kind of it once."""
        path, config = self.job.folder.path, self._config
        go_on = f"elman train --resume {path} --epochs {2 * self.epochs}"
        for text in advise(self.progress.epochs, last=last, clip=config.clip, go_on=go_on):
            kind = text.partition(":")[0]
            if kind not in self._advised:
                self._advised.add(kind)
                self.job.show.line(f"  advice: {text}")

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.job.show.line(line)

    def _due(self) -> bool:
        return (
            self.job.processes.main and time.monotonic() - self._saved >= self._config.checkpoint_minutes * 60
        )

    def _save(self) -> None:
        self._check_finite()
        self._seconds()
        if self._metrics:
            self.progress.metrics = self._metrics.digest()
        checkpoint.save(self.job.folder.checkpoint, self.learner, self.progress, self.job.processes)
        self._saved = time.monotonic()

    def _write_best(self) -> None:
        if self.job.processes.main:
            tensor_file.save(self.job.folder.best, self.learner.weights(), {"step": self.progress.step})
            notes = {"step": self.progress.step, "settings": folder.meaning(self.job.run)}
            self.job.folder.save_weights(self.learner.weights(), notes)

    def _check_finite(self) -> None:
        """See that what would be kept is of use: after a gradient that is finite a step may be too long.

        Raises:
            DivergedError: it is not.
        """
        loss = self.progress.whole.nats
        bad = [
            name for name, weight in self.learner.network.named_parameters() if not weight.isfinite().all()
        ]
        if bad or not math.isfinite(loss):
            got = f"the weight {bad[0]} is not finite" if bad else f"a loss of {loss}"
            raise DivergedError(
                f"step {self.progress.step}", got, expected="finite ones", remedy=self._cure()
            )

    def _cure(self) -> str:
        """Return what helps a training that diverged: of what is not done already, and from where."""
        config, path = self._config, self.job.folder.path
        clip = "" if 0 < config.clip <= 1 else ", or set --clip 1"
        words = f"lower --lr{clip}: elman train --resume {path} --lr {config.lr / 4:.2g}"
        kept = self.progress.best is not None
        return words + f"; the weights of epoch {self.progress.best_epoch + 1} are kept" * kept

    def _endless(self, part: str, loss: float) -> DivergedError:
        remedy = f"look for numbers far beyond the others in the {part} part, or lower --lr"
        got = f"a loss of {loss} on the {part} part"
        return DivergedError(f"step {self.progress.step}", got, expected="a finite one", remedy=remedy)

    def _diverged(self, norm: float) -> DivergedError:
        task, network = self.job.task, self.learner.network
        batch = self._plan.batch(self.progress.epoch, self.progress.window - 1)
        entering = self._entering and tuple(state.cpu() for state in self._entering)

        def run(copied: nn.Module) -> Tensor:
            scores, _ = copied(batch.seq, entering)
            return task.objective(scores, batch).nats[None]

        fault = non_finite.first_non_finite(network, run)
        return DivergedError(
            f"step {self.progress.step}",
            f"a gradient norm of {norm}: {fault or 'not so without dropout'}",
            expected="a finite one",
            remedy=self._cure(),
        )


def headline(scores: Scores) -> str:
    """Format the first of the scores."""
    name, value = next(iter(scores.items()))
    return f"{number(value)} {name.replace('_', ' ')}"


def _valid(scores: Scores) -> str:
    """Return the loss, to compare with that of training, and the first score if that is another."""
    loss = f"valid loss {number(scores['loss'])}"
    return loss if next(iter(scores)) == "loss" else f"{loss}, {headline(scores)}"


def _layer_columns(stats: LayerStats) -> dict[str, str]:
    """Return the columns of layer statistics."""
    return {
        "saturated": "" if stats.saturated is None else f"{stats.saturated:.4f}",
        "state_norm": f"{stats.state_norm:.6g}",
        "horizon": "" if stats.horizon is None else f"{stats.horizon:.6g}",
    }
