"""The ONNX package's node tests of RNN, LSTM and GRU, computed by our layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from elman import nn as ours
from elman.core.records import Seq
from elman.nn.recurrent import Recurrent

onnx = pytest.importorskip("onnx")
node_tests = pytest.importorskip("onnx.backend.test.case.node")
for op in ("gru", "lstm", "rnn"):  # each adds its cases to the table as it is imported
    pytest.importorskip(f"onnx.backend.test.case.node.{op}")

OUT_OF_SCOPE = {"test_lstm_with_peepholes": "gates of our LSTM do not see the cell state (Gers et al. 2000)"}
GATES = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}
"""Where torch's i f g o, and r z n, stand among ONNX's i o f c, and z r h."""
CASES = {case.name: case for case in node_tests._NodeTestCases if case.model.graph.node[0].op_type in GATES}


def gates_in_our_order(op: str, rows: Tensor) -> Tensor:
    """[G * H, ...] of one direction, gate by gate as torch has them."""
    parts = rows.chunk(len(GATES[op]))
    return torch.cat([parts[gate] for gate in GATES[op]])


def parameters(op: str, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """ONNX's W [D, G * H, F], R [D, G * H, H] and B [D, 2 * G * H], named as torch has them."""
    found = {}
    for direction, suffix in zip(range(len(given["W"])), ("_l0", "_l0_reverse"), strict=False):
        b_ih, b_hh = (
            given["B"][direction].chunk(2)
            if "B" in given
            else (given["W"].new_zeros(len(given["W"][0])),) * 2
        )
        whole = {
            "weight_ih": given["W"][direction],
            "weight_hh": given["R"][direction],
            "bias_ih": b_ih,
            "bias_hh": b_hh,
        }
        found |= {name + suffix: gates_in_our_order(op, rows) for name, rows in whole.items()}
    return found


def computed(case: Any) -> dict[str, Tensor]:
    """Y [T, D, B, H], Y_h and for an LSTM Y_c [D, B, H], by our layers."""
    node = case.model.graph.node[0]
    has = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    arrays = dict(zip(node.input, case.data_sets[0][0], strict=True))
    given = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    x = given["X"].transpose(0, 1) if has.get("layout") else given["X"]
    direction, own = has.get("direction", b"forward"), parameters(node.op_type, given)
    sizes, both = (x.shape[2], has["hidden_size"]), direction == b"bidirectional"
    x = x.flip(0) if direction == b"reverse" else x
    run = through_recurrent if node.op_type == "GRU" and not has.get("linear_before_reset") else through_nn
    y, last = run(node.op_type, sizes, both, own, x)
    y = y.flip(0) if direction == b"reverse" else y
    y = y.unflatten(2, (-1, sizes[1])).transpose(1, 2)
    named = dict(zip(("Y_h", "Y_c"), last, strict=False))
    if has.get("layout"):
        return {"Y": y.permute(2, 0, 1, 3)} | {name: s.transpose(0, 1) for name, s in named.items()}
    return {"Y": y} | named


def through_nn(op: str, sizes: tuple[int, int], both: bool, own: dict[str, Tensor], x: Tensor) -> Any:
    layer = getattr(ours, op)(*sizes, bidirectional=both)
    layer.load_state_dict(own)
    y, last = layer(x)
    return y, last if isinstance(last, tuple) else (last,)


def through_recurrent(op: str, sizes: tuple[int, int], both: bool, own: dict[str, Tensor], x: Tensor) -> Any:
    """ONNX's GRU resets before the product unless told otherwise; torch.nn has none that does."""
    network = Recurrent("gru_reset_before", *sizes, bidirectional=both)
    network.load_state_dict(own)
    out, last = network(Seq(x))
    return out.data, last


def test_the_cases_are_there():
    assert len(CASES) >= 18
    assert set(OUT_OF_SCOPE) <= set(CASES)


@pytest.mark.parametrize("name", [name for name in CASES if name not in OUT_OF_SCOPE])
def test_node(name):
    case = CASES[name]
    outputs = [output for output in case.model.graph.node[0].output if output]
    got, want = computed(case), case.data_sets[0][1]
    for output, array in zip(outputs, want, strict=True):
        torch.testing.assert_close(
            got[output].detach(), torch.from_numpy(np.array(array)), rtol=1e-3, atol=1e-7
        )
