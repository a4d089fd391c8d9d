"""A layer's answer in parts beside that to the whole: sequence by sequence, and step by step."""

from __future__ import annotations

import torch

from elman.core.records import Seq
from elman.nn.recurrent import Recurrent


def assert_parts_are_the_whole(net: Recurrent, features: int) -> None:
    """A ragged batch is its sequences one by one; the steps of a stream are those of a whole sequence.

    Args:
        net: one layer in one direction, float64, without dropout.
        features: of its input.
    """
    x, lengths = torch.randn(7, 3, features).double(), torch.tensor([5, 2, 7])
    with torch.no_grad():
        y, last = net(Seq(x, lengths))
        for b, n in enumerate(lengths.tolist()):
            one, end = net(Seq(x[:n, b : b + 1]))
            torch.testing.assert_close(y.data[:n, b], one.data[:, 0])
            assert not y.data[n:, b].any()
            torch.testing.assert_close([s[:, b] for s in last], [e[:, 0] for e in end])
        whole, _ = net(Seq(x))
        (stepper,), (advance,) = net.layer_steppers(net.initial(3)), net.layer_advances()
        state = tuple(s[0] for s in net.initial(3))
        for t in range(7):
            torch.testing.assert_close(stepper(x[t]), whole.data[t])
            state = advance(x[t], state)
            torch.testing.assert_close(state[0], whole.data[t])
