"""Layers, directions, dropouts: the one place where cells meet kernels.

It knows nothing of tasks, symbols or training: a `Seq` and a state come in, a `Seq` and a state go out.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from elman.core.errors import ConfigError, DataError
from elman.core.records import Seq, State
from elman.nn.cells import registry
from elman.nn.cells.base import Cell
from elman.nn.kernels import dispatch
from elman.nn.kernels.base import LayerStepper, StepFn, Weights, is_autocast
from elman.nn.kernels.native import kernel
from elman.nn.layer_stack import StackInput, StackOptions, scan_layers
from elman.nn.stepping import layer_advance, layer_stepper

# As Weights orders them.
_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "gain_ih", "gain_hh", "weight_hr")
_IN = "input of Recurrent"
_SHOWN = ("projection", "zoneout")


class Recurrent(nn.Module):
    """A recurrent network: a cell over time, in layers and directions.

    For layer l and direction d, with x_0 the input:
        y_l^d, state_l^d = scan(cell, x_l, state_l^d)
        x_(l+1) = merge(y_l^1, y_l^2)      (+ x_l, where `residual` and l > 0)
    With `skip`, layer l > 0 sees [x_0; x_l], and the output is [x_1; ...; x_L].

    Parameters have the names and shapes of torch.nn (`weight_ih_l0`, `bias_hh_l1_reverse`, ...), so that the
    state_dict of a torch.nn.LSTM loads as it is.

    Args:
        cell: a cell, or its name in `elman.cells`.
        input_size: F.
        hidden_size: H.
        layers: L, one above the other.
        bidirectional: also run each layer from the end to the start.
        merge: the two directions side by side ("concat") or added ("sum").
        dropout: between layers, the share of features dropped.
        variational: draw a mask of `dropout` once for all steps, not at each (Gal and Ghahramani 2016).
        recurrent_dropout: the share of the hidden state dropped on its way into the recurrent product,
            one mask for all steps (Gal and Ghahramani 2016).
        weight_dropout: the share of recurrent weights dropped, drawn once a call (Merity et al. 2018).
        layer_norm: normalise both products inside the cell (Ba et al. 2016).
        residual: each layer beyond the first adds its input, as it was before dropout, to its output.
        skip: every layer sees the input too, and the output is that of all layers side by side (Graves 2013).
        learn_initial: the state to start from is learnt, not zero.
        bias: whether the cell has biases.
        init: "orthogonal" is the cell's own (`Cell.initialise`), "torch" is uniform within 1 / sqrt(H).
        init_gain: by what the recurrent matrices are multiplied at the start.
        memory: units start so as to remember for up to this many steps (`Cell.remember`); 0: as `init` has
            it.
        zoneout: the share of each state that keeps its last value, drawn at each step in training, its
            expectation otherwise (Krueger et al. 2017).
        projection: P, the width of the hidden state, h = W_hr h', below H; 0: it is not projected (Sak et al.
            2014). Read P for H in the shapes of outputs and of the first state.
        kernel: the name of the kernel to use; None: the fastest that serves.

    Raises:
        ConfigError: a setting is unknown or out of bounds.
    """

    weight_hh_l0: nn.Parameter
    initial_state: nn.Parameter | None

    def __init__(
        self,
        cell: Cell | str,
        input_size: int,
        hidden_size: int,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        merge: Literal["concat", "sum"] = "concat",
        dropout: float = 0.0,
        variational: bool = False,
        recurrent_dropout: float = 0.0,
        weight_dropout: float = 0.0,
        layer_norm: bool = False,
        residual: bool = False,
        skip: bool = False,
        learn_initial: bool = False,
        bias: bool = True,
        init: str = "orthogonal",
        init_gain: float = 1.0,
        memory: int = 0,
        zoneout: float = 0.0,
        projection: int = 0,
        kernel: str | None = None,
    ) -> None:
        super().__init__()
        _positive(input_size=input_size, hidden_size=hidden_size, layers=layers)
        shares(dropout=dropout, recurrent_dropout=recurrent_dropout, weight_dropout=weight_dropout)
        shares(zoneout=zoneout)
        self.cell = registry.get(cell) if isinstance(cell, str) else registry.checked(cell)
        self.input_size, self.hidden_size, self.layers = input_size, hidden_size, layers
        self.bidirectional, self.directions = bidirectional, 1 + bidirectional
        self.merge = _one_of("merge", merge, ("concat", "sum"))
        self.dropout, self.variational = dropout, variational
        self.recurrent_dropout, self.weight_dropout = recurrent_dropout, weight_dropout
        self.zoneout, self.projection = zoneout, _projection(self.cell, projection, hidden_size)
        self.layer_norm, self.residual, self.skip = layer_norm, residual, skip
        if residual and skip:
            raise ConfigError("residual", "skip beside it", expected="one of the two")
        self.init = _one_of("init", init, ("orthogonal", "torch"))
        if not init_gain > 0:
            raise ConfigError("init_gain", str(init_gain), expected="above 0")
        self.init_gain = init_gain
        self.memory = _memory(memory, bias)
        self.kernel = None if kernel is None else dispatch.get(kernel).name
        self._register(bias, learn_initial)
        self.reset_parameters()

    @property
    def output_size(self) -> int:
        """How many features a step of the output has."""
        return self._layer_size * (self.layers if self.skip else 1)

    @property
    def _layer_size(self) -> int:
        """How many features a step of one layer's output has."""
        return self.state_sizes[0] * (self.directions if self.merge == "concat" else 1)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """How many features each of the S tensors of the state has: H, of a projected hidden state P."""
        return self.projection or self.hidden_size, *(self.hidden_size,) * (self.cell.states - 1)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for run in range(self.layers * self.directions):
            weights = self._learnt(run)
            if self.init == "orthogonal":
                self.cell.initialise(*weights[:4])
            else:
                _uniform(weights[:4], 1 / math.sqrt(self.hidden_size))
            if weights.w_hr is not None and self.init == "orthogonal":
                nn.init.orthogonal_(weights.w_hr)
            elif weights.w_hr is not None:
                _uniform((weights.w_hr,), 1 / math.sqrt(self.hidden_size))
            self.cell.initialise_own(weights.own)
            weights.w_hh.mul_(self.init_gain)
            if self.memory and weights.b_ih is not None and weights.b_hh is not None:
                self.cell.remember(weights.b_ih, weights.b_hh, self.memory)
            for gain in (weights.gain_ih, weights.gain_hh):
                if gain is not None:
                    nn.init.ones_(gain)
        if self.initial_state is not None:
            nn.init.zeros_(self.initial_state)

    def initial(self, batch_size: int) -> State:
        """The state to start from: S tensors [L * D, B, H], zero or as learnt."""
        runs, sizes = self.layers * self.directions, self.state_sizes
        if self.initial_state is None:
            return tuple(self.weight_hh_l0.new_zeros(runs, batch_size, size) for size in sizes)
        learnt = [s[:, :size] for s, size in zip(self.initial_state, sizes, strict=True)]
        return tuple(s.unsqueeze(1).expand(-1, batch_size, -1) for s in learnt)

    def forward(
        self, seq: Seq, state: State | None = None, *, reset: Tensor | None = None
    ) -> tuple[Seq, State]:
        """Run the network over sequences.

        Args:
            seq: data [T, B, F]; lengths [B], or None. What stands beyond a length changes nothing.
            state: S tensors [L * D, B, H] to go on from; None: `initial`.
            reset: [T, B] bool: where true, an episode begins: the state that enters this step, in the
                direction of running, is zero. None: nowhere.

        Returns:
            The outputs [T, B, output_size], zero beyond a length, with the lengths of `seq`; and the state
            after each sequence's last step, S tensors [L * D, B, H].

        Raises:
            DataError: a shape or a length does not fit.
        """
        if reset is not None:
            check_reset(reset, seq.data)
        lengths = self._check_input(seq)
        state = self.initial(seq.data.shape[1]) if state is None else self._check_state(seq, state)
        states = [tuple([s[run] for s in state]) for run in range(self.layers * self.directions)]
        given = StackInput(seq.data, states, lengths, reset)
        (y,), last = scan_layers(self.cell, self._dropped, self._options(), given)
        return Seq(y, seq.lengths), tuple(torch.stack(s) for s in zip(*last, strict=True))

    def layer_steppers(self, state: State) -> list[LayerStepper]:
        """What runs each layer step after step from a state, without gradients or dropout.

        Raises:
            ConfigError: it is bidirectional, for the backward layers would wait for the end.
        """
        self._forwards()
        states = [tuple(s[layer] for s in state) for layer in range(self.layers)]
        return [
            layer_stepper(self.cell, self.weights(layer), start, zoneout=self.zoneout, kernel=self.kernel)
            for layer, start in enumerate(states)
        ]

    def layer_advances(self) -> list[StepFn]:
        """What runs one step of each layer, for any batch and from any state, without gradients or dropout.

        Raises:
            ConfigError: it is bidirectional.
        """
        self._forwards()
        return [
            layer_advance(self.cell, self.weights(layer), zoneout=self.zoneout, kernel=self.kernel)
            for layer in range(self.layers)
        ]

    def _forwards(self) -> None:
        if self.bidirectional:
            remedy = "run it on whole sequences"
            raise ConfigError("steps of Recurrent", "bidirectional=True", remedy=remedy)

    def weights(self, run: int) -> Weights:
        """The weights of a layer in a direction, as kernels take them; run = layer * D + direction."""
        weights = self._learnt(run)
        made, own = self.cell.recurrent(weights.w_hh), self.cell.entering(weights.own)
        same = made is weights.w_hh and own is weights.own
        return weights if same else weights._replace(w_hh=made).beside(own)

    def _learnt(self, run: int) -> Weights:
        suffix = self._suffix(run)
        own = tuple([getattr(self, one.name + suffix) for one in self.cell.learnt])
        return Weights(*[getattr(self, name + suffix) for name in _WEIGHTS]).beside(own)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        kernel.forget(*self.parameters(recurse=False))
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *given: Any, **named: Any) -> None:
        kernel.forget(*self.parameters(recurse=False))
        super()._load_from_state_dict(*given, **named)

    def extra_repr(self) -> str:
        """What `print` tells of it."""
        shape = f"{self.cell.name}, {self.input_size}, {self.hidden_size}, layers={self.layers}"
        shape += "".join(f", {name}={value}" for name in _SHOWN if (value := getattr(self, name)))
        return f"{shape}, bidirectional=True, merge={self.merge}" if self.bidirectional else shape

    def _options(self) -> StackOptions:
        return StackOptions(
            self.layers,
            self.directions,
            self.merge,
            self.dropout,
            self.variational,
            self.recurrent_dropout,
            self.zoneout,
            residual=self.residual,
            skip=self.skip,
            training=self.training,
            kernel=self.kernel,
        )

    def _dropped(self, run: int) -> Weights:
        """DropConnect on the recurrent matrix; to a kernel a dropped weight is a weight like any other."""
        weights = self.weights(run)
        if not (self.training and self.weight_dropout):
            return weights
        return weights._replace(w_hh=weights.w_hh * _mask(weights.w_hh, self.weight_dropout))

    def _suffix(self, run: int) -> str:
        layer, backward = divmod(run, self.directions)
        return f"_l{layer}_reverse" if backward else f"_l{layer}"

    def _register(self, bias: bool, learn_initial: bool) -> None:
        """Make the parameters, unfilled, in the order and with the names of torch.nn."""
        runs = self.layers * self.directions
        rows, recurrent = (gates * self.hidden_size for gates in self.cell.sizes[:2])
        for run in range(runs):
            above = self._layer_size + (self.input_size if self.skip else 0)
            features = self.input_size if run < self.directions else above
            shapes = [(rows, features), (recurrent, self.state_sizes[0])]
            shapes += [(wide,) if bias else None for wide in (rows, recurrent)]
            shapes += [(wide,) if self.layer_norm else None for wide in (rows, recurrent)]
            shapes += [(self.projection, self.hidden_size) if self.projection else None]
            for name, shape in zip(_WEIGHTS, shapes, strict=True):
                self.register_parameter(name + self._suffix(run), _parameter(shape))
            for own in self.cell.learnt:
                shape = () if own.scalar else (self.hidden_size,)
                self.register_parameter(own.name + self._suffix(run), _parameter(shape))
        initial = (self.cell.states, runs, self.hidden_size)
        self.register_parameter("initial_state", _parameter(initial if learn_initial else None))

    def _check_input(self, seq: Seq) -> Tensor | None:
        """The lengths on the CPU; None where all are T, for dense input is faster."""
        shape = seq.data.shape
        if len(shape) != 3 or shape[2] != self.input_size or not shape[0] or not shape[1]:
            raise DataError(
                _IN,
                f"{list(shape)}",
                expected=f"[T, B, {self.input_size}] with a step and a sequence at least",
                remedy="time comes first; give data of that shape or set input_size",
            )
        self._check_kind(seq.data)
        return None if seq.lengths is None else checked_lengths(seq.lengths, shape[0], shape[1], _IN)

    def _check_kind(self, x: Tensor) -> None:
        weight = self.weight_hh_l0
        if x.device != weight.device or (x.dtype != weight.dtype and not _cast(x)):
            raise DataError(
                _IN,
                f"{x.dtype} on {x.device}",
                expected=f"{weight.dtype} on {weight.device}, as the parameters are",
                remedy="embed symbols first; convert the data or the network with .to(...)",
            )

    def _check_state(self, seq: Seq, state: State) -> State:
        runs, batch = self.layers * self.directions, seq.data.shape[1]
        expected = [(runs, batch, size) for size in self.state_sizes]
        if [s.shape for s in state] != expected:
            shapes = " and ".join(str(list(shape)) for shape in dict.fromkeys(expected))
            raise DataError(
                "state of Recurrent",
                f"{len(state)} of shape {', '.join(str(list(s.shape)) for s in state)}",
                expected=f"{self.cell.states} of shape {shapes}, [L * D, B, H]",
                remedy="give the state that the last call returned, for the same sequences",
            )
        return state


