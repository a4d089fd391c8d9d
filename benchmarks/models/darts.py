"""Darts: RNNModel, also known as DeepAR, and BlockRNNModel, trained and asked by `fit` and `predict`."""

from __future__ import annotations

import numpy as np
import torch
from darts import TimeSeries
from darts.models import BlockRNNModel, RNNModel
from darts.utils.timeseries_generation import gaussian_timeseries, sine_timeseries
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from models.base import QUIET, Case, loss_recorder

INPUT, HORIZON, BATCH = 48, 24, 32


def case(model: RNNModel | BlockRNNModel, recorder: Callback, horizon: int) -> Case:
    """A model on ten noisy waves."""
    series = waves(10, 130)
    model.fit(series, epochs=1)
    recorder.take()

    def train() -> list[float]:
        model._random_instance = np.random.RandomState(1)  # its seeds go on from one call to the next
        model.fit(series, epochs=1)
        return recorder.take()

    def predict() -> Tensor:
        found = model.predict(horizon, series=series)
        return torch.tensor(np.stack([each.all_values() for each in found]))

    work = f"an epoch of windows of {INPUT} steps, {BATCH} at a time; {horizon} steps of 10 series"
    return Case(model.model, train, predict, work)


def waves(number: int, length: int) -> list[TimeSeries]:
    """Waves of a day's period with noise, in the numbers' type that the model then takes."""
    np.random.seed(1)
    made = []
    for index in range(number):
        wave = sine_timeseries(length=length, value_frequency=1 / 24, value_phase=index, freq="h")
        made.append((wave + gaussian_timeseries(length=length, std=0.1, freq="h")).astype(np.float32))
    return made


def rnn(cell: str) -> Case:
    recorder = loss_recorder(Callback)
    model = RNNModel(
        INPUT,
        model=cell,
        hidden_dim=64,
        n_rnn_layers=2,
        dropout=0.1,
        training_length=INPUT + HORIZON,
        **trained_by(recorder),
    )
    return case(model, recorder, 2 * HORIZON)


def block(cell: str) -> Case:
    recorder = loss_recorder(Callback)
    model = BlockRNNModel(
        INPUT, HORIZON, model=cell, hidden_dim=64, n_rnn_layers=2, dropout=0.1, **trained_by(recorder)
    )
    return case(model, recorder, HORIZON)


def trained_by(recorder: Callback) -> dict[str, object]:
    trainer = {"accelerator": "cpu", "callbacks": [recorder], **QUIET}
    return {"batch_size": BATCH, "random_state": 1, "pl_trainer_kwargs": trainer}


MODELS = {"RNNModel, LSTM": lambda: rnn("LSTM"), "BlockRNNModel, GRU": lambda: block("GRU")}
