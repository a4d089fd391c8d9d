"""Under whatever looks on, tracers, transforms, modes, subclasses, ours give what torch's own give."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils._per_sample_grad import call_for_per_sample_grads
from torch.nn.utils.rnn import pack_padded_sequence
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

import elman
from elman import nn as ours
from elman.core.errors import ConfigError, DataError
from elman.core.records import Seq
from elman.nn.recurrent import Recurrent

LAYERS, CELLS = ("RNN", "LSTM", "GRU"), ("RNNCell", "LSTMCell", "GRUCell")
ALL = (*LAYERS, *CELLS)
T, B, F, H = 6, 5, 3, 4

pytestmark = [
    pytest.mark.usefixtures("plain"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]


def some(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def pair(name: str) -> tuple[nn.Module, nn.Module]:
    theirs, mine = (getattr(kind, name)(F, H, dtype=torch.float64) for kind in (nn, ours))
    mine.load_state_dict(theirs.state_dict())
    return theirs, mine


def given(name: str) -> Tensor:
    return some(B, F) if name in CELLS else some(T, B, F)


def state(name: str) -> Any:
    shape = (B, H) if name in CELLS else (1, B, H)
    return (some(*shape), some(*shape)) if "LSTM" in name else some(*shape)


def flat(found: Any) -> list[Tensor]:
    if isinstance(found, Tensor):
        return [found]
    return [t for each in (found.values() if isinstance(found, dict) else found) for t in flat(each)]


def same(got: Any, want: Any, **close: float) -> None:
    torch.testing.assert_close(flat(got), flat(want), **({"rtol": 1e-9, "atol": 1e-11} | close))


def first(found: Any) -> Tensor:
    return flat(found)[0]


def decoded(module: nn.Module, name: str, x: Tensor, w: Tensor) -> Tensor:
    """What goes in depends on what came out: a state made from the input, and given twice."""
    if name in CELLS:
        h = (x, x) if "LSTM" in name else x
        for _ in range(3):
            h = module(first(h) @ w, h)
        return first(h)
    xs = torch.stack([x @ w, x[:, :F]] * 2)
    return first(module(xs, (x[None], x[None]) if name == "LSTM" else x[None]))


@pytest.mark.parametrize("name", ALL)
def test_gradients_of_gradients_where_one_argument_depends_on_another(name):
    x, w, found = some(B, H) / 2, some(H, F) / 2, []
    for module in pair(name):
        leaves = [x.clone().requires_grad_(), w.clone().requires_grad_(), *module.parameters()]
        y = decoded(module, name, *leaves[:2])
        grads = torch.autograd.grad(y.square().sum(), leaves, create_graph=True)
        again = torch.autograd.grad(sum(g.square().sum() for g in grads), leaves, create_graph=True)
        third = torch.autograd.grad(sum(g.square().sum() for g in again), leaves)
        found.append((grads, again, third))
    for mine, theirs in zip(*reversed(found), strict=True):
        same(mine, theirs)


@pytest.mark.parametrize("name", ALL)
def test_first_gradients_do_not_depend_on_create_graph(name):
    _, module = pair(name)
    leaves = [some(B, H).requires_grad_(), some(H, F).requires_grad_(), *module.parameters()]
    found = [
        torch.autograd.grad(decoded(module, name, *leaves[:2]).sum(), leaves, create_graph=again)
        for again in (False, True)
    ]
    same(*found)


@pytest.mark.parametrize("name", ALL)
def test_a_parameter_as_input_differentiates_twice(name):
    x, found = given(name), []
    for module in pair(name):
        leaves = [nn.Parameter(x), *module.parameters()]
        grads = torch.autograd.grad(first(module(leaves[0])).square().sum(), leaves, create_graph=True)
        found.append(torch.autograd.grad(sum(g.square().sum() for g in grads), leaves))
    same(*found)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("name", ALL)
def test_a_trace_computes(name, grad):
    theirs, mine = pair(name)
    with torch.set_grad_enabled(grad):
        traced = torch.jit.trace(mine, (given(name), state(name)))
        x, h = given(name), state(name)
        same(traced(x, h), theirs(x, h))


class Called(nn.Module):
    """A layer called by keyword, and Recurrent, whose input is no tensor, as a trace wants them."""

    def __init__(self, inner: nn.Module, keyword: str | None) -> None:
        super().__init__()
        self.inner, self.keyword = inner, keyword

    def forward(self, x: Tensor, more: Tensor | None = None) -> Any:
        if self.keyword:
            return self.inner(x, **{self.keyword: more})
        out, last = self.inner(Seq(x, more))
        return out.data, last


@pytest.mark.parametrize("keyword", ["lengths", "reset"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_trace_with_lengths_or_resets(name, keyword):
    module = Called(pair(name)[1], keyword)
    whole = {"lengths": torch.full((B,), T), "reset": torch.zeros(T, B, dtype=torch.bool)}[keyword]
    other = {"lengths": torch.tensor([3, 6, 1, 2, 4]), "reset": torch.rand(T, B) < 0.5}[keyword]
    traced, x = torch.jit.trace(module, (given(name), whole)), given(name)
    same(traced(x, other), module(x, other))


@pytest.mark.parametrize("lengths", [None, torch.tensor([3, 6, 1, 2, 4])])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "gru_reset_before"])
def test_a_trace_of_recurrent(cell, lengths):
    module = Called(Recurrent(cell, F, H, layers=2).double(), None)
    more = () if lengths is None else (torch.full((B,), T),)
    traced, x = torch.jit.trace(module, (some(T, B, F), *more)), some(T, B, F)
    lengths = () if lengths is None else (lengths,)
    same(traced(x, *lengths), module(x, *lengths))


def test_a_trace_of_one_step_is_not_of_the_first_step_alone():
    module = Called(Recurrent("gru", F, H).double(), None)
    traced, x = torch.jit.trace(module, (some(1, B, F),)), some(T, B, F)
    same(traced(x), module(x))


@pytest.mark.parametrize("pre_dispatch", [False, True])
@pytest.mark.parametrize("mode", ["real", "fake", "symbolic"])
@pytest.mark.parametrize("name", ALL)
def test_make_fx(name, mode, pre_dispatch):
    theirs, mine = pair(name)

    def run(module: nn.Module) -> Callable[..., Any]:
        return lambda x, own: torch.func.functional_call(module, own, (x,))

    own = {key: p.detach() for key, p in mine.named_parameters()}
    graph = make_fx(run(mine), tracing_mode=mode, pre_dispatch=pre_dispatch)(given(name), own)
    x, other = given(name), {key: torch.randn_like(p) for key, p in own.items()}
    same(graph(x, other), run(theirs)(x, other))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_make_fx_of_recurrent_and_its_gradient(cell):
    network = Recurrent(cell, F, H).double()

    def run(x: Tensor) -> Any:
        x = x.detach().requires_grad_()
        out, _ = network(Seq(x))
        return torch.autograd.grad(out.data.square().sum(), x)

    x = some(T, B, F)
    same(make_fx(run)(some(T, B, F))(x), run(x))
    same(make_fx(run, tracing_mode="symbolic", _allow_non_fake_inputs=True)(some(T, B, F))(x), run(x))


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("name", ALL)
def test_forward_mode(name, grad):
    x, found = given(name), []
    tangents = {key: torch.randn_like(p) for key, p in pair(name)[0].named_parameters()}
    along = torch.randn_like(x)
    for module in reversed(pair(name)):
        with torch.set_grad_enabled(grad), forward_ad.dual_level():
            own = {key: forward_ad.make_dual(p, tangents[key]) for key, p in module.named_parameters()}
            out = torch.func.functional_call(module, own, (forward_ad.make_dual(x, along),))
            found.append([tuple(forward_ad.unpack_dual(t)) for t in flat(out)])
    same(*found)


@pytest.mark.parametrize("name", ALL)
def test_func(name):
    """Over weights with a parameter as the input, which is no part of the transform."""
    theirs, mine = pair(name)
    x, own = nn.Parameter(given(name)), {key: p.detach() for key, p in mine.named_parameters()}
    along = {key: torch.randn_like(p) for key, p in own.items()}
    found = []
    for module in (mine, theirs):

        def run(own: Any, x: Any = x, module: nn.Module = module) -> Tensor:
            return first(torch.func.functional_call(module, own, (x,))).sin()

        found.append(
            (
                torch.func.jvp(run, (own,), (along,)),
                torch.func.grad(lambda own: run(own).sum())(own),
                torch.func.jacrev(lambda own: run(own).sum(0))(own),
                torch.func.jacfwd(lambda x: run(own, x).sum(0))(x.detach()),
                torch.func.hessian(lambda x: run(own, x).sum())(x.detach()),
            )
        )
    same(*found)
    xs = torch.stack([x.detach(), -x.detach()])
    same(torch.func.vmap(lambda x: first(mine(x)))(xs), torch.stack([first(mine(x)) for x in xs]))


@pytest.mark.parametrize("name", ["GRU", "LSTMCell"])
def test_compiled_forward_mode(name):
    theirs, mine = pair(name)
    x, along = given(name), given(name)

    def run(module: nn.Module) -> Callable[..., Any]:
        return lambda x, along: torch.func.jvp(lambda x: first(module(x)), (x,), (along,))

    with torch._dynamo.config.patch(allow_rnn=True):
        same(torch.compile(run(mine), backend="aot_eager")(x, along), run(theirs)(x, along))


@pytest.mark.parametrize("name", ALL)
def test_batched_gradients(name):
    _, mine = pair(name)
    leaves = [given(name).requires_grad_(), *mine.parameters()]
    y = first(mine(leaves[0]))
    grads = some(3, *y.shape)
    one_by_one = [torch.autograd.grad(y, leaves, grad, retain_graph=True) for grad in grads]
    batched = torch.autograd.grad(y, leaves, grads, is_grads_batched=True, retain_graph=True)
    same(batched, [torch.stack(each) for each in zip(*one_by_one, strict=True)])
    jacobian = torch.autograd.functional.jacobian
    for options in ({}, {"strategy": "forward-mode"}):
        same(
            jacobian(lambda x: first(mine(x)), leaves[0], vectorize=True, **options),
            jacobian(lambda x: first(mine(x)), leaves[0]),
        )


NEGATED = {"zero": lambda t: torch._efficientzerotensor(t.shape, dtype=t.dtype), "negative": torch._neg_view}


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("where", ["x", "state", "weight_hh", "bias_hh"])
@pytest.mark.parametrize("kind", NEGATED)
@pytest.mark.parametrize("name", ALL)
def test_tensors_that_are_not_what_their_memory_says(name, kind, where, grad):
    theirs, mine = pair(name)
    x, h, own = given(name), state(name), {key: p.detach() for key, p in mine.named_parameters()}

    def run(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Any:
        changed = tuple(map(change, h)) if isinstance(h, tuple) else change(h)
        weights = {key: change(p) if key.startswith(where) else p for key, p in own.items()}
        given = change(x) if where == "x" else x, changed if where == "state" else h
        return torch.func.functional_call(module, weights, given)

    with torch.set_grad_enabled(grad):
        # torch's LSTM takes no zero tensor as a state; what it says is what a copy says.
        same(run(mine, NEGATED[kind]), run(theirs, lambda t: NEGATED[kind](t).clone()))


@pytest.mark.parametrize("where", ["x", "state", "weight_hh"])
@pytest.mark.parametrize("name", ALL)
def test_subclasses(name, where):
    two = pytest.importorskip("torch.testing._internal.two_tensor").TwoTensor
    _, mine = pair(name)
    x, h, own = given(name), state(name), {key: p.detach() for key, p in mine.named_parameters()}
    want = torch.func.functional_call(mine, own, (x, h))

    def doubled(t: Tensor) -> Tensor:
        return two(t, t.clone())

    x = doubled(x) if where == "x" else x
    if where == "state":
        h = tuple(map(doubled, h)) if isinstance(h, tuple) else doubled(h)
    own = {key: doubled(p) if key.startswith(where) else p for key, p in own.items()}
    for got, wanted in zip(flat(torch.func.functional_call(mine, own, (x, h))), flat(want), strict=True):
        same([got.a, got.b], [wanted, wanted])


class Functions(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen.add(getattr(func, "__name__", str(func)))
        return func(*args, **(kwargs or {}))


class Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ALL)
def test_modes_see_what_is_done(name):
    theirs, mine = pair(name)
    x = given(name)
    mode, functions = Operations(), Functions()
    mode.seen, functions.seen = set(), set()
    with mode:
        out = mine(x)
        first(out).sum().backward()
    first(theirs(x)).sum().backward()
    same(out, theirs(x))
    same([p.grad for p in mine.parameters()], [p.grad for p in theirs.parameters()])
    assert {"scan", "scan_backward"} <= mode.seen
    with functions:
        same(mine(x), theirs(x))
    kind = {"RNN": "rnn_tanh", "LSTM": "lstm", "GRU": "gru"}[name.removesuffix("Cell")]
    assert kind + "_cell" * (name in CELLS) in functions.seen


def test_where_tensors_lie_is_no_mode_to_mind(monkeypatch):
    mine, seen = pair("GRUCell")[1], []
    monkeypatch.setattr(nn.GRUCell, "forward", lambda *_: seen.append(True))
    with torch.device("cpu"):
        mine(given("GRUCell"))
    assert not seen


def test_flops_are_counted():
    with FlopCounterMode(display=False) as counter:
        ours.GRU(F, H)(torch.randn(T, B, F))[0].sum().backward()
    assert counter.get_total_flops() == 3 * 2 * T * B * 3 * H * (F + H)


@pytest.mark.parametrize("name", ALL)
def test_symbolic_trace_takes_them_whole(name):
    class Held(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor, h: Any) -> Any:
            return self.inner(2 * x, h)

    theirs, mine = pair(name)
    graph, x, h = torch.fx.symbolic_trace(Held(mine)), given(name), state(name)
    assert [node.target for node in graph.graph.nodes if node.op == "call_module"] == ["inner"]
    same(graph(x, h), theirs(2 * x, h))
    with pytest.raises(
        ConfigError, match=f"symbolic_trace: elman.nn.{name} alone; trace a module that holds"
    ):
        torch.fx.symbolic_trace(mine)


@pytest.mark.parametrize("name", LAYERS)
def test_a_packed_sequence_compiled(name):
    theirs, mine = pair(name)
    packed = pack_padded_sequence(given(name), torch.tensor([6, 5, 3, 3, 1]))
    with torch._dynamo.config.patch(allow_rnn=True):
        (y, last), (wanted, wanted_last) = torch.compile(mine, backend="aot_eager")(packed), theirs(packed)
    same((y.data, last), (wanted.data, wanted_last))


@pytest.mark.parametrize("name", LAYERS)
def test_expanded_weights(name):
    x, found = some(B, T, F), []
    for module in pair(name):
        module.batch_first = True
        first(call_for_per_sample_grads(module, batch_first=True)(x)).sum().backward()
        found.append([p.grad_sample for p in module.parameters()])
    same(*found)


@pytest.mark.parametrize("name", ALL)
def test_parameters_may_be_swapped(name):
    _, mine = pair(name)
    x = given(name)
    want = mine(x)
    first(want).sum().backward()
    mine.zero_grad()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        mine.float()
        mine.double()
        if name in CELLS:  # torch's own layers do not load so
            mine.load_state_dict({key: p.clone() for key, p in mine.state_dict().items()})
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
    same(mine(x), want, atol=1e-5)


def test_on_meta():
    for name in ALL:
        theirs, mine = (module.to("meta") for module in pair(name))
        x = given(name).to("meta")
        assert [t.shape for t in flat(mine(x))] == [t.shape for t in flat(theirs(x))]
    for cell in ("rnn", "lstm", "gru", "gru_reset_before"):
        out, _ = Recurrent(cell, F, H).to("meta")(Seq(torch.empty(T, B, F, device="meta")))
        assert out.data.shape == (T, B, H)
        assert out.data.is_meta


@pytest.mark.parametrize("name", CELLS)
def test_a_state_with_a_batch_beside_an_input_without(name):
    h = torch.randn(3, 3)
    with pytest.raises(DataError, match=r"hx: expected \[H\], as the input has no batch"):
        getattr(ours, name)(5, 3)(torch.randn(5), (h, h) if "LSTM" in name else h)


@pytest.mark.parametrize("name", ["LSTM", "GRUCell"])
def test_quantisation_says_what_it_leaves(name):
    model = nn.Sequential(getattr(ours, name)(F, H))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = torch.ao.quantization.quantize_dynamic(model, {getattr(nn, name)})
    assert type(found[0]) is getattr(ours, name)
    assert any(f"quantisation leaves elman.nn.{name} in floating point" in str(w.message) for w in told)
    prepared = nn.Sequential(getattr(nn, name)(F, H))
    prepared[0].qconfig = torch.ao.quantization.default_dynamic_qconfig
    (left,) = elman.accelerate(prepared).left
    assert left.reason == "prepared for quantisation, which goes by torch's own classes"


def in_a_trace(step: Any, x: Tensor) -> None:
    torch.jit.trace(lambda x: step(x), (x,))


def in_a_vmap(step: Any, x: Tensor) -> None:
    torch.func.vmap(step)(x[None])


def in_a_mode(step: Any, x: Tensor) -> None:
    with FlopCounterMode(display=False):
        step(x)


@pytest.mark.parametrize("watched", [in_a_trace, in_a_vmap, in_a_mode])
def test_steps_on_kept_memory_refuse_to_be_watched(watched):
    step, x = ours.GRU(F, H).stepper(batch=B), torch.randn(B, F)
    step(x)
    with pytest.raises(ConfigError, match="stepper: expected plain tensors, got a tracer"):
        watched(step, x)
