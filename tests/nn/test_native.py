"""The native kernels beyond what test_kernels.py holds every kernel to: threads, memory, packed weights."""

from __future__ import annotations

import gc
import os
import threading
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elman import cells
from elman.core.errors import DataError
from elman.nn import kernels
from elman.nn.kernels import base, native
from elman.nn.kernels.base import ScanJob, Weights
from elman.nn.kernels.native import packed_weights

pytestmark = pytest.mark.skipif(native.available() is None, reason="the native kernels were not built")

GATES = {"lstm": 4, "gru": 3, "rnn": 1, "rnn_relu": 1}
INSTRUCTION_SETS = ("base", "avx2", "avx512")


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def tensors(cell, steps, batch, features, hidden, dtype=torch.float32, seed=0):
    """x, w_ih, w_hh, b_ih, b_hh and the states."""
    draw = torch.Generator().manual_seed(seed)
    states = 2 if cell == "lstm" else 1
    wide = GATES[cell] * hidden
    shapes = [(steps, batch, features), (wide, features), (wide, hidden), (wide,), (wide,)]
    shapes += [(batch, hidden)] * states
    drawn = [torch.randn(shape, generator=draw, dtype=torch.float64).mul_(0.5) for shape in shapes]
    drawn[2] *= hidden**-0.5  # a larger one makes chaos of rounding
    return [t.to(dtype) for t in drawn]


CELLS = {name: cells.get(name) for name in GATES}


def run(kernel, cell, given, lengths=None, reverse=False, mask=None, reset=None):
    """y and the last states."""
    x, *weights = given[:5]
    job = ScanJob(x, tuple(given[5:]), Weights(*weights), lengths, reverse, mask, reset)
    (y,), last = kernels.scan(CELLS[cell], job, kernel)
    return [y, *last]


def with_gradients(kernel, cell, given, wanted=None, **around):
    """What `run` gives, and the gradients of the tensors that are wanted."""
    given = [t.detach().requires_grad_(wanted is None or i in wanted) for i, t in enumerate(given)]
    out = run(kernel, cell, given, **around)
    draw = torch.Generator().manual_seed(1)
    loss = sum((o * torch.randn(o.shape, generator=draw, dtype=torch.float64).to(o.dtype)).sum() for o in out)
    into = [t for t in given if t.requires_grad]
    if not loss.requires_grad:  # no step, and no gradient of the states wanted
        return [*out, *map(torch.zeros_like, into)]
    return [*out, *torch.autograd.grad(loss, into, materialize_grads=True, allow_unused=True)]


def assert_near(found, wanted, tolerance):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        scale = max(1.0, b.abs().max().item()) if b.numel() else 1.0
        torch.testing.assert_close(a.double(), b.double(), rtol=0, atol=tolerance * scale)


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request):
    before = native.available()
    try:
        native.use(request.param)
    except ValueError:
        pytest.skip(f"no {request.param} here")
    yield request.param
    native.use(before)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_random_shapes_are_the_loop_in_float64(data):
    cell = data.draw(st.sampled_from(sorted(GATES)))
    steps, batch = data.draw(st.integers(0, 12)), data.draw(st.integers(1, 21))
    features, hidden = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 70))
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    wanted = data.draw(st.sets(st.integers(0, 6 if cell == "lstm" else 5)))
    around = {"reverse": data.draw(st.booleans())}
    if data.draw(st.booleans()):
        drawn = data.draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch))
        around["lengths"] = torch.tensor(drawn)
    if data.draw(st.booleans()):
        around["reset"] = torch.rand(steps, batch) < 0.3
    mask = (torch.rand(batch, hidden) < 0.7) / 0.7 if data.draw(st.booleans()) else None
    torch.set_num_threads(data.draw(st.integers(1, 3)))
    given_ = tensors(cell, steps, batch, features, hidden, dtype)
    if data.draw(st.booleans()):
        given_[0] = given_[0].transpose(0, 1).contiguous().transpose(0, 1)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    found = with_gradients(
        "native", cell, given_, wanted, mask=None if mask is None else mask.to(dtype), **around
    )
    exact = [t.double() for t in given_]
    truth = with_gradients(
        "loop", cell, exact, wanted, mask=None if mask is None else mask.double(), **around
    )
    assert_near(found, truth, tolerance)


@pytest.mark.parametrize("cell", sorted(GATES))
def test_each_instruction_set_is_the_loop(cell, instruction_set):
    assert native.available() == instruction_set
    for steps, batch, features, hidden in ((5, 1, 3, 37), (7, 17, 33, 64), (3, 9, 20, 130)):
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
            given_ = tensors(cell, steps, batch, features, hidden, dtype)
            truth = with_gradients("loop", cell, [t.double() for t in given_])
            assert_near(with_gradients("native", cell, given_), truth, tolerance)


