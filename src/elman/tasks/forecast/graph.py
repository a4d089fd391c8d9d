"""Networks that forecast: all steps at once in quantiles, or step by step by distributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from elman.core.records import Seq, State
from elman.exporters import layers
from elman.exporters.graph import (
    MOST,
    STATES,
    ExportedGraph,
    GraphValue,
    Named,
    NetworkGraphs,
    Sizes,
    StepGraph,
    TensorGraph,
    refused,
    states,
)
from elman.exporters.layers import INPUT
from elman.nn.distributions import (
    LEAST,
    LEAST_SHAPE,
    Distribution,
    Gaussian,
    NegativeBinomial,
    ScaledNegativeBinomial,
    StudentT,
)
from elman.tasks.forecast.networks import (
    Autoregressive,
    Densities,
    Direct,
    Quantiles,
    Scaling,
    WindowLayout,
    by_last,
    by_mean,
    by_size,
)

FORECAST = "forecast"
_CENTRE, _SCALE = "centre", "scale"


class _ForecastScaled(NamedTuple):
    """What makes windows alike, [B, 1]: (value - centre) / scale."""

    centre: GraphValue
    scale: GraphValue


@final
class DirectPiece(ExportedGraph):
    """Mean and quantiles [H, B, 1 + Q], in order and in the data's units, of a window."""

    whole = True

    def __init__(self, network: Direct) -> None:
        self._network = network

    def build(self, graph: StepGraph) -> None:
        network, layout = self._network, self._network.layout
        data = _window(graph, layout, layout.origin + layout.horizon)
        graph = _tensors(graph)
        scaling = _scaling(graph, network, data)
        past = graph.op("Slice", data, [0, 0], [layout.origin, 1], [0, 2])
        values = graph.op(
            "Squeeze", graph.op("Div", graph.op("Sub", past, scaling.centre), scaling.scale), [2]
        )
        with layers.over(graph, graph.op("Identity", [layout.context // network.patch]), graph.batch, None):
            y, _ = layers.fresh(graph, network.recurrent, self._patches(graph, data, values, scaling))
        hidden = GraphValue(graph.op("Gather", y, -1, axis=0).name, y.width, False)
        raw = self._raw(graph, data, values, hidden)
        mean = graph.op("Slice", raw, [0], [1], [2])
        count = len(network.levels)
        ordered, _ = graph.op(
            "TopK", graph.op("Slice", raw, [1], [MOST], [2]), [count], axis=2, largest=0, sorted=1, outputs=2
        )
        both = graph.op("Concat", mean, ordered, axis=2)
        found = graph.op("Add", scaling.centre, graph.op("Mul", scaling.scale, both))
        graph.give(FORECAST, found, torch.float32, [layout.horizon, "B", 1 + count])
        _give_scaling(graph, scaling)

    def _patches(
        self, graph: TensorGraph, data: GraphValue, values: GraphValue, scaling: _ForecastScaled
    ) -> GraphValue:
        """What the recurrent layers read: [C / patch, B, patch * F + 1]."""
        layout, patch = self._network.layout, self._network.patch
        inside = graph.op("Slice", values, [layout.before], [layout.origin], [0])
        others = graph.op("Slice", data, [layout.before, 1], [layout.origin, MOST], [0, 2])
        steps = graph.op("Concat", graph.op("Unsqueeze", inside, [2]), others, axis=2)
        shape = graph.op("Concat", [-1, patch], graph.batch, [layout.channels], axis=0)
        wide = graph.op("Transpose", graph.op("Reshape", steps, shape), perm=[0, 2, 1, 3])
        count = layout.context // patch
        flat = graph.op("Reshape", wide, graph.op("Concat", [count], graph.batch, [-1], axis=0))
        size = graph.op("Unsqueeze", graph.op("Log", graph.op("Div", scaling.scale, self._network.unit)), [0])
        size = graph.op("Expand", size, graph.op("Concat", [count], graph.batch, [1], axis=0))
        return GraphValue(graph.op("Concat", flat, size, axis=2).name, layout.channels * patch + 1)

    def _raw(
        self, graph: TensorGraph, data: GraphValue, values: GraphValue, hidden: GraphValue
    ) -> GraphValue:
        """Mean and quantiles in the window's scale."""
        network, layout = self._network, self._network.layout
        whole = layers.linear(graph, hidden, network.whole)
        raw = graph.op("Reshape", whole, [0, layout.horizon, 1 + len(network.levels)])
        raw = graph.op("Transpose", raw, perm=[1, 0, 2])
        inner = graph.op("Add", layers.linear(graph, hidden, network.common), network.place)
        if network.each is not None:
            inner = graph.op("Add", inner, self._ahead(graph, data, values))
        local = graph.linear(GraphValue(graph.op("Relu", inner).name, hidden.width), network.local.weight)
        raw = graph.op("Add", raw, local)
        if network.linear is not None:
            seen = graph.op("Slice", values, [layout.before], [layout.origin], [0])  # [C, B]
            line = graph.op("MatMul", network.linear.weight, seen)
            raw = graph.op("Add", raw, graph.op("Unsqueeze", line, [2]))
        return raw

    def _ahead(self, graph: TensorGraph, data: GraphValue, values: GraphValue) -> GraphValue:
        """D [known_j, z_(j-k) for all lags k] of each step of the horizon."""
        network, layout = self._network, self._network.layout
        assert network.each is not None
        parts = [graph.op("Slice", data, [layout.origin, 2], [MOST, 2 + layout.known], [0, 2])]
        for lag in layout.lags:
            places = layout.origin - lag + torch.arange(layout.horizon) % lag
            parts.append(graph.op("Unsqueeze", graph.op("Gather", values, places, axis=0), [2]))
        beside = GraphValue(graph.op("Concat", *parts, axis=2).name, network.each.in_features)
        return graph.linear(beside, network.each.weight)

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        """See `ExportedGraph`; a window is as long as it was learnt."""
        layout = self._network.layout
        return {INPUT: _window_example(layout, layout.horizon, sizes.batch, generator)}

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        found, _ = self._network(Seq(given[INPUT]))
        return {FORECAST: found.in_units(), _CENTRE: found.scaling.centre, _SCALE: found.scaling.scale}

    def as_scores(self, outputs: Named) -> Any:
        """See `ExportedGraph`; the quantiles are in order already."""
        scaling = Scaling(outputs[_CENTRE], outputs[_SCALE])
        raw = (outputs[FORECAST] - scaling.centre[:, None]) / scaling.scale[:, None]
        return Quantiles(raw, scaling, self._network.levels)

    def about(self) -> dict[str, Any]:
        levels = [round(level, 4) for level in self._network.levels.tolist()]
        return {"levels": levels, **_about(self._network)}


@final
class WindowPiece(ExportedGraph):
    """The distribution of the value at each step of context and horizon, those before it being known."""

    name = "window"
    whole = True

    def __init__(self, network: Autoregressive) -> None:
        self._network = network

    def build(self, graph: StepGraph) -> None:
        network, layout = self._network, self._network.layout
        data = _window(graph, layout, "T")
        graph = _tensors(graph)
        scaling = _scaling(graph, network, data)
        steps = graph.op("Sub", graph.steps, [layout.before])
        with layers.over(graph, steps, graph.batch, None):
            hidden, _ = layers.recurrent(graph, network.recurrent, self._inputs(graph, data, scaling))
            raw = layers.linear(graph, hidden, network.output)
            _give(graph, network.kind, raw, scaling)
        _give_scaling(graph, scaling)

    def _inputs(self, graph: TensorGraph, data: GraphValue, scaling: _ForecastScaled) -> GraphValue:
        layout = self._network.layout
        lags = (1, *layout.lags)
        series = graph.op("Slice", data, [0], [1], [2])
        scaled = graph.op("Div", graph.op("Sub", series, scaling.centre), scaling.scale)
        parts = [graph.op("Slice", scaled, [layout.before - lag], [_end(-lag)], [0]) for lag in lags]
        parts.append(graph.op("Slice", data, [layout.before - 1, 1], [-1, 2], [0, 2]))
        size = graph.op("Unsqueeze", graph.op("Log", graph.op("Div", scaling.scale, self._network.unit)), [0])
        parts.append(graph.op("Expand", size, graph.op("Concat", graph.steps, graph.batch, [1], axis=0)))
        known = 2 + layout.known
        parts.append(graph.op("Slice", data, [layout.before, 2], [MOST, known], [0, 2]))
        parts.append(graph.op("Slice", data, [layout.before - 1, known], [-1, MOST], [0, 2]))
        return GraphValue(graph.op("Concat", *parts, axis=2).name, self._network.recurrent.input_size)

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        """See `ExportedGraph`; of a window the horizon may have any number of steps."""
        return {INPUT: _window_example(self._network.layout, sizes.steps, sizes.batch, generator)}

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        found, state = self._network(Seq(given[INPUT]), states(given))
        assert isinstance(found, Densities)
        scaling = {_CENTRE: found.scaling.centre, _SCALE: found.scaling.scale}
        return {**_parameters(found.at(found.raw)), **scaling, **_named(state)}

    def about(self) -> dict[str, Any]:
        return {"distribution": self._network.kind.__name__, **_about(self._network)}


@final
class NextPiece(ExportedGraph):
    """The distribution of the next value in the window's scale, step by step."""

    name = "step"

    def __init__(self, network: Autoregressive) -> None:
        self._network = network

    def build(self, graph: StepGraph) -> None:
        network = self._network
        inputs = graph.features(INPUT, network.recurrent.input_size)
        hidden, _ = layers.recurrent(graph, network.recurrent, inputs)
        _give(graph, network.kind, layers.linear(graph, hidden, network.output), None)

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        return {INPUT: layers.numbers(sizes, self._network.recurrent.input_size, generator)}

    def reference(self, given: Named, lengths: Tensor | None) -> Named:
        network, seq = self._network, Seq(given[INPUT], lengths)
        hidden, state = network.recurrent(seq, states(given))
        one = torch.ones(seq.data.shape[1])
        found = Densities(network.output(hidden.data), Scaling(0 * one, one), network.kind)
        return {**_parameters(found.at(found.raw)), **_named(state)}

    def about(self) -> dict[str, Any]:
        """What the numbers of a step are, in order."""
        layout = self._network.layout
        lags = [f"value {lag} steps before, scaled" for lag in (1, *layout.lags)]
        known = [f"known {place}" for place in range(layout.known)]
        past = [f"past {place}, a step before" for place in range(layout.past)]
        features = [*lags, "observed a step before", f"ln(scale / {self._network.unit:g})", *known, *past]
        return {"distribution": self._network.kind.__name__, "features": features}


def _autoregressive(network: Autoregressive, streams: bool) -> list[ExportedGraph]:
    """The graphs of a network that forecasts step by step."""
    return [NextPiece(network)] if streams else [WindowPiece(network), NextPiece(network)]


def _end(place: int) -> int:
    return place if place else MOST


def _tensors(graph: StepGraph) -> TensorGraph:
    got, remedy = "a window", "train with forecast.model=autoregressive, or export the whole to ONNX"
    return layers.needs_tensors(graph, "the forecaster", got, remedy)


def _window(graph: StepGraph, layout: WindowLayout, steps: str | int) -> GraphValue:
    """The input [before + C + H, B, F]."""
    tensors = _tensors(graph)
    data = tensors.tensor(INPUT, torch.float32, [steps, "B", layout.channels])
    tensors.timed(data)
    tensors.lengths = None
    return data


def _about(network: Direct | Autoregressive) -> dict[str, Any]:
    """The steps of a window, and what is taken off its values, in float64, before they become float32."""
    layout = network.layout
    offset = {} if network.scale is by_size else {"offset": "last known value"}
    return {"before": layout.before, "context": layout.context, "horizon": layout.horizon, **offset}


def _window_example(layout: WindowLayout, horizon: int, batch: int, generator: torch.Generator) -> Tensor:
    shape = layout.origin + horizon, batch, layout.channels
    data = 3 + torch.randn(shape, generator=generator)
    data[:, :, 1] = (torch.rand(shape[:2], generator=generator) < 0.9).float()
    data[layout.origin - 1, :, 1] = 1
    return data


def _named(state: State) -> Named:
    return dict(zip(STATES, state, strict=False))


# Scales


def _scaling(graph: TensorGraph, network: Direct | Autoregressive, data: GraphValue) -> _ForecastScaled:
    """The scaling [B, 1] of each window from its context."""
    layout, scale = network.layout, _SCALES[network.scale]  # pyrefly: ignore[bad-index]
    inside = graph.op("Slice", data, [layout.before], [layout.origin], [0])
    values, seen = (graph.op("Slice", inside, [place], [place + 1], [2]) for place in (0, 1))
    return scale(graph, values, seen, network.unit)


def _give_scaling(graph: TensorGraph, scaling: _ForecastScaled) -> None:
    for name, value in zip((_CENTRE, _SCALE), scaling, strict=True):
        graph.give(name, graph.op("Squeeze", value, [1]), torch.float32, ["B"])


def _by_size(graph: TensorGraph, values: GraphValue, seen: GraphValue, unit: float) -> _ForecastScaled:
    size = graph.op("Div", _sum(graph, graph.op("Mul", graph.op("Abs", values), seen)), _count(graph, seen))
    scale = graph.op("Where", graph.op("Greater", size, 0.0), size, unit)
    return _ForecastScaled(graph.op("Mul", size, 0.0), scale)


def _by_mean(graph: TensorGraph, values: GraphValue, seen: GraphValue, unit: float) -> _ForecastScaled:
    count, last = _count(graph, seen), graph.op("Gather", values, -1, axis=0)
    off = graph.op("Mul", graph.op("Sub", values, last), seen)
    mean = graph.op("Div", _sum(graph, off), count)
    widest = graph.op("ReduceMax", graph.op("Abs", off), [0], keepdims=0)
    widest = graph.op("Where", graph.op("Greater", widest, 0.0), widest, 1.0)
    around = graph.op("Div", graph.op("Sub", off, graph.op("Mul", mean, seen)), widest)
    spread = graph.op("Sqrt", graph.op("Div", _sum(graph, graph.op("Mul", around, around)), count))
    spread = graph.op("Mul", widest, spread)
    scale = graph.op("Where", graph.op("Greater", spread, 0.0), spread, unit)
    return _ForecastScaled(graph.op("Add", last, mean), scale)


def _by_last(graph: TensorGraph, values: GraphValue, seen: GraphValue, unit: float) -> _ForecastScaled:
    return _ForecastScaled(graph.op("Gather", values, -1, axis=0), _by_mean(graph, values, seen, unit).scale)


_SCALES: dict[Any, Callable[[TensorGraph, GraphValue, GraphValue, float], _ForecastScaled]] = {
    by_size: _by_size,
    by_mean: _by_mean,
    by_last: _by_last,
}


def _sum(graph: TensorGraph, x: GraphValue) -> GraphValue:
    return graph.op("ReduceSum", x, [0], keepdims=0)


def _count(graph: TensorGraph, seen: GraphValue) -> GraphValue:
    return graph.op("Max", _sum(graph, seen), 1.0)


# Distributions


def _give(
    graph: StepGraph, kind: type[Distribution], raw: GraphValue, scaling: _ForecastScaled | None
) -> None:
    """The parameters of the distribution, each [T, B]; in the window's scale where no scaling is given."""
    if kind not in _KINDS:
        raise refused("the distribution", kind.__name__, remedy="put its description into _KINDS")
    for name, value in _KINDS[kind](graph, raw, scaling).items():
        graph.output(name, value)


def _positive(graph: StepGraph, raw: GraphValue, place: int) -> GraphValue:
    return graph.apply("Add", graph.apply("Softplus", graph.part(raw, place, place + 1)), LEAST)


def _moved(graph: StepGraph, raw: GraphValue, scaling: _ForecastScaled | None) -> GraphValue:
    mean = graph.part(raw, 0, 1)
    if scaling is None:
        return mean
    scale, centre = _beside(scaling.scale), _beside(scaling.centre)
    return graph.apply("Add", graph.apply("Mul", mean, scale), centre)


def _grown(
    graph: StepGraph, value: GraphValue, scaling: _ForecastScaled | None, how: str = "Mul"
) -> GraphValue:
    return value if scaling is None else graph.apply(how, value, _beside(scaling.scale))


def _beside(row: GraphValue) -> GraphValue:
    return GraphValue(row.name, 1, False)


def _gaussian(graph: StepGraph, raw: GraphValue, scaling: _ForecastScaled | None) -> dict[str, GraphValue]:
    std = _grown(graph, _positive(graph, raw, 1), scaling)
    return {"mean": _moved(graph, raw, scaling), "std": std}


def _student(graph: StepGraph, raw: GraphValue, scaling: _ForecastScaled | None) -> dict[str, GraphValue]:
    width = _grown(graph, _positive(graph, raw, 1), scaling)
    degrees = graph.apply("Add", _positive(graph, raw, 2), 2.0)
    return {"mean": _moved(graph, raw, scaling), "width": width, "degrees": degrees}


def _counts(graph: StepGraph, raw: GraphValue, scaling: _ForecastScaled | None) -> dict[str, GraphValue]:
    shape = graph.apply("Add", graph.apply("Softplus", graph.part(raw, 1, 2)), LEAST_SHAPE)
    return {"mean": _grown(graph, _positive(graph, raw, 0), scaling), "shape": shape}


def _scaled_counts(
    graph: StepGraph, raw: GraphValue, scaling: _ForecastScaled | None
) -> dict[str, GraphValue]:
    mean, shape = _grown(graph, _positive(graph, raw, 0), scaling), _positive(graph, raw, 1)
    if scaling is not None and isinstance(graph, TensorGraph):
        shape = graph.apply("Div", shape, GraphValue(graph.op("Sqrt", scaling.scale).name, 1, False))
    return {"mean": mean, "shape": shape}


_KINDS: dict[
    type[Distribution], Callable[[StepGraph, GraphValue, _ForecastScaled | None], dict[str, GraphValue]]
] = {
    Gaussian: _gaussian,
    StudentT: _student,
    NegativeBinomial: _counts,
    ScaledNegativeBinomial: _scaled_counts,
}


def _parameters(found: Distribution) -> Named:
    """The parameters of a distribution, [T, B, 1] each."""
    return {field.name: getattr(found, field.name)[..., None] for field in fields(found)}  # pyrefly: ignore


GRAPHS: NetworkGraphs = {
    Autoregressive: _autoregressive,
    Direct: lambda network, streams: [DirectPiece(network)],
}
