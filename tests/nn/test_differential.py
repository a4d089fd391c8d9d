"""Our layers are torch's, to rounding, in some 2,000 random calls; or they refuse in one line.

`ELMAN_EXAMPLES` asks for that many calls altogether; `benchmarks/differential.py` runs 200,000.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from differential import Case, cases, judge
from differential_modes import COMPILED, MODES, QUICK, TRACED

EXAMPLES = int(os.environ.get("ELMAN_EXAMPLES", "2000"))
COUNTS = {
    mode: 100 if mode in QUICK else 10 if mode in TRACED else 1 if mode in COMPILED else 40 for mode in MODES
}
"""Of 2,000."""


def test_as_many_examples_as_there_should_be():
    assert 1900 <= sum(COUNTS.values()) <= 2100


@pytest.mark.parametrize("mode", MODES)
def test_as_torch(mode):
    @settings(
        max_examples=max(1, COUNTS[mode] * EXAMPLES // 2000),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # the smallest case takes minutes to find; the benchmark tells it
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(mode, 70 if mode in QUICK else 9))
    def run(case: Case) -> None:
        verdict, what = judge(case, MODES[mode])
        assert verdict != "wrong", f"{what}\n{case}"

    run()
