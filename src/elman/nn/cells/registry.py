"""The table of cells: a name -> one time step as an algebra.

Names can be asked for without torch, so that the command line checks a setting quickly; a cell's own file
is imported when the cell is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from elman.core import plugins
from elman.core.errors import ConfigError

if TYPE_CHECKING:
    from elman.nn.cells.base import Cell


_BUILT_IN: dict[str, tuple[str, str, dict[str, str]]] = {
    "rnn": ("elman.nn.cells.rnn", "RNNEquations", {}),
    "rnn_relu": ("elman.nn.cells.rnn", "RNNEquations", {"nonlinearity": "relu"}),
    "lstm": ("elman.nn.cells.lstm", "LSTMEquations", {}),
    "gru": ("elman.nn.cells.gru", "GRUEquations", {}),
    "gru_reset_before": ("elman.nn.cells.gru", "GRUEquations", {"reset": "before"}),
    "mgu": ("elman.nn.cells.mgu", "MGUEquations", {}),
    "minimal_rnn": ("elman.nn.cells.minimal_rnn", "MinimalRNNEquations", {}),
    "peephole_lstm": ("elman.nn.cells.peephole_lstm", "PeepholeLSTMEquations", {}),
    "cifg": ("elman.nn.cells.cifg", "CIFGEquations", {}),
    "janet": ("elman.nn.cells.janet", "JANETEquations", {}),
    "ugrnn": ("elman.nn.cells.ugrnn", "UGRNNEquations", {}),
    "atr": ("elman.nn.cells.atr", "ATREquations", {}),
    "ran": ("elman.nn.cells.ran", "RANEquations", {}),
    "ligru": ("elman.nn.cells.ligru", "LiGRUEquations", {}),
    "indrnn": ("elman.nn.cells.indrnn", "IndRNNEquations", {}),
    "fastrnn": ("elman.nn.cells.fastrnn", "FastRNNEquations", {}),
    "fastgrnn": ("elman.nn.cells.fastgrnn", "FastGRNNEquations", {}),
    "scrn": ("elman.nn.cells.scrn", "SCRNEquations", {}),
    "antisymmetric_rnn": ("elman.nn.cells.antisymmetric_rnn", "AntisymmetricRNNEquations", {}),
    "multiplicative_lstm": ("elman.nn.cells.multiplicative_lstm", "MultiplicativeLSTMEquations", {}),
    "rhn": ("elman.nn.cells.rhn", "RHNEquations", {}),
    "cornn": ("elman.nn.cells.cornn", "CoRNNEquations", {}),
    "unicornn": ("elman.nn.cells.unicornn", "UnICORNNEquations", {}),
    "lem": ("elman.nn.cells.lem", "LEMEquations", {}),
    "slstm": ("elman.nn.cells.slstm", "SLSTMEquations", {}),
    "mingru": ("elman.nn.cells.mingru", "MinGRUEquations", {}),
    "minlstm": ("elman.nn.cells.minlstm", "MinLSTMEquations", {}),
    "qrnn": ("elman.nn.cells.qrnn", "QRNNEquations", {}),
    "sru": ("elman.nn.cells.sru", "SRUEquations", {}),
    "lru": ("elman.nn.cells.lru", "LRUEquations", {}),
    "s5": ("elman.nn.cells.s5", "S5Equations", {}),
    "rglru": ("elman.nn.cells.rglru", "RGLRUEquations", {}),
}
_REGISTERED: dict[str, Cell] = {}


def names() -> tuple[str, ...]:
    """The names that `get` knows: the built-in cells, then the registered ones."""
    return (*_BUILT_IN, *_REGISTERED)


def get(name: str) -> Cell:
    """The cell of that name.

    Raises:
        ConfigError: no cell has that name; it tells the nearest one.
    """
    if name not in _BUILT_IN and name not in _REGISTERED:
        plugins.import_installed()
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name not in _BUILT_IN:
        raise ConfigError("cell", f"unknown name {name!r}", remedy=plugins.remedy(name, names(), "a cell"))
    module, cell, settings = _BUILT_IN[name]
    return getattr(import_module(module), cell)(**settings)


def register(name: str, cell: Cell) -> None:
    """Let a cell of your own be known by its name, in place of one that you registered so before.

    Raises:
        ConfigError: the cell calls itself otherwise, or the name is that of a built-in cell.
    """
    if cell.name != name:
        raise ConfigError("cells.register", f"{cell.name!r}", expected=f"a cell with the name {name!r}")
    _REGISTERED[name] = checked(cell)


def checked(cell: Cell) -> Cell:
    """The cell itself, if it may carry its name.

    A kernel knows a cell by its name: another algebra under a built-in name would run as the built-in.

    Raises:
        ConfigError: it has a built-in cell's name and is another cell.
    """
    if cell.name in _BUILT_IN and cell != get(cell.name):
        raise ConfigError(
            f"cell {type(cell).__name__}",
            f"the name {cell.name!r} of a built-in cell",
            expected="a name of its own",
            remedy="set `name` in your class",
        )
    return cell
