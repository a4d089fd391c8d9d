"""The conditional random field beside the textbook's: milliseconds of loss and gradient, and of decoding.

    python benchmarks/crf.py [--steps 30] [--batch 32] [--tags 17,50,80] [--threads 1]

The textbook's takes, at each step, the logarithm of a sum of K exponentials for each tag of each sequence,
and leaves the gradient to autograd. Both read the same ragged sequences and take turns.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from elman.nn.crf import Crf
from timing.clock import Plan, take_turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tags", default="17,50,80")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print("| tags | loss and gradient, ms | the textbook's | decoding |\n|---|---|---|---|")
    for tags in map(int, given.tags.split(",")):
        print(row(given.steps, given.batch, tags), flush=True)


def row(steps: int, batch: int, tags: int) -> str:
    """Medians for random scores, and lengths between half the steps and all."""
    torch.manual_seed(1)
    crf = Crf(tags)
    torch.nn.init.normal_(crf.transitions)
    emissions = torch.randn(steps, batch, tags, requires_grad=True)
    truth = torch.randint(tags, (steps, batch))
    lengths = torch.randint(steps // 2, steps + 1, (batch,))
    lengths[0] = steps
    ours, theirs = crf.loss(emissions, truth, lengths), textbook(crf, emissions, truth, lengths)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-2)
    contenders = {
        "ours": lambda: crf.loss(emissions, truth, lengths).backward(),
        "theirs": lambda: textbook(crf, emissions, truth, lengths).backward(),
        "decoding": lambda: crf.decode(emissions, lengths),
    }
    block = take_turns(contenders, Plan())
    return f"| {tags} | " + " | ".join(f"{1e3 * block.median(name):.1f}" for name in contenders) + " |"


def textbook(crf: Crf, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
    """The same loss in logarithms."""
    times, rows = torch.arange(len(emissions)), torch.arange(len(lengths))
    inside = times[:, None] < lengths
    total = crf.start + emissions[0]
    for step in range(1, len(emissions)):
        after = (total.unsqueeze(2) + crf.transitions).logsumexp(1) + emissions[step]
        total = torch.where(inside[step].unsqueeze(1), after, total)
    emitted = emissions.gather(2, tags.unsqueeze(2)).squeeze(2).where(inside, 0).sum(0)
    moved = crf.transitions[tags[:-1], tags[1:]].where(inside[1:], 0).sum(0)
    score = crf.start[tags[0]] + emitted + moved + crf.end[tags[lengths - 1, rows]]
    return ((total + crf.end).logsumexp(1) - score).sum()


if __name__ == "__main__":
    main()
