"""Other libraries on the data of benchmarks/tasks.py: score and training time, with sizes as in our settings.

    pip install -r benchmarks/models-requirements.txt
    python benchmarks/task_peers.py [NAME ...] [--data DIR] [--seeds 1,2,3]

neuralforecast_lstm, neuralforecast_deepar: M4 hourly, a context of 168 hours and 96 units, as many windows as
our run learns from. flair_lstm: sst2 by words, a bidirectional LSTM of as many units, epochs and sequences a
batch. Scores are computed by the same code for all. Elman's own rows are those of tasks.py.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from elman.metrics import forecasting

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared/data"
HORIZON, SEASON = 48, 24


class Result(NamedTuple):
    """What a peer came to: named scores of the official test part, and seconds of training."""

    scores: dict[str, float]
    seconds: float


def m4(data: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The training part of M4 hourly in the long form, and the futures [N, 48]."""
    train = pd.read_csv(data / "m4/Hourly-train.csv", index_col=0)
    future = pd.read_csv(data / "m4/Hourly-test.csv", index_col=0).loc[train.index].to_numpy(float)
    rows = [
        pd.DataFrame({"unique_id": name, "ds": np.arange(len(values)), "y": values})
        for name, row in train.iterrows()
        for values in [row.dropna().to_numpy(float)]
    ]
    return pd.concat(rows), future


def neuralforecast(kind: str) -> Callable[[Path, int], Result]:
    """A recurrent model of neuralforecast on M4 hourly."""

    def measure(data: Path, seed: int) -> Result:
        from neuralforecast import NeuralForecast
        from neuralforecast.losses.pytorch import DistributionLoss, MQLoss
        from neuralforecast.models import LSTM, DeepAR

        settings = tomllib.loads((HERE / "settings/m4.toml").read_text())
        windows, batch = 20_000 * settings["training"]["epochs"], settings["training"]["batch_size"]
        common = {
            "h": HORIZON,
            "input_size": settings["forecast"]["context"],
            "windows_batch_size": batch,
            "max_steps": windows // batch,
            "learning_rate": settings["training"]["lr"],
            "scaler_type": "robust",  # what LSTM has by itself; DeepAR would leave the series as they are
            "random_seed": seed,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "logger": False,
            "enable_checkpointing": False,
            "enable_model_summary": False,
        }
        hidden = settings["network"]["hidden"]
        model = (
            LSTM(encoder_hidden_size=hidden, encoder_n_layers=1, loss=MQLoss(level=[80]), **common)
            if kind == "LSTM"
            else DeepAR(lstm_hidden_size=hidden, loss=DistributionLoss("StudentT", level=[80]), **common)
        )
        train, future = m4(data)
        forecast = NeuralForecast([model], freq=1)
        began = time.perf_counter()
        forecast.fit(train)
        seconds = time.perf_counter() - began
        told = forecast.predict()
        (column,) = [name for name in told.columns if name.endswith("-median")]
        median = told.pivot(index="unique_id", columns="ds", values=column)
        names = train["unique_id"].unique()
        said = np.stack([median.loc[name].dropna().to_numpy() for name in names])
        pasts = [group["y"].to_numpy() for _, group in train.groupby("unique_id", sort=False)]
        units = np.array([forecasting.seasonal_unit(past, SEASON) for past in pasts])
        off = np.abs(future - said)
        smape = 200 * (off / np.maximum(np.abs(future) + np.abs(said), 1e-9)).mean()
        return Result({"mase": float((off.mean(1) / units).mean()), "smape": float(smape)}, seconds)

    return measure


def flair_lstm(data: Path, seed: int) -> Result:
    """A text classifier of flair on sst2: one-hot words embedded, and a bidirectional LSTM."""
    import flair
    from flair.data import Corpus, Sentence
    from flair.datasets import FlairDatapointDataset
    from flair.embeddings import DocumentRNNEmbeddings, OneHotEmbeddings
    from flair.models import TextClassifier
    from flair.trainers import ModelTrainer

    settings = tomllib.loads((HERE / "settings/sst2.toml").read_text())
    flair.set_seed(seed)
    flair.logger.setLevel(logging.ERROR)

    def part(name: str) -> FlairDatapointDataset:
        sentences = []
        for line in (data / f"sst2/{name}.tsv").read_text().splitlines():
            text, label = line.split("\t")
            sentences.append(Sentence(text.split()))
            sentences[-1].add_label("feeling", label)
        return FlairDatapointDataset(sentences)

    corpus = Corpus(train=part("train"), dev=part("dev"), test=part("test"))
    network, training = settings["network"], settings["training"]
    words = OneHotEmbeddings.from_corpus(
        corpus, min_freq=settings["data"].get("min_count", 1), embedding_length=network["embedding"]
    )
    document = DocumentRNNEmbeddings(
        [words],
        hidden_size=network["hidden"],
        rnn_type=network["cell"].upper(),
        bidirectional=True,
        reproject_words=False,
        dropout=network[
            "dropout"
        ],  # the others do not carry over: flair 0.15.1 cannot save a model with them
    )
    labels = corpus.make_label_dictionary("feeling")
    model = TextClassifier(embeddings=document, label_dictionary=labels, label_type="feeling")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        ModelTrainer(model, corpus).train(
            folder,
            learning_rate=training["lr"],
            mini_batch_size=training["batch_size"],
            max_epochs=training["epochs"],
            optimizer=torch.optim.AdamW,
            create_file_logs=False,
            create_loss_file=False,
        )
    seconds = time.perf_counter() - began
    result = model.evaluate(corpus.test, gold_label_type="feeling")
    return Result({"accuracy": result.classification_report["accuracy"]}, seconds)


PEERS: dict[str, Callable[[Path, int], Result]] = {
    "neuralforecast_lstm": neuralforecast("LSTM"),
    "neuralforecast_deepar": neuralforecast("DeepAR"),
    "flair_lstm": flair_lstm,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="peers; all of them, if none is named")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", default="1,2,3")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    print("| peer | score | mean (each seed) | training |\n|---|---|---|---|")
    for name in given.names or PEERS:
        done = [PEERS[name](given.data, int(seed)) for seed in given.seeds.split(",")]
        minutes = statistics.median(result.seconds for result in done) / 60
        for score in done[0].scores:
            each = [result.scores[score] for result in done]
            listed = ", ".join(f"{value:.4g}" for value in each)
            print(
                f"| {name} | {score} | {statistics.mean(each):.4g} ({listed}) | {minutes:.1f} min |",
                flush=True,
            )


if __name__ == "__main__":
    main()
