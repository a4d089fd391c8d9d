"""Our cells compute what torchrecurrent's do with the same weights, where both have the same formula."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import cell_peers

sys.path.pop(0)


@pytest.mark.parametrize("name", cell_peers.PEERS)
def test_as_torchrecurrent(name):
    pytest.importorskip("torchrecurrent", reason="torchrecurrent is not installed")
    assert cell_peers.difference(name) < cell_peers.TOLERANCE
