"""The ways in which a recurrent layer is called, each for torch's and ours alike: `Subject -> tensors`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
import torch.autograd.forward_ad as fwd
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing._internal.two_tensor import TwoTensor
from torch.utils.checkpoint import checkpoint

from differential import CELLS, Inputs, Mode, Subject, called, flat, inputs, loss


def _wanted(subject: Subject) -> list[Tensor]:
    """What a gradient is asked of."""
    leaves = [*subject.inputs.leaves, *subject.weights().values()]
    return [leaf for leaf in leaves if leaf.requires_grad]


def _gradients(subject: Subject, of: Tensor, **options: Any) -> list[Tensor]:
    wanted = _wanted(subject)
    found = [None] * len(wanted)
    if wanted and of.requires_grad:
        found = torch.autograd.grad(of, wanted, allow_unused=True, **options)
    return [torch.zeros_like(w) if g is None else g for g, w in zip(found, wanted, strict=True)]


def gradient(subject: Subject) -> list[Tensor]:
    outs = subject(*subject.inputs.leaves)
    return [*outs, *_gradients(subject, loss(subject.case, outs))]


def no_grad(subject: Subject) -> list[Tensor]:
    with torch.no_grad():
        return subject(*subject.inputs.leaves)


def inference(subject: Subject) -> list[Tensor]:
    with torch.inference_mode():
        x, *state = subject.inputs.leaves
        return subject(x.clone(), *state)


def create_graph(subject: Subject) -> list[Tensor]:
    """The first gradients while they can be differentiated, and the second ones."""
    outs = subject(*subject.inputs.leaves)
    first = _gradients(subject, loss(subject.case, outs), create_graph=True)
    live = [g for g in first if g.requires_grad]
    second = _gradients(subject, sum(g.square().sum() for g in live)) if live else []
    return [*outs, *first, *second]


def twice(subject: Subject) -> list[Tensor]:
    """Backward again through the same graph, of another loss."""
    outs = subject(*subject.inputs.leaves)
    first = _gradients(subject, loss(subject.case, outs), retain_graph=True)
    return [*first, *_gradients(subject, sum(o.square().sum() for o in outs))]


def batched(subject: Subject) -> list[Tensor]:
    """Three gradients at once, as jacobian(vectorize=True) and gradcheck ask for them."""
    y = subject(*subject.inputs.leaves)[0]
    wanted = _wanted(subject)
    if not wanted or not y.requires_grad:
        return []
    several = torch.stack([torch.full_like(y, k) * y.detach().cos() for k in (1.0, -2.0, 0.5)])
    found = torch.autograd.grad(y, wanted, several, is_grads_batched=True, allow_unused=True)
    return [g for g in found if g is not None]


def in_place(subject: Subject) -> list[Tensor]:
    """Outputs changed before backward."""
    y, *last = subject(*subject.inputs.leaves)
    y += 1
    y = torch.relu_(y)
    return [y, *_gradients(subject, loss(subject.case, [y, *last]))]


def data_in_place(subject: Subject) -> list[Tensor]:
    """Outputs changed behind autograd's back before backward."""
    y, *last = subject(*subject.inputs.leaves)
    if subject.case.kind not in CELLS:  # torch's own cells keep their output
        y.data[1:] = 0
    return [y, *_gradients(subject, loss(subject.case, [y, *last]))]


def edited(subject: Subject) -> list[Tensor]:
    """A weight changed through .data, and through NumPy, between calls."""
    with torch.no_grad():
        outs = subject(*subject.inputs.leaves)
        for weight in list(subject.weights().values()):
            if not weight.numel() or 0 in weight.stride():
                continue
            weight.data[..., -1] += 0.5
            outs = [*outs, *subject(*subject.inputs.leaves)]
            weight.detach().numpy()[..., 0] *= 0.5
            outs = [*outs, *subject(*subject.inputs.leaves)]
    return outs


def backward(subject: Subject) -> list[Tensor]:
    """What .backward() leaves in .grad, of two calls."""
    for _ in range(2):
        total = loss(subject.case, subject(*subject.inputs.leaves))
        if total.requires_grad:
            total.backward()
    return [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in _wanted(subject)]


