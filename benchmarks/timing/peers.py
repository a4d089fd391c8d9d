"""One layer in a library beside torch, timed in a process of its own: a pool that spins slows what runs next.

    python -m timing.peers onnxruntime|jax CELL FILE THREADS PLAN

FILE (.npz) has x [T, B, I], dy [T, B, H], y [T, B, H] and torch's four weights; `measure` reads what the
process prints: for each pass the seconds of a call, and the largest difference of y from the given one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from timing.clock import Plan, take_turns

NAMES = {"onnxruntime": "ONNX Runtime", "jax": "JAX lax.scan"}
_FOLDER = Path(__file__).parents[1]


class Measured(NamedTuple):
    """Of one process: pass -> seconds of a call; y's difference; how busy others were, in CPUs."""

    seconds: dict[str, float]
    difference: float
    foreign: float | None


def installed(python: str) -> list[str]:
    """Which of the peers that Python has."""
    found = []
    for name, needs in (("onnxruntime", "onnx, onnxruntime"), ("jax", "jax")):
        if not subprocess.run([python, "-c", f"import {needs}"], capture_output=True).returncode:
            found.append(name)
    return found


def measure(python: str, peer: str, cell: str, layer: Path, threads: int, plan: Plan) -> Measured:
    """Time a peer in a new process, on that many threads."""
    command = [python, "-m", "timing.peers", peer, cell, str(layer), str(threads), json.dumps(plan)]
    done = subprocess.run(command, cwd=_FOLDER, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(*json.loads(done.stdout.splitlines()[-1]))


def _onnxruntime(cell: str, layer: dict[str, np.ndarray], threads: int) -> dict[str, Callable[[], Any]]:
    """One node with its weights as constants: packed once, when the session begins."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    order = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}[cell]  # torch's gates in ONNX's order

    def gates(name: str) -> np.ndarray:
        return np.concatenate([np.split(layer[name], len(order))[gate] for gate in order])[None]

    bias = np.concatenate([gates("bias_ih_l0"), gates("bias_hh_l0")], 1)
    constants = {"W": gates("weight_ih_l0"), "R": gates("weight_hh_l0"), "B": bias}
    more = {"linear_before_reset": 1} if cell == "GRU" else {}
    node = helper.make_node(cell, ["x", *constants], ["y"], hidden_size=layer["dy"].shape[2], **more)
    shapes = {name: list(layer[name].shape) for name in ("x", "y")}
    shapes["y"].insert(1, 1)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    fixed = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    model = helper.make_model(
        helper.make_graph([node], "layer", [x], [y], fixed), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    given = {"x": layer["x"]}
    return {"inference": lambda: session.run(None, given)[0][:, 0]}


def _jax(cell: str, layer: dict[str, np.ndarray], threads: int) -> dict[str, Callable[[], Any]]:
    """`lax.scan` of the formula, compiled; the input's product for all steps before it."""
    if hasattr(os, "sched_setaffinity"):  # its pool is as wide as the CPUs that it may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import jax

    step = _jax_step(cell)
    names = ("x", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    given = [jax.numpy.asarray(layer[name]) for name in names]
    dy = jax.numpy.asarray(layer["dy"])
    zero = jax.numpy.zeros(layer["dy"].shape[1:])

    def run(x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        def once(state: Any, wx: Any) -> Any:
            state = step(wx, state[0] @ w_hh.T + b_hh, state)
            return state, state[0]

        return jax.lax.scan(once, (zero, zero), x @ w_ih.T + b_ih)[1]

    def gradients(dy: Any, *given: Any) -> Any:
        y, back = jax.vjp(run, *given)
        return y, back(dy)

    forward, both = jax.jit(run), jax.jit(gradients)
    return {
        "inference": lambda: jax.block_until_ready(forward(*given)),
        "training": lambda: jax.block_until_ready(both(dy, *given)),
    }


def _jax_step(cell: str) -> Callable[[Any, Any, Any], Any]:
    """(wx, uh, state) -> state, each with its bias; the state is a pair, whatever the cell."""
    import jax
    from jax import numpy as jnp

    def lstm(wx: Any, uh: Any, state: Any) -> Any:
        i, f, g, o = jnp.split(wx + uh, 4, -1)
        c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    def gru(wx: Any, uh: Any, state: Any) -> Any:
        (r, z, n), (ur, uz, un) = jnp.split(wx, 3, -1), jnp.split(uh, 3, -1)
        z = jax.nn.sigmoid(z + uz)
        n = jnp.tanh(n + jax.nn.sigmoid(r + ur) * un)
        return n + z * (state[0] - n), state[1]

    def rnn(wx: Any, uh: Any, state: Any) -> Any:
        return jnp.tanh(wx + uh), state[1]

    return {"LSTM": lstm, "GRU": gru, "RNN": rnn}[cell]


def main() -> None:
    peer, cell, file, threads, plan = sys.argv[1:]
    with np.load(file) as stored:
        layer = dict(stored)
    passes = {"onnxruntime": _onnxruntime, "jax": _jax}[peer](cell, layer, int(threads))
    difference = float(np.abs(np.asarray(passes["inference"]()) - layer["y"]).max())
    block = take_turns(passes, Plan(*json.loads(plan)))
    print(json.dumps(Measured({name: block.median(name) for name in passes}, difference, block.foreign)))


if __name__ == "__main__":
    main()