@pytest.mark.parametrize("cell", sorted(GATES))
@pytest.mark.parametrize("shape", [(9, 1, 8, 96), (6, 24, 40, 64), (4, 6, 16, 300)])
def test_threads_change_no_bit(cell, shape, threads):
    given_ = tensors(cell, *shape)
    results = []
    for number in (1, 2, 3, 2):
        threads(number)
        results.append(with_gradients("native", cell, given_))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize(("cell", "value"), list(product(sorted(GATES), [float("nan"), float("inf")])))
def test_nan_and_infinity_come_out_as_from_the_loop(cell, value):
    for where in (0, 5):
        given_ = tensors(cell, 4, 3, 5, 20)
        given_[where][..., 1, 2] = value
        for a, b in zip(run("native", cell, given_), run("loop", cell, given_), strict=True):
            assert torch.equal(a.isnan(), b.isnan())
            torch.testing.assert_close(a, b, equal_nan=True, rtol=0, atol=1e-5)


def test_large_inputs_saturate_as_in_the_loop():
    given_ = tensors("lstm", 3, 2, 4, 16)
    given_[0] *= 1e4
    assert_near(run("native", "lstm", given_), run("loop", "lstm", given_), 1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.mul_(2),
        lambda w: w.data.mul_(2),
        lambda w: w.numpy().__imul__(2),
        lambda w: w.data[3].fill_(7),
    ],
    ids=["in place", "through data", "through NumPy", "one row through data"],
)
def test_changed_weights_are_laid_out_anew(change):
    given_ = tensors("gru", 9, 2, 5, 16)
    before = run("native", "gru", given_)[0]
    change(given_[2])
    after = run("native", "gru", given_)[0]
    assert not torch.equal(before, after)
    assert_near([after], [run("loop", "gru", given_)[0]], 1e-5)


def test_packed_weights_are_kept_once_and_go_with_the_weights():
    gc.collect()
    there = packed_weights.count()
    given_ = tensors("gru", 9, 2, 5, 16)
    for _ in range(3):
        run("native", "gru", given_)
    assert packed_weights.count() == there + 1
    del given_
    gc.collect()
    assert packed_weights.count() == there


def test_inference_tensors():
    with torch.inference_mode():
        given_ = tensors("lstm", 4, 2, 3, 8)
        found = run("native", "lstm", given_)
        given_[2].zero_()
        changed = run("native", "lstm", given_)
        assert_near(found, run("loop", "lstm", tensors("lstm", 4, 2, 3, 8)), 1e-5)
        assert_near(changed, run("loop", "lstm", given_), 1e-5)


@pytest.mark.parametrize("lengths", [None, torch.tensor([5, 0, 3])])
def test_backward_twice(lengths):
    given_ = [t.requires_grad_() for t in tensors("lstm", 5, 3, 4, 20)]
    y = run("native", "lstm", given_, lengths)[0].square().sum()
    first = torch.autograd.grad(y, given_, retain_graph=True)
    second = torch.autograd.grad(y, given_, retain_graph=True)
    torch.autograd.grad(y, given_)
    with pytest.raises(RuntimeError, match="a second time"):
        torch.autograd.grad(y, given_)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_an_input_changed_before_backward_is_an_error():
    given_ = [t.requires_grad_() for t in tensors("gru", 5, 3, 4, 20)]
    y = run("native", "gru", given_)[0]
    with torch.no_grad():
        given_[2].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("cell", sorted(GATES))
def test_gradients_of_gradients(cell):
    given_ = [t.requires_grad_() for t in tensors(cell, 3, 2, 2, 3, torch.float64)]
    assert torch.autograd.gradgradcheck(lambda *ts: run("native", cell, ts)[0], given_)


def test_it_runs_in_the_loop_under_functional_transforms():
    x, *others = tensors("gru", 4, 3, 5, 8)
    together = run("native", "gru", [x, *others])[0]
    one_by_one = torch.func.vmap(
        lambda x, h: run("native", "gru", [x[:, None], *others[:4], h[None]])[0][:, 0],
        in_dims=(1, 0),
        out_dims=1,
    )(x, others[4])
    assert_near([one_by_one], [together], 1e-5)


@pytest.mark.parametrize("around", [{}, {"lengths": torch.tensor([5, 0, 3])}], ids=["dense", "ragged"])
def test_compiled_it_is_one_operation_with_a_gradient(around):
    given_ = tensors("lstm", 5, 3, 4, 20)
    alone = with_gradients("native", "lstm", given_, **around)
    leaves = [t.clone().requires_grad_() for t in given_]
    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    out = compiled("native", "lstm", leaves, **around)
    draw = torch.Generator().manual_seed(1)
    loss = sum((o * torch.randn(o.shape, generator=draw, dtype=torch.float64).float()).sum() for o in out)
    assert_near([*out, *torch.autograd.grad(loss, leaves)], alone, 1e-6)


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        _, *weights, self.h = tensors("gru", 1, 3, 4, 20)
        self.weights = torch.nn.ParameterList(weights)

    def forward(self, x):
        return run(None, "gru", [x, *self.weights, self.h])[0]


