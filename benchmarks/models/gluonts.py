"""GluonTS: DeepAR on PyTorch, trained by its estimator and asked by its predictor."""

from __future__ import annotations

import tempfile

import numpy as np
import torch
from gluonts.dataset.common import ListDataset
from gluonts.torch.model.deepar import DeepAREstimator
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from models.base import QUIET, Case, loss_recorder

INPUT, HORIZON, STEPS = 72, 24, 20


def deepar() -> Case:
    """With the package's own sizes."""
    data = series(20, 1200)
    recorder = loss_recorder(Callback)
    estimator = DeepAREstimator("h", HORIZON, context_length=INPUT, num_batches_per_epoch=STEPS)
    module = estimator.create_lightning_module()
    # The estimator makes a network for each training: here it gets the same one back.
    estimator.create_lightning_module = lambda: module
    predictor = estimator.create_predictor(estimator.create_transformation(), module)

    def train() -> list[float]:
        trainer = {"max_epochs": 1, "accelerator": "cpu", "callbacks": [recorder], **QUIET}
        with tempfile.TemporaryDirectory() as folder:  # for the best weights, which it reads back at the end
            estimator.trainer_kwargs = {**trainer, "enable_checkpointing": True, "default_root_dir": folder}
            estimator.train(data)
        return recorder.take()

    def predict() -> Tensor:
        return torch.tensor(np.stack([found.samples for found in predictor.predict(data)]))

    sizes = f"{STEPS} steps of {estimator.batch_size} windows of {INPUT} hours"
    return Case(module, train, predict, f"{sizes}; {HORIZON} hours of {len(data)} series, 100 samples each")


def series(number: int, length: int) -> ListDataset:
    """Waves of a day's period with noise."""
    draw, hours = np.random.default_rng(1), np.arange(length)
    waves = [
        10 + np.sin((hours + phase) * 2 * np.pi / 24) + draw.normal(0, 0.1, length) for phase in range(number)
    ]
    return ListDataset([{"start": "2024-01-01", "target": wave} for wave in waves], freq="h")


MODELS = {"DeepAR": deepar}
