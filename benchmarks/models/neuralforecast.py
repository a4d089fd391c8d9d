"""neuralforecast: GRU, LSTM and DeepAR, trained and asked by `NeuralForecast`."""

from __future__ import annotations

import torch
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import DistributionLoss
from neuralforecast.models import GRU, LSTM, DeepAR
from neuralforecast.utils import generate_series
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from models.base import QUIET, Case, loss_recorder

HORIZON, INPUT, WINDOWS, STEPS = 24, 96, 64, 5
TRAINING = {
    "h": HORIZON,
    "input_size": INPUT,
    "windows_batch_size": WINDOWS,
    "max_steps": STEPS,
    "accelerator": "cpu",
    **QUIET,
}


def case(model: GRU | LSTM | DeepAR) -> Case:
    """A model with the package's own sizes, on 100 series that it makes."""
    series = generate_series(100, freq="D", min_length=200, max_length=300, seed=1)
    forecast = NeuralForecast([model], freq="D")
    forecast.fit(series)
    kept = forecast.models[0]  # a copy of the one that was given
    recorder = loss_recorder(Callback)
    kept.trainer_kwargs["callbacks"] = [recorder]

    def train() -> list[float]:
        forecast.fit(series)
        return recorder.take()

    def predict() -> Tensor:
        return torch.tensor(forecast.predict().select_dtypes("number").to_numpy())

    work = f"{STEPS} steps of {WINDOWS} windows of {INPUT} days; {HORIZON} days of 100 series"
    return Case(kept, train, predict, work)


MODELS = {
    "GRU": lambda: case(GRU(**TRAINING)),
    "LSTM": lambda: case(LSTM(**TRAINING)),
    "DeepAR": lambda: case(DeepAR(loss=DistributionLoss("StudentT", level=[80]), **TRAINING)),
}