def checked_lengths(lengths: Tensor, steps: int, batch: int, where: str, least: int = 1) -> Tensor | None:
    """The lengths of sequences, if they are what they should be.

    Args:
        lengths: [B] int64, on any device.
        steps: T, the most that a length may be.
        batch: B.
        where: whose lengths these are, for the error.
        least: the least that a length may be, 0 or 1.

    Returns:
        [B] on the CPU; None where all are T, for dense input is faster.

    Raises:
        DataError: they are of another shape or dtype, or one is out of bounds.
    """
    if lengths.dtype != torch.int64 or lengths.shape != (batch,):
        raise DataError(
            f"lengths of the {where}",
            f"{list(lengths.shape)} {lengths.dtype}",
            expected=f"[{batch}] torch.int64, one for each sequence",
        )
    if not batch:
        return None
    if torch.compiler.is_compiling() or lengths.is_meta:  # a graph that is made does not know the numbers
        return lengths
    lengths = lengths.cpu()  # DistributedDataParallel moves every tensor it is handed to the GPU
    shortest, longest = int(lengths.min()), int(lengths.max())
    if shortest < least or longest > steps:
        too_short = shortest < least
        without = "leave out empty sequences" if least else ""
        raise DataError(
            f"lengths of the {where}",
            f"{shortest if too_short else longest}",
            expected=f"each from {least} to T = {steps}",
            remedy=without if too_short else "pad the data to the longest sequence",
        )
    return None if shortest == steps and not torch.jit.is_tracing() else lengths