def copied(subject: Subject) -> list[Tensor]:
    return gradient(subject._replace(module=copy.deepcopy(subject.module)))


def checkpointed(subject: Subject) -> list[Tensor]:
    """With the outputs thrown away, and computed again in backward."""
    outs = checkpoint(lambda *leaves: subject(*leaves), *subject.inputs.leaves, use_reentrant=False)
    return [*outs, *_gradients(subject, loss(subject.case, outs))]


def hooked(subject: Subject) -> list[Tensor]:
    """With what is saved for backward kept elsewhere, and hooks on the module."""
    seen = []
    handle = subject.module.register_forward_hook(lambda *_: seen.append(torch.ones(())))
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        outs = subject(*subject.inputs.leaves)
    handle.remove()
    return [*outs, *_gradients(subject, loss(subject.case, outs)), *seen]


def threads(subject: Subject) -> list[Tensor]:
    """Three threads with one module, each its own backward, and all of them the same numbers."""

    def work(_: int) -> list[Tensor]:
        outs = subject(*subject.inputs.leaves)
        return [*outs, *_gradients(subject, loss(subject.case, outs))]

    # Weights made from x are put into the module meanwhile, in torch's own way: a thread would see another's.
    with ThreadPoolExecutor(1 if subject.case.dependence == "weights of x" else 3) as pool:
        return [t for found in pool.map(work, range(3)) for t in found]


def autocast(subject: Subject) -> list[Tensor]:
    with torch.autocast("cpu", torch.bfloat16):
        outs = subject(*subject.inputs.leaves)
    return [out.float() for out in outs]


