"""Flair: its SequenceTagger, a BiLSTM-CRF over embeddings of words and letters that are learnt with it."""

from __future__ import annotations

import logging
import string
import tempfile

import torch
from flair.data import Corpus, Dictionary, Sentence
from flair.datasets import FlairDatapointDataset
from flair.embeddings import CharacterEmbeddings, OneHotEmbeddings, StackedEmbeddings
from flair.models import SequenceTagger
from flair.trainers import ModelTrainer
from flair.trainers.plugins import TrainerPlugin
from torch import Tensor

from models.base import Case
from models.text import sentences

SENTENCES, ASKED, BATCH = 64, 96, 16


class Losses(TrainerPlugin):
    """Keeps the loss of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    @TrainerPlugin.hook
    def metric_recorded(self, record: object) -> None:
        """Called by the trainer for everything that it measures."""
        if "batch_loss" in str(record.name):
            self.losses.append(float(record.value))


def tagged(number: int, seed: int) -> list[Sentence]:
    made = []
    for words in sentences(number, seed):
        sentence = Sentence([word for word, _ in words])
        for token, (_, tag) in zip(sentence, words, strict=True):
            token.add_label("pos", tag)
        made.append(sentence)
    return made


def tagger() -> Case:
    """With 256 hidden units a direction, as the package's own taggers of parts of speech have."""
    logging.getLogger("flair").setLevel(logging.ERROR)
    train_part, asked = tagged(SENTENCES, 1), tagged(ASKED, 2)
    corpus = Corpus(train=FlairDatapointDataset(train_part), sample_missing_splits=False)
    letters = Dictionary()  # the package's own list would be downloaded
    for letter in string.ascii_lowercase:
        letters.add_item(letter)
    embeddings = StackedEmbeddings([OneHotEmbeddings.from_corpus(corpus), CharacterEmbeddings(letters)])
    model = SequenceTagger(
        embeddings, corpus.make_label_dictionary("pos", add_unk=False), "pos", hidden_size=256
    )

    def train() -> list[float]:
        losses = Losses()
        with tempfile.TemporaryDirectory() as folder:
            ModelTrainer(model, corpus).train(
                folder,
                max_epochs=1,
                mini_batch_size=BATCH,
                save_final_model=False,
                plugins=[losses],
                create_file_logs=False,
                create_loss_file=False,
            )
        return losses.losses

    def predict() -> Tensor:
        model.predict(
            asked, label_name="guess", mini_batch_size=BATCH, return_probabilities_for_all_classes=True
        )
        tokens = [token for sentence in asked for token in sentence]
        return torch.tensor(
            [[label.score for label in token.get_tags_proba_dist("guess")] for token in tokens]
        )

    return Case(model, train, predict, f"{SENTENCES} sentences, {BATCH} at a time; {ASKED} sentences")


MODELS = {"SequenceTagger": tagger}