def check_reset(reset: Tensor, x: Tensor) -> None:
    """See that there is a bool for each step of x [..., F].

    Raises:
        DataError: the dtype or the shape is another.
    """
    if reset.dtype != torch.bool or reset.shape != x.shape[:-1]:
        raise DataError(
            "reset",
            f"{list(reset.shape)} {reset.dtype}",
            expected=f"{list(x.shape[:-1])} torch.bool, one for each step of the input",
        )


def shares(**shares: float) -> None:
    """Check settings that are shares, by their names.

    Raises:
        ConfigError: one is below 0, or 1 or more.
    """
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ConfigError(name, str(share), expected="from 0 to below 1")


def _mask(weight: Tensor, p: float) -> Tensor:
    """Zero with probability p, else 1 / (1 - p), in the weight's shape: what F.dropout multiplies by.

    A draw of 64 random bits decides on four elements, p rounded to 1 / 65536: on a CPU drawing is serial,
    and no other mask is as large as a matrix of weights.
    """
    cut = round(p * 65536)
    draws = torch.empty(-(-weight.numel() // 4), dtype=torch.int64, device=weight.device)
    bits = draws.random_(-(2**63), None).view(torch.int16)[: weight.numel()]
    return (bits.view(weight.shape) >= cut - 32768).to(weight.dtype).mul_(65536 / (65536 - cut))


def _cast(x: Tensor) -> bool:
    """Whether autocast makes x and the parameters alike."""
    return x.is_floating_point() and is_autocast(x.device.type)


def _parameter(shape: tuple[int, ...] | None) -> nn.Parameter | None:
    return None if shape is None else nn.Parameter(torch.empty(shape))


def _uniform(weights: tuple[Tensor | None, ...], bound: float) -> None:
    for weight in weights:
        if weight is not None:
            nn.init.uniform_(weight, -bound, bound)


def _positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(name, str(size), expected="1 or more")


def _projection(cell: Cell, size: int, hidden: int) -> int:
    """The width of the projected hidden state, if the cell can have one; 0: none."""
    if not 0 <= size < hidden:
        expected = f"from 1 to below hidden_size = {hidden}, or 0"
        raise ConfigError("projection", str(size), expected=expected)
    if size and not _projects(cell):
        expected = "one whose hidden state enters products only, such as lstm"
        raise ConfigError("projection", f"the cell {cell.name}", expected=expected)
    return size


def _projects(cell: Cell) -> bool:
    """Whether a cell makes a hidden state of width 3 from one of width 2: it enters products only."""
    (gates, recurrent, states), zeros = cell.sizes, torch.zeros
    own = tuple([zeros(() if one.scalar else 3) for one in cell.learnt])
    weights = Weights(zeros(3 * gates, 1), zeros(3 * recurrent, 2), w_hr=zeros(2, 3))
    weights = weights.beside(cell.entering(own))
    state = zeros(1, 2), *[zeros(1, 3)] * (states - 1)
    try:
        after = dispatch.get("loop").step(cell, zeros(1, 1), state, weights)
    except RuntimeError:
        return False
    return [s.shape for s in after] == [s.shape for s in state]


def _memory(steps: int, bias: bool) -> int:
    """Steps that units keep at first, if they can be had: at least 3, and biases to start so; or 0."""
    if steps and not bias:
        raise ConfigError("memory", "bias=False", expected="biases")
    if steps < 3 and steps != 0:
        raise ConfigError("memory", str(steps), expected="3 or more, or 0")
    return steps


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ConfigError(name, repr(value), expected=" or ".join(map(repr, known)))
    return value