def _wrapped(subject: Subject, wrap: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """A call where x, the states or the weights are something else than plain tensors."""
    x, *state = _plain(subject)
    own, which = _own(subject), subject.case.seed % 4
    x = wrap(x) if which in (0, 3) else x
    state = [wrap(s) for s in state] if which in (1, 3) else state
    own = {name: wrap(w) for name, w in own.items()} if which in (2, 3) else own
    return _pure(subject, own, x, *state)


def two_tensors(subject: Subject) -> list[Tensor]:
    """With a subclass that computes everything twice; what it should give are two calls with plain tensors.

    (torch's own layers add in place to a plain tensor what comes of the other kind, and so add twice.)
    """
    if not is_ours(subject.module):
        one, two = _wrapped(subject, lambda t: t), _wrapped(subject, lambda t: 2 * t)
        return [each for pair in zip(one, two, strict=True) for each in pair]
    outs = _wrapped(subject, lambda t: TwoTensor(dense := t.new_empty(t.shape).copy_(t), 2 * dense))
    return [each for out in outs for each in ((out.a, out.b) if isinstance(out, TwoTensor) else (out, out))]


def is_ours(module: torch.nn.Module) -> bool:
    """Whether it is what is tested, not what it is held against."""
    return type(module).__module__.startswith("elman") and getattr(module, "kernel", None) != "loop"


def fake(subject: Subject) -> list[Tensor]:
    """With tensors that have a shape and no numbers."""
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        outs = _wrapped(subject, mode.from_tensor)
    return [torch.zeros(out.shape, dtype=out.dtype) for out in outs]


def _plain(subject: Subject) -> list[Tensor]:
    # A view's negative bit is lost on its tangent, in torch itself.
    return [leaf.detach().resolve_neg() for leaf in subject.inputs.leaves]


def vmap(subject: Subject) -> list[Tensor]:
    """Three x at once, with the same state and weights."""
    x, *state = _plain(subject)
    several = torch.stack([x, 2 * x, x + 1])
    return list(torch.func.vmap(lambda one: tuple(subject(one, *state)))(several))


def _pure(subject: Subject, weights: dict[str, Tensor], *leaves: Tensor) -> list[Tensor]:
    class Caller(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = subject.module

        def forward(self, *leaves: Tensor) -> list[Tensor]:
            return subject(*leaves)

    named = {f"module.{name}": weight for name, weight in weights.items()}
    return torch.func.functional_call(Caller(), named, leaves)


def _own(subject: Subject) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in subject.weights().items()}


def ensemble(subject: Subject) -> list[Tensor]:
    """Two modules' weights at once, on the same x."""
    stacked = {name: torch.stack([w, 0.5 * w]) for name, w in _own(subject).items()}
    leaves = _plain(subject)
    return list(torch.func.vmap(lambda weights: tuple(_pure(subject, weights, *leaves)))(stacked))


def per_sample(subject: Subject) -> list[Tensor]:
    """Gradients of the weights for each of two x."""
    x, *state = _plain(subject)

    def total(weights: dict[str, Tensor], one: Tensor) -> Tensor:
        return loss(subject.case, _pure(subject, weights, one, *state))

    found = torch.func.vmap(torch.func.grad(total), (None, 0))(_own(subject), torch.stack([x, x + 1]))
    return [found[name] for name in sorted(found)]


def func_grad(subject: Subject) -> list[Tensor]:
    return list(torch.func.grad(lambda leaves: loss(subject.case, subject(*leaves)))(tuple(_plain(subject))))


def hessian(subject: Subject) -> list[Tensor]:
    """Forward over backward: of the loss along a direction."""
    leaves = tuple(_plain(subject))
    first = torch.func.grad(lambda leaves: loss(subject.case, subject(*leaves)))
    found, along = torch.func.jvp(first, (leaves,), (tuple(leaf.cos() for leaf in leaves),))
    return [*found, *along]


def jvp(subject: Subject) -> list[Tensor]:
    """Forward mode over x and the states."""
    leaves = tuple(_plain(subject))
    outs, along = torch.func.jvp(
        lambda *given: tuple(subject(*given)), leaves, tuple(leaf.cos() for leaf in leaves)
    )
    return [*outs, *along]


def jvp_of_weights(subject: Subject) -> list[Tensor]:
    """Forward mode over the weights, with x as it is."""
    own = _own(subject)
    leaves = subject.inputs.leaves
    outs, along = torch.func.jvp(
        lambda weights: tuple(_pure(subject, weights, *leaves)),
        (own,),
        ({n: w.cos() for n, w in own.items()},),
    )
    return [*outs, *along]


def vjp(subject: Subject) -> list[Tensor]:
    outs, back = torch.func.vjp(lambda *given: tuple(subject(*given)), *_plain(subject))
    return [*outs, *back(tuple(o.cos() for o in outs))]


def jacobian(subject: Subject) -> list[Tensor]:
    x, *state = _plain(subject)
    return [
        torch.func.jacrev(lambda x: subject(x, *state)[-1])(x),
        torch.func.jacfwd(lambda x: subject(x, *state)[-1])(x),
    ]


def _dual(subject: Subject) -> list[Tensor]:
    with fwd.dual_level():
        duals = [fwd.make_dual(leaf.resolve_neg(), leaf.detach().cos()) for leaf in subject.inputs.leaves]
        pairs = [fwd.unpack_dual(out) for out in subject(*duals)]
        return [
            t
            for p in pairs
            for t in (p.primal, torch.zeros_like(p.primal) if p.tangent is None else p.tangent)
        ]


def forward_ad(subject: Subject) -> list[Tensor]:
    return _dual(subject)


def forward_ad_no_grad(subject: Subject) -> list[Tensor]:
    with torch.no_grad():
        return _dual(subject)


def forward_ad_of_weights(subject: Subject) -> list[Tensor]:
    with fwd.dual_level():
        duals = {name: fwd.make_dual(w, w.cos()) for name, w in _own(subject).items()}
        pairs = [fwd.unpack_dual(out) for out in _pure(subject, duals, *_plain(subject))]
        return [
            t
            for p in pairs
            for t in (p.primal, torch.zeros_like(p.primal) if p.tangent is None else p.tangent)
        ]


def _others(subject: Subject) -> list[Tensor]:
    return [leaf.detach() for leaf in inputs(subject.case, numbering=1).leaves]


def trace(subject: Subject) -> list[Tensor]:
    """A graph traced with these numbers, run on others."""

    class Caller(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = subject.module

        def forward(self, *leaves: Tensor) -> tuple[Tensor, ...]:
            given = Inputs(leaves[0], leaves[1:], subject.inputs.lengths)
            return tuple(called(self.module, subject.case, given))

    graph = torch.jit.trace(Caller(), tuple(_plain(subject)), check_trace=False)
    return list(graph(*_others(subject)))


def symbolic_trace(subject: Subject) -> list[Tensor]:
    """By torch.fx, of a module that holds this one."""
    graph = torch.fx.symbolic_trace(_Holder(subject.module))
    x, *state = subject.inputs.leaves
    if not state or subject.case.kind == "Recurrent":
        return subject(x, *state)
    outs = flat(graph(x, tuple(state) if len(state) > 1 else state[0]))
    return [*outs, *_gradients(subject, loss(subject.case, outs))]


class _Holder(torch.nn.Module):
    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, hx: Any) -> Any:
        return self.module(x, hx)


def _made(subject: Subject, kind: str) -> list[Tensor]:
    graph = make_fx(lambda *leaves: tuple(subject(*leaves)), tracing_mode=kind)(*_plain(subject))
    return list(graph(*_others(subject)))


def fx_real(subject: Subject) -> list[Tensor]:
    return _made(subject, "real")


def fx_symbolic(subject: Subject) -> list[Tensor]:
    with torch.no_grad():
        return _pure_graph(subject)


def _pure_graph(subject: Subject) -> list[Tensor]:
    own = _own(subject)
    graph = make_fx(
        lambda weights, *leaves: tuple(_pure(subject, weights, *leaves)), tracing_mode="symbolic"
    )(own, *_plain(subject))
    return list(graph(own, *_others(subject)))


def fx_gradient(subject: Subject) -> list[Tensor]:
    """A graph of the gradients, made and run."""

    def found(*leaves: Tensor) -> tuple[Tensor, ...]:
        return torch.func.grad(lambda leaves: loss(subject.case, subject(*leaves)))(leaves)

    graph = make_fx(found)(*_plain(subject))
    return list(graph(*_others(subject)))


def _compiled(subject: Subject) -> Any:
    torch._dynamo.reset()
    return torch.compile(lambda *leaves: tuple(subject(*leaves)), backend="aot_eager")


def compiled(subject: Subject) -> list[Tensor]:
    with torch._dynamo.config.patch(allow_rnn=True):
        outs = list(_compiled(subject)(*subject.inputs.leaves))
        return [*outs, *_gradients(subject, loss(subject.case, outs))]


def compiled_jvp(subject: Subject) -> list[Tensor]:
    torch._dynamo.reset()
    leaves = tuple(_plain(subject))
    along = tuple(leaf.cos() for leaf in leaves)
    run = torch.compile(
        lambda leaves, along: torch.func.jvp(lambda *given: tuple(subject(*given)), leaves, along),
        backend="aot_eager",
    )
    with torch._dynamo.config.patch(allow_rnn=True):
        outs, moved = run(leaves, along)
    return [*outs, *moved]


QUICK: dict[str, Mode] = {
    "gradient": gradient,
    "no_grad": no_grad,
    "inference": inference,
    "backward": backward,
    "twice": twice,
    "in_place": in_place,
    "data_in_place": data_in_place,
    "edited": edited,
    "copied": copied,
    "checkpointed": checkpointed,
    "hooked": hooked,
    "threads": threads,
    "autocast": autocast,
}
"""Those that a step of training is made of: sizes up to 70."""

TRANSFORMED: dict[str, Mode] = {
    "create_graph": create_graph,
    "batched": batched,
    "vmap": vmap,
    "ensemble": ensemble,
    "per_sample": per_sample,
    "func_grad": func_grad,
    "vjp": vjp,
    "jvp": jvp,
    "jvp_of_weights": jvp_of_weights,
    "jacobian": jacobian,
    "hessian": hessian,
    "forward_ad": forward_ad,
    "forward_ad_no_grad": forward_ad_no_grad,
    "forward_ad_of_weights": forward_ad_of_weights,
    "two_tensors": two_tensors,
    "fake": fake,
}

TRACED: dict[str, Mode] = {
    "trace": trace,
    "symbolic_trace": symbolic_trace,
    "fx_real": fx_real,
    "fx_symbolic": fx_symbolic,
    "fx_gradient": fx_gradient,
}

COMPILED: dict[str, Mode] = {"compiled": compiled, "compiled_jvp": compiled_jvp}

MODES = QUICK | TRANSFORMED | TRACED | COMPILED
