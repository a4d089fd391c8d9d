"""Our layers beside torch's in 200,000 random calls: the tests' differential cases, many more of them.

    python benchmarks/differential.py [--examples 200000] [--modes jvp,vmap] [--seed 0]

Each mode runs in processes of its own, some thousand cases each, so that a crash is one finding among others.
What was wrong is told once a kind, by its smallest case; `judge(Case(...), MODES["..."])`, with the names of
tests/differential.py and tests/differential_modes.py, does it again. The exit code is 1 where anything was.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402

from differential import Case, cases, judge  # noqa: E402
from differential_modes import COMPILED, MODES, QUICK, TRACED  # noqa: E402

A_PROCESS = 2000
"""Cases of one process."""
SHARES = {**dict.fromkeys(MODES, 1.0), **dict.fromkeys(TRACED, 0.1), **dict.fromkeys(COMPILED, 0.02)}
"""How often a mode is called beside the others: some take long."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--examples", type=int, default=200_000)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    modes = given.modes.split(",")
    if given.child:
        run(modes[0], given.examples, given.seed, given.child)
        return
    whole = sum(SHARES[mode] for mode in modes)
    sys.exit(
        sum([campaign(mode, round(given.examples * SHARES[mode] / whole), given.seed) for mode in modes]) > 0
    )


def campaign(mode: str, examples: int, start: int) -> int:
    """Run a mode's cases, print what they came to, and return how many kinds of fault there were."""
    said, faults = Counter(), {}
    for number, done in enumerate(range(0, examples, A_PROCESS)):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            count = str(min(A_PROCESS, examples - done))
            command = [sys.executable, __file__, "--modes", mode, "--examples", count, "--child", str(log)]
            ended = subprocess.run([*command, "--seed", str(start + number)], capture_output=True, text=True)
            _read(log, said, faults)
            if ended.returncode:
                last = Path(f"{log}.last").read_text() if Path(f"{log}.last").exists() else ""
                said["crash"] += 1
                faults[f"process ended with {ended.returncode}"] = 1, (0, last, ended.stderr.strip()[-300:])
    print(f"{mode:22}", ", ".join(f"{n:,} {what}" for what, n in sorted(said.items()) if "(" not in what))
    for what, n in said.most_common():
        if "(" in what:
            print(f"    {n:,} {what}")
    for kind, (count, (_, case, what)) in sorted(faults.items(), key=lambda fault: -fault[1][0]):
        print(f"    {count} x {kind}\n        {case}\n        {what}", flush=True)
    return len(faults)


def _read(log: Path, said: Counter, faults: dict) -> None:
    for line in log.read_text().splitlines() if log.exists() else ():
        verdict, size, case, what = line.split("\t")
        said[verdict] += 1
        if verdict in ("refused", "beyond torch"):
            said[f"{verdict} ({re.sub(r'[0-9]+', '#', what)[:70]})"] += 1
        if verdict == "wrong":
            kind = case.split("'")[1] + ": " + re.sub(r"[0-9][0-9.e+-]*", "#", what)[:80]
            count, least = faults.get(kind, (0, (int(size), case, what)))
            faults[kind] = count + 1, min(least, (int(size), case, what))


def run(mode: str, examples: int, start: int, log: Path) -> None:
    """Some cases of a mode; each one's verdict is a line of the log."""
    largest = 70 if mode in QUICK else 9

    with log.open("w", buffering=1) as lines, Path(f"{log}.last").open("w") as last:

        @seed(f"{mode} {start}")
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(cases(mode, largest))
        def each(case: Case) -> None:
            last.seek(0)
            last.truncate()
            last.write(repr(case))
            last.flush()
            verdict, what = judge(case, MODES[mode])
            said = " ".join(what.split())[:300]
            lines.write(f"{verdict}\t{case.size}\t{case!r}\t{said}\n")

        each()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
