"""RNN, LSTM and GRU in place of torch.nn's: layers and directions, batch first or not, packed or not.

Constructor, parameters, representation and messages are torch's own: its classes with another `forward`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.core.errors import ConfigError, DataError
from elman.nn.cells import registry
from elman.nn.kernels.base import Weights, is_autocast
from elman.nn.kernels.native.plain import wants_names
from elman.nn.layer_stack import StackInput, StackOptions, scan_layers
from elman.nn.recurrent import check_reset, checked_lengths, shares
from elman.nn.stepping import LayerStackStepper, layer_stepper
from elman.nn.torch_compat.base import Foreign, tracer_of

_CELLS = {
    "RNN_TANH": registry.get("rnn"),
    "RNN_RELU": registry.get("rnn_relu"),
    "LSTM": registry.get("lstm"),
    "GRU": registry.get("gru"),
}
"""By what torch calls `mode`."""

Outputs: TypeAlias = tuple[tuple[Any, ...], tuple[Tensor, ...]]
"""Of all layers: the last one's states at all steps, each laid out as the input is, and S last states."""


class _LayerArguments(NamedTuple):
    """What all layers run over.

    Args:
        x: [T, B, F].
        state: S tensors [L * D, B, H]; None: zero.
        lengths: [B], or None.
        reset: [T, B], or None.
        every: give every state of the last layer at all steps, not the hidden one alone.
    """

    x: Tensor
    state: tuple[Tensor, ...] | None
    lengths: Tensor | None
    reset: Tensor | None
    every: bool


