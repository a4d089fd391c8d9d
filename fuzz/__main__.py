"""`python -m fuzz`: a campaign over all kinds, or one input again."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

import torch

from fuzz import cases, pool
from fuzz.base import FAULTS, REFUSED, TAKEN, Kind, made, note
from fuzz.kinds import KINDS

_SHRINK = 5.0
"""Seconds that go into making a failing input small."""


def main(tokens: list[str] | None = None) -> int:
    """Run what the command line asks for; 1 where anything failed."""
    asked = _parser().parse_args(tokens)
    names = asked.kinds.split(",") if asked.kinds else [asked.kind] if asked.kind else list(KINDS)
    if unknown := [name for name in names if name not in KINDS]:
        note(f"unknown kinds: {', '.join(unknown)}; known: {', '.join(KINDS)}")
        return 2
    torch.set_num_threads(1)  # before processes are forked
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that folders and workers are taken away
    folder = pool.scratch()
    try:
        return _run(asked, [KINDS[name] for name in names], folder)
    finally:
        pool.emptied(folder)
        folder.rmdir()


def _run(asked: argparse.Namespace, kinds: list[Kind], folder: Path) -> int:
    for kind in kinds:
        kind.prepare(folder)
    if asked.seed is not None:
        return _again(kinds[0], asked.seed)
    failed = _replayed(kinds) if asked.replay else {}
    for name, words in _campaigns(asked, kinds).items():
        failed.setdefault(name, []).extend(words)
    if asked.json:
        Path(asked.json).write_text(json.dumps(failed, indent=1), encoding="utf-8")
    return int(any(failed.values()))


def _again(kind: Kind, seed: int) -> int:
    """One input once more."""
    given = made(kind, seed)
    outcome, _ = pool.alone(kind, given)
    print(json.dumps(dict(given.about), ensure_ascii=True)[:2000])
    for name, content in given.files.items():
        print(f"{name}: {len(content)} bytes, {content[:300]!r}")
    print(f"{outcome.status} {outcome.mark}\n{outcome.tail}")
    return int(outcome.failed)


def _replayed(kinds: list[Kind]) -> dict[str, list[str]]:
    """What still fails of the cases that are kept."""
    known, failed = {kind.name: kind for kind in kinds}, dict[str, list[str]]()
    for path in cases.paths():
        name, given = cases.load(path)
        if name in known and (outcome := pool.alone(known[name], given)[0]).failed:
            failed.setdefault(name, []).append(f"{path.name}: {outcome.mark}")
            note(f"{path.parent.name}/{path.name} fails: {outcome.status} {outcome.mark}\n{outcome.tail}")
    return failed


def _campaigns(asked: argparse.Namespace, kinds: list[Kind]) -> dict[str, list[str]]:
    failed: dict[str, list[str]] = {}
    print(
        f"{'kind':12} {'inputs':>8} {'taken':>8} {'refused':>8} "
        + " ".join(f"{one:>9}" for one in FAULTS)
        + "  seconds"
    )
    for kind in kinds:
        inputs = kind.pace if asked.inputs is None else asked.kills if kind.slow else asked.inputs
        tally = pool.campaign(kind, asked.first, inputs, asked.seconds, asked.workers)
        counts = [tally.counts[one] for one in FAULTS]
        print(
            f"{kind.name:12} {tally.inputs:8,} {tally.counts[TAKEN]:8,} {tally.counts[REFUSED]:8,} "
            + " ".join(f"{one:9,}" for one in counts)
            + f"  {tally.seconds:.0f}",
            flush=True,
        )
        failed[kind.name] = [_told(kind, failure, asked.keep) for failure in tally.failures.values()]
    return failed


def _told(kind: Kind, failure: pool.Failure, keep: bool) -> str:
    """What failed, in words; with `keep`, it is made small and written to the tests."""
    outcome = failure.outcome
    words = f"{kind.name} --seed {failure.seed}, {failure.count} times: {outcome.status} {outcome.mark}"
    print(f"  {words}", flush=True)
    if keep:
        slow = outcome.status in ("hang", "crash")
        again, given = pool.alone(kind, made(kind, failure.seed), outcome.mark, 0.0 if slow else _SHRINK)
        if not again.failed:
            print("    not again, alone", flush=True)
            return words
        path = cases.save(kind.name, given, outcome, failure.seed)
        print(f"    {'too large to be kept' if path is None else path}", flush=True)
    return words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m fuzz", description=__doc__)
    parser.add_argument("kind", nargs="?", help=f"one of {', '.join(KINDS)}; left out: all")
    parser.add_argument("--kinds", help="several, with commas between")
    parser.add_argument("--seed", type=int, help="repeat this one input")
    parser.add_argument("--inputs", type=int, help="inputs of each kind; left out: a few, as each kind says")
    parser.add_argument("--kills", type=int, default=0, help="rounds of killed trainings, beside --inputs")
    parser.add_argument("--seconds", type=float, default=1e9, help="most seconds for each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--keep", action="store_true", help="make what fails small and write it to tests/")
    parser.add_argument("--replay", action="store_true", help="try the inputs in tests/ again, before others")
    parser.add_argument("--json", help="file for what failed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