def test_exported_with_any_number_of_steps():
    steps = torch.export.Dim("steps", min=2, max=1000)
    layer = Layer()
    exported = torch.export.export(layer, (torch.randn(5, 3, 4),), dynamic_shapes=({0: steps},))
    called = [str(node.target) for node in exported.graph.nodes if node.op == "call_function"]
    assert "elman.scan.default" in called
    x = torch.randn(11, 3, 4)
    assert_near([exported.module()(x)], [layer(x)], 1e-6)


@pytest.mark.parametrize(
    ("place", "wrong", "message"),
    [
        (
            1,
            torch.zeros(24, 5),
            r"w_ih: expected \[24, 4\] torch.float32 on cpu, got \[24, 5\] torch.float32",
        ),
        (2, torch.zeros(23, 8), r"w_hh: expected \[24, 8\]"),
        (3, torch.zeros(8), r"b_ih: expected \[24\]"),
        (4, torch.zeros(24, dtype=torch.float64), r"b_hh: .* got \[24\] torch.float64"),
        (5, torch.zeros(2, 8), r"the state: expected \[3, 8\] torch.float32 on cpu, got \[2, 8\]"),
        (0, torch.zeros(5, 4), r"x: expected \[T, B, F\], got shape \[5, 4\]"),
        (1, torch.zeros(24, 4, device="meta"), r"w_ih: .* on meta"),
    ],
)
def test_wrong_tensors_are_refused_before_they_are_read(place, wrong, message):
    given_ = tensors("gru", 5, 3, 4, 8)
    given_[place] = wrong
    with pytest.raises(DataError, match=message):
        native.Native(kernels.get("loop")).run(
            cells.get("gru"), ScanJob(given_[0], (given_[5],), Weights(*given_[1:5]))
        )


@pytest.mark.parametrize(
    ("around", "message"),
    [
        ({"lengths": torch.tensor([5, 6, 1])}, r"lengths: expected each from 0 to T = 5, got \[5, 6, 1\]"),
        ({"lengths": torch.tensor([5, -1, 1])}, r"each from 0"),
        ({"lengths": torch.tensor([5, 1])}, r"lengths: expected \[3\] torch.int64 on cpu, got \[2\]"),
        ({"lengths": torch.tensor([5, 1, 1], dtype=torch.int32)}, r"got \[3\] torch.int32"),
        ({"reset": torch.zeros(5, 2, dtype=torch.bool)}, r"reset: expected \[5, 3\] torch.bool"),
        ({"mask": torch.ones(3, 7)}, r"the mask: expected \[3, 8\]"),
    ],
)
def test_wrong_surroundings_are_refused_before_they_are_read(around, message):
    with pytest.raises(DataError, match=message):
        run("native", "gru", tensors("gru", 5, 3, 4, 8), **around)


def test_many_threads_of_python_at_once():
    given_ = tensors("lstm", 40, 2, 16, 64)
    alone = with_gradients("native", "lstm", given_)
    wrong = []

    def work():
        for _ in range(20):
            found = with_gradients("native", "lstm", given_)
            if not all(torch.equal(a, b) for a, b in zip(alone, found, strict=True)):
                wrong.append(found)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_runs_without_its_parents_threads(threads):
    threads(2)
    given_ = tensors("lstm", 50, 16, 64, 64)
    expected = run("native", "lstm", given_)[0]
    child = os.fork()
    if child == 0:
        # Compared in NumPy: torch itself would wait for the threads that the child does not have.
        same = (run("native", "lstm", given_)[0].numpy() == expected.numpy()).all()
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_it_says_what_it_refuses():
    kernel = kernels.get("native")
    case = base.KernelRequest(cell="lstm")
    assert kernel.refuses(case) is None
    for change, why in (
        (
            {"cell": "mine", "unlisted": "it has no torch.cumsum"},
            "its list of operations cannot say 'mine': it has no torch.cumsum",
        ),
        ({"device": "cuda"}, "it runs on the CPU, not on 'cuda'"),
        ({"dtype": torch.bfloat16}, "it computes in float32 and float64, not in torch.bfloat16"),
    ):
        assert kernel.refuses(case._replace(**change)) == why
    for kind in ("ragged", "normed", "masked", "projected", "reset", "zoned", "every"):
        assert kernel.refuses(case._replace(**{kind: True})) is None