class Layers(Foreign, nn.RNNBase):
    """What RNN, LSTM and GRU have in common: torch's layer of that name on Elman's kernels, and more.

    Args:
        *args, **kwargs: torch's, whichever its version takes.
        variational: draw a mask of `dropout` once for all steps, not at each (Gal and Ghahramani 2016).
        recurrent_dropout: the share of the hidden state dropped on its way into the recurrent product, one
            mask for all steps (Gal and Ghahramani 2016).
        zoneout: the share of each state that keeps its last value, drawn at each step (Krueger et al. 2017).
        layer_norm: normalise both products inside the cell (Ba et al. 2016), each with a gain, which is a
            parameter: `gain_ih_l0`, `gain_hh_l0`, ...

    Raises:
        ConfigError: a share is out of bounds.
        TypeError, ValueError: what torch finds wrong, in its words.
    """

    # Values of the class, so that a module of torch's whose class is set to ours works as it is.
    variational: bool = False
    recurrent_dropout: float = 0.0
    zoneout: float = 0.0
    layer_norm: bool = False

    def __init__(
        self,
        *args: Any,
        variational: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        layer_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        shares(recurrent_dropout=recurrent_dropout, zoneout=zoneout)
        super().__init__(*args, **kwargs)
        self.variational, self.layer_norm = variational, layer_norm
        self.recurrent_dropout, self.zoneout = recurrent_dropout, zoneout
        if layer_norm:
            self._add_gains()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, as torch does; gains are 1."""
        super().reset_parameters()
        for name, parameter in self.named_parameters():
            if name.startswith("gain"):
                nn.init.ones_(parameter)

    def extra_repr(self) -> str:
        """What `print` tells of it: torch's words, and what is set beyond torch."""
        beyond = ("variational", "recurrent_dropout", "zoneout", "layer_norm")
        ours = (f"{name}={value}" for name in beyond if (value := getattr(self, name)))
        return ", ".join((super().extra_repr(), *ours))

    def forward(
        self,
        input: Any,  # noqa: A002, torch's name
        hx: Any = None,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
    ) -> tuple[Any, Any]:
        """Run all layers over time.

        Args:
            input: [T, B, F], with batch_first [B, T, F]; one sequence [T, F]; or a PackedSequence.
            hx: the state before the first step, [L * D, B, H], for one sequence [L * D, H]; an LSTM's two of
                these, the first of width proj_size where that is set. None: zero.
            lengths: [B] int64, each from 0 to T: how much of each sequence there is. What stands beyond
                changes nothing, and the output is zero there. None: all of it.
            reset: bool, [T, B], with batch_first [B, T], for one sequence [T]: where true, an episode begins:
                the state that enters this step is zero.

        Returns:
            The last layer's hidden states, laid out as the input is, the directions side by side; and the
            state after the last step, as `hx` is.

        Raises:
            ValueError, RuntimeError: input or hx does not fit, in torch's words.
            DataError: lengths or reset does not fit, or stands beside a PackedSequence.
        """
        if type(input) is not Tensor and (tracer := tracer_of(input, hx)):
            return self.noted(tracer, (input,), {"hx": hx, "lengths": lengths, "reset": reset})
        if (lengths is None and reset is None and self._is_torchs_case(input)) or not self._fits(input, hx):
            return self._as_torch(input, hx)
        (y, *_), last = self._run(input, hx, lengths, reset, every=False)
        return y, last if len(last) > 1 else last[0]

    def stepper(self, hx: Any = None, batch: int = 1) -> LayerStackStepper:
        """Make ready to run all layers a step at a call, as a stream comes in: without gradients or dropout.

        Args:
            hx: the state to start from, [L, B, H], an LSTM's two of these; None: zero.
            batch: B, where hx is None.

        Returns:
            Called with x [B, F], it gives the last layer's hidden state [B, H], and keeps the state.

        Raises:
            ConfigError: the layers are bidirectional, for the backward one would wait for the end.
            DataError: the state does not fit.
        """
        if self.bidirectional:
            where = f"stepper of {type(self).__name__}"
            raise ConfigError(where, "bidirectional=True", remedy="run the layer on whole sequences")
        weight = self._weight("weight_ih_l0")
        if hx is not None and not self._state_fits(hx, weight, self._state_of(hx)[0].shape[1]):
            got = ", ".join(str(list(s.shape)) for s in self._state_of(hx))
            raise DataError("hx", got, expected="[L, B, H]; for an LSTM, two of these")
        x = weight.new_empty(0, batch if hx is None else self._state_of(hx)[0].shape[1], 0)
        states = self._states(
            _LayerArguments(x, None if hx is None else self._state_of(hx), None, None, False)
        )
        cell = _CELLS[self.mode]
        return LayerStackStepper(
            [
                layer_stepper(cell, self._weights(layer), state, zoneout=self.zoneout)
                for layer, state in enumerate(states)
            ]
        )

    def _add_gains(self) -> None:
        """The parameters of layer normalisation, named as those of `Recurrent`."""
        for names in self._all_weights:
            w_ih = getattr(self, names[0])
            for name in names[:2]:
                gain = nn.Parameter(w_ih.new_ones(len(w_ih)))
                self.register_parameter(name.replace("weight", "gain"), gain)

    def _is_torchs_case(self, given: Any) -> bool:
        """Where torch's one call for all layers is better: in cuDNN, and where its name is looked for."""
        x, packed = _data(given), isinstance(given, PackedSequence)
        whole = packed and torch.compiler.is_compiling()  # a graph does not know how long sequences are
        if x.is_cpu and not whole and not wants_names(x, self._weight("weight_ih_l0")):
            return False
        return not (self.recurrent_dropout or self.zoneout or self.layer_norm or self.variational)

    def _as_torch(self, given: Any, hx: Any) -> tuple[Any, Any]:
        """torch's own call, which says what is wrong where something is."""
        if isinstance(given, PackedSequence) and hx is not None:
            self.check_forward_args(given.data, hx, given.batch_sizes)  # LSTM leaves it out, and crashes
        return super().forward(given, hx)

    def _fits(self, given: Any, hx: Any) -> bool:
        """Whether input and state are what torch takes; where not, torch itself says why."""
        x, weight, packed = _data(given), self._weight("weight_ih_l0"), isinstance(given, PackedSequence)
        shape = x.shape
        if not 2 <= len(shape) <= 3 - packed or shape[-1] != self.input_size or x.device != weight.device:
            return False
        if x.dtype != weight.dtype and not _is_cast(x):
            return False
        if hx is None:
            return True
        if packed:
            return self._state_fits(hx, x, int(given.batch_sizes[0]))
        if len(shape) == 2:
            return self._state_fits(hx, x)
        return self._state_fits(hx, x, shape[0] if self.batch_first else shape[1])

    def _state_fits(self, hx: Any, x: Tensor, *batch: int) -> bool:
        """Whether the state is [L * D, B, H], or without a batch [L * D, H]."""
        state = self._state_of(hx)
        if len(state) != _CELLS[self.mode].states:
            return False
        h, c, runs = state[0], state[-1], self.num_layers * (1 + self.bidirectional)
        if h.shape != (runs, *batch, self.proj_size or self.hidden_size):
            return False
        if not h.dtype == c.dtype == x.dtype and not _is_cast(x):
            _refuse_dtypes(state, x)  # torch reads a packed sequence's state as if it were of x's dtype
        return c.shape == (runs, *batch, self.hidden_size)

    def _state_of(self, hx: Any) -> tuple[Tensor, ...]:
        """S tensors; torch has an LSTM's user give a pair, and the others' a tensor."""
        return tuple(hx) if self.mode == "LSTM" else (hx,)

    def _run(self, given: Any, hx: Any, lengths: Tensor | None, reset: Tensor | None, every: bool) -> Outputs:
        """Run all layers over input that fits, in whichever layout it is."""
        state = None if hx is None else self._state_of(hx)
        if isinstance(given, PackedSequence):
            _check_alone(lengths, reset)
            if torch.jit.is_tracing():
                remedy = "trace it with padded sequences and lengths"
                raise ConfigError("torch.jit.trace", "a PackedSequence beyond torch's layer", remedy=remedy)
            return self._run_packed(given, state, every)
        if reset is not None:
            check_reset(reset, given)
        call = _LayerArguments(given, state, lengths, reset, every)
        if given.dim() == 2:
            return self._run_one(call)
        return self._run_batch_first(call) if self.batch_first else self._run_layers(call)

    def _run_one(self, call: _LayerArguments) -> Outputs:
        """One sequence without a batch: x [T, F], reset [T], state [L * D, H]."""
        state = None if call.state is None else tuple(s.unsqueeze(1) for s in call.state)
        reset = None if call.reset is None else call.reset.unsqueeze(1)
        ys, last = self._run_layers(call._replace(x=call.x.unsqueeze(1), state=state, reset=reset))
        return tuple(y.squeeze(1) for y in ys), tuple(s.squeeze(1) for s in last)

    def _run_batch_first(self, call: _LayerArguments) -> Outputs:
        """Sequences with time second: x [B, T, F], reset [B, T]."""
        reset = None if call.reset is None else call.reset.transpose(0, 1)
        ys, last = self._run_layers(call._replace(x=call.x.transpose(0, 1), reset=reset))
        return tuple(y.transpose(0, 1) for y in ys), last

    def _run_packed(self, packed: PackedSequence, state: tuple[Tensor, ...] | None, every: bool) -> Outputs:
        """Sequences as packed, the longest first; the state that comes and goes is in the caller's order."""
        data, _, order, back = packed
        packing = _Packing(packed)
        if state is not None and order is not None:
            state = tuple(s.index_select(1, order) for s in state)
        ys, last = self._run_layers(_LayerArguments(packing.pad(data), state, packing.lengths, None, every))
        if back is not None:
            last = tuple(s.index_select(1, back) for s in last)
        return tuple(packed._replace(data=packing.pack(y)) for y in ys), last

    def _run_layers(self, call: _LayerArguments) -> Outputs:
        """Layer after layer over x [T, B, F]."""
        if call.lengths is not None:
            steps, batch, _ = call.x.shape
            where = f"input of {type(self).__name__}"
            call = call._replace(lengths=checked_lengths(call.lengths, steps, batch, where, least=0))
        options = StackOptions(
            self.num_layers,
            1 + self.bidirectional,
            "concat",
            self.dropout,
            self.variational,
            self.recurrent_dropout,
            self.zoneout,
            training=self.training,
        )
        given = StackInput(call.x, self._states(call), call.lengths, call.reset, call.every)
        ys, last = scan_layers(_CELLS[self.mode], self._weights, options, given)
        return ys, tuple(_stacked(s) for s in zip(*last, strict=True))

    def _states(self, call: _LayerArguments) -> list[tuple[Tensor, ...]]:
        """The state to start from for each layer and direction: S tensors [B, H]."""
        runs = self.num_layers * (1 + self.bidirectional)
        if call.state is None:
            batch, cell = call.x.shape[1], _CELLS[self.mode]
            wide = call.x.new_zeros(batch, self.hidden_size)
            first = call.x.new_zeros(batch, self.proj_size) if self.proj_size else wide
            return [(first, wide)[: cell.states]] * runs
        if runs == 1:
            return [tuple([s.squeeze(0) for s in call.state])]
        return list(zip(*[s.unbind() for s in call.state], strict=True))

    def _weights(self, run: int) -> Weights:
        """The weights of a layer in a direction; run = layer * D + direction."""
        names = self._all_weights[run]
        weight, nothing = self._weight, (None, None)
        b_ih, b_hh = map(weight, names[2:4]) if self.bias else nothing
        gains = [name.replace("weight", "gain") for name in names[:2]] if self.layer_norm else ()
        gain_ih, gain_hh = map(weight, gains) if gains else nothing
        w_hr = weight(names[-1]) if self.proj_size else None
        return Weights(weight(names[0]), weight(names[1]), b_ih, b_hh, gain_ih, gain_hh, w_hr)

    def _weight(self, name: str) -> Tensor:
        """A parameter by its name; weight normalisation and its like keep it elsewhere."""
        weight = self._parameters.get(name)  # many times as fast as getattr
        return getattr(self, name) if weight is None else weight


class RNN(Layers, nn.RNN):
    """torch.nn.RNN, with its constructor, call and parameters, on Elman's kernels; and what `Layers` adds."""


class GRU(Layers, nn.GRU):
    """torch.nn.GRU, with its constructor, call and parameters, on Elman's kernels; and what `Layers` adds."""


class LSTM(Layers, nn.LSTM):
    """torch.nn.LSTM, with its constructor, call and parameters, on Elman's kernels; and what `Layers` adds.

    `states` gives the cell states at all steps too.
    """

    def states(
        self,
        input: Any,  # noqa: A002, torch's name
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
    ) -> tuple[tuple[Any, Any], tuple[Tensor, Tensor]]:
        """Run all layers as a call does, and give the last layer's cell states at all steps too.

        Args:
            input, hx, lengths, reset: as a call takes them.

        Returns:
            (h, c), (h_n, c_n): hidden and cell states of the last layer at all steps, each laid out as the
            input is, the directions side by side; and the state after the last step.

        Raises:
            As a call does.
        """
        if not self._fits(input, hx):
            self._as_torch(input, hx)
        (h, c), (h_n, c_n) = self._run(input, hx, lengths, reset, every=True)
        return (h, c), (h_n, c_n)


class _Packing:
    """Where the steps of packed sequences lie in padded ones, without a copy where all are of one length."""

    def __init__(self, packed: PackedSequence) -> None:
        sizes = packed.batch_sizes
        self.steps, self.batch = len(sizes), int(sizes[0])
        self.lengths, self.places = None, None
        if int(sizes[-1]) != self.batch:
            live = torch.arange(self.batch) < sizes[:, None]
            self.lengths = live.sum(0)
            self.places = live.flatten().nonzero().squeeze(1).to(packed.data.device)

    def pad(self, data: Tensor) -> Tensor:
        """[N, F], N steps of all sequences together -> [T, B, F]."""
        if self.places is not None:
            data = data.new_zeros(self.steps * self.batch, data.shape[1]).index_copy(0, self.places, data)
        return data.unflatten(0, (self.steps, self.batch))

    def pack(self, y: Tensor) -> Tensor:
        """[T, B, H] -> [N, H]."""
        flat = y.flatten(0, 1)
        return flat if self.places is None else flat.index_select(0, self.places)


def _data(given: Any) -> Tensor:
    """The numbers of the input, packed or not."""
    return given.data if isinstance(given, PackedSequence) else given


def _is_cast(x: Tensor) -> bool:
    """Whether autocast makes tensors of different dtypes alike."""
    return is_autocast(x.device.type)


def _stacked(runs: tuple[Tensor, ...]) -> Tensor:
    """One state of all layers and directions, [L * D, B, H]."""
    return runs[0].unsqueeze(0) if len(runs) == 1 else torch.stack(runs)


def _refuse_dtypes(state: tuple[Tensor, ...], x: Tensor) -> NoReturn:
    got = ", ".join(str(s.dtype) for s in state)
    raise DataError("hx", got, expected=f"{x.dtype}, as the input is", remedy="convert it with .to(...)")


def _check_alone(lengths: Tensor | None, reset: Tensor | None) -> None:
    for name, given in (("lengths", lengths), ("reset", reset)):
        if given is not None:
            raise DataError(name, "a PackedSequence beside it", remedy="give padded sequences and lengths")
