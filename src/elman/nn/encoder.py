"""Building blocks of the tasks' networks: configured layers, an encoder, pooling of its steps.

Independent of tasks and targets.
"""

from __future__ import annotations

from torch import Tensor, nn

from elman.core.errors import TaskError
from elman.core.records import Seq, State
from elman.core.run_config import NetworkSettings
from elman.nn.framing import EACH_STEP, Frame
from elman.nn.layer_stack import dropout
from elman.nn.readers import InputLayer
from elman.nn.recurrent import Recurrent
from elman.nn.stepping import LayerStackStepper, StackStep


def layers(config: NetworkSettings, width: int, *, bidirectional: bool = False) -> Recurrent:
    """Recurrent layers over inputs of `width` features, as the settings say."""
    return Recurrent(
        config.cell,
        width,
        config.hidden,
        layers=config.layers,
        bidirectional=bidirectional,
        dropout=config.dropout,
        variational=config.variational,
        recurrent_dropout=config.recurrent_dropout,
        weight_dropout=config.weight_dropout,
        layer_norm=config.layer_norm,
        residual=config.residual,
        skip=config.skip,
        learn_initial=config.learn_initial,
        init=config.init,
        init_gain=config.init_gain,
        memory=config.memory,
        zoneout=config.zoneout,
        projection=config.projection,
    )


def bridged(recurrent: Recurrent, values: Tensor) -> State:
    """The state that layers of one direction start from, made of as many values as it has.

    Args:
        recurrent: the layers.
        values: [B, L * (sum of the sizes of the S tensors)], tensor after tensor and in it layer after layer.

    Returns:
        S tensors [L, B, H].
    """
    parts = values.split([recurrent.layers * size for size in recurrent.state_sizes], -1)
    return tuple(part.unflatten(-1, (recurrent.layers, -1)).transpose(0, 1).contiguous() for part in parts)


def bridge(recurrent: Recurrent, width: int) -> nn.Linear:
    """A layer from a vector of `width` features to the values that `bridged` makes a state of."""
    return nn.Linear(width, recurrent.layers * sum(recurrent.state_sizes))


def stepper(recurrent: Recurrent, state: State) -> LayerStackStepper:
    """The layers a step at a call from a state [L, B, H], without gradients or dropout, in constant memory.

    Raises:
        ConfigError: they are bidirectional.
    """
    return LayerStackStepper(
        recurrent.layer_steppers(state), residual=recurrent.residual, skip=recurrent.skip
    )


def in_one_direction(recurrent: Recurrent, task: str, setting: str) -> None:
    """See that layers can run forward in time.

    Raises:
        TaskError: they are bidirectional, and would wait for the end.
    """
    if recurrent.bidirectional:
        got = "bidirectional layers, which read a sequence from its end, too"
        remedy = f"train with {setting} = false"
        raise TaskError(f"a stream of the task {task!r}", got, expected="one direction", remedy=remedy)


def one_step(recurrent: Recurrent) -> StackStep:
    """One step of the layers, for any batch and from any state, without gradients or dropout.

    Raises:
        ConfigError: they are bidirectional.
    """
    return StackStep(recurrent.layer_advances(), residual=recurrent.residual, skip=recurrent.skip)


class Encoder(nn.Module):
    """Vectors of the input, put side by side in frames, and recurrent layers over them.

    Args:
        reader: the first layer.
        config: the network's settings.
        bidirectional: whether the layers also run from the end to the start.
        frame: what becomes one step of the layers.
    """

    def __init__(
        self, reader: InputLayer, config: NetworkSettings, *, bidirectional: bool, frame: Frame = EACH_STEP
    ) -> None:
        super().__init__()
        self._config, self.frame = config, frame
        self.reader = reader
        self.recurrent = layers(config, reader.frame_width(frame), bidirectional=bidirectional)

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Seq, State]:
        """Hidden states [T', B, output_size], zero beyond a length, and the state at the end."""
        return self.run(self.read(seq), state)

    def read(self, seq: Seq) -> Seq:
        """Vectors [T', B, width] of symbols [T, B] or features [T, B, F], T' frames; zero beyond a length."""
        return self.reader.frames(seq, self.frame)

    def read_frames(self, data: Tensor) -> Tensor:
        """Vectors [T', B, size * width] of steps that are in frames already.

        Args:
            data: [T', B, size, ...] symbols or features, the ends filled up with -1 or zeros; without `size`
                where every step is a frame.
        """
        if self.frame == EACH_STEP:
            return self.reader(data)
        steps, size = len(data), data.shape[2]
        flat = data.movedim(2, 0).flatten(0, 1)
        if data.is_floating_point():
            vectors = self.reader(flat)
        else:
            there = flat >= 0 if flat.ndim == 2 else flat[..., 0] >= 0
            vectors = self.reader(flat.clamp(min=0)) * there[..., None]
        return vectors.unflatten(0, (size, steps)).movedim(0, 2).flatten(2)

    def run(self, vectors: Seq, state: State | None = None) -> tuple[Seq, State]:
        """Hidden states over vectors that `read` gave, and the state at the end."""
        config = self._config
        data = dropout(vectors.data, config.input_dropout, config.variational, self.training)
        return self.recurrent(Seq(data, vectors.lengths), state)
