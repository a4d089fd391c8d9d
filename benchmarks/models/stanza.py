"""Stanza: its tagger of parts of speech, highway BiLSTMs over words and an LSTM over their letters."""

from __future__ import annotations

import torch
from stanza.models import tagger as command
from stanza.models.common.doc import Document
from stanza.models.pos.data import Dataset
from stanza.models.pos.trainer import Trainer
from torch import Tensor

from models.base import Case
from models.text import sentences

SENTENCES, ASKED, BATCH = 48, 48, 16


def tagger() -> Case:
    """With the sizes that its command trains with, without embeddings to download."""
    arguments = vars(command.build_argparse().parse_args(["--no_pretrain", "--shorthand", "en_test"]))
    arguments["augment_nopunct"] = 0.0
    data = dataset(arguments, SENTENCES, 1, None)
    asked = list(dataset(arguments, ASKED, 2, data.vocab).to_loader(batch_size=BATCH))
    batches = list(data.to_loader(batch_size=BATCH))
    trainer = Trainer(args=arguments, vocab=data.vocab, device="cpu")
    scores: list[Tensor] = []
    trainer.model.upos_clf.register_forward_hook(lambda module, given, found: scores.append(found))

    def train() -> list[float]:
        for optimizer in trainer.optimizers.values():
            optimizer.state.clear()  # what it remembers of an earlier training
        found = [trainer.update(batch) for batch in batches]
        scores.clear()
        return found

    def predict() -> Tensor:
        with torch.no_grad():
            for batch in asked:
                trainer.predict(batch)
        found = torch.cat([each.flatten() for each in scores])
        scores.clear()
        return found

    return Case(trainer.model, train, predict, f"{SENTENCES} sentences, {BATCH} at a time; {ASKED} sentences")


def dataset(arguments: dict, number: int, seed: int, vocab: object) -> Dataset:
    made = [
        [
            {"id": at + 1, "text": word, "upos": tag, "xpos": tag, "feats": "_"}
            for at, (word, tag) in enumerate(sentence)
        ]
        for sentence in sentences(number, seed)
    ]
    return Dataset(Document(made), arguments, None, vocab=vocab, evaluation=vocab is not None)


MODELS = {"tagger": tagger}
