"""pytorch-forecasting: DeepAR and the Temporal Fusion Transformer, trained by Lightning as its pages tell."""

from __future__ import annotations

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from pytorch_forecasting import DeepAR, NormalDistributionLoss, TemporalFusionTransformer, TimeSeriesDataSet
from pytorch_forecasting.data.examples import generate_ar_data
from pytorch_forecasting.metrics import QuantileLoss
from torch import Tensor

from models.base import QUIET, Case, loss_recorder

INPUT, HORIZON, BATCH, STEPS = 60, 20, 64, 10


def series() -> tuple[TimeSeriesDataSet, TimeSeriesDataSet]:
    """The package's own autoregressive series: all their windows, and the last one of each."""
    table = generate_ar_data(seasonality=10.0, timesteps=200, n_series=50, seed=42).astype({"series": str})
    windows = TimeSeriesDataSet(
        table,
        time_idx="time_idx",
        target="value",
        group_ids=["series"],
        static_categoricals=["series"],
        time_varying_unknown_reals=["value"],
        max_encoder_length=INPUT,
        max_prediction_length=HORIZON,
    )
    return windows, TimeSeriesDataSet.from_dataset(windows, table, predict=True, stop_randomization=True)


def case(kind: type, loss: torch.nn.Module, **settings: object) -> Case:
    data, last = series()
    model = kind.from_dataset(data, loss=loss, learning_rate=1e-3, log_interval=-1, **settings)
    trained = data.to_dataloader(train=True, batch_size=BATCH, num_workers=0)
    asked = last.to_dataloader(train=False, batch_size=BATCH, num_workers=0)
    recorder = loss_recorder(Callback)

    def train() -> list[float]:
        trainer = pl.Trainer(
            max_steps=STEPS, accelerator="cpu", gradient_clip_val=0.1, callbacks=[recorder], **QUIET
        )
        trainer.fit(model, train_dataloaders=trained)
        return recorder.take()

    def predict() -> Tensor:
        return model.predict(asked, trainer_kwargs={"accelerator": "cpu", **QUIET})

    return Case(model, train, predict, f"{STEPS} steps of {BATCH} windows of {INPUT} steps")


MODELS = {
    "DeepAR": lambda: case(DeepAR, NormalDistributionLoss(), hidden_size=64, rnn_layers=2, dropout=0.1),
    "TFT": lambda: case(TemporalFusionTransformer, QuantileLoss(), hidden_size=32, attention_head_size=2),
}
