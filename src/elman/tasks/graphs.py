"""The graphs of networks: those that tasks have for the networks they build, and those of your own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from elman.core.errors import nearest
from elman.exporters.graph import ExportedGraph, NetworkGraphs, refused
from elman.tasks.abilities import Exportable
from elman.tasks.registry import TASKS

NETWORKS: dict[type[nn.Module], Callable[[Any, bool], list[ExportedGraph]]] = {}
"""Networks of your own, as `NetworkGraphs` has them; they take precedence over those of the tasks."""


def described() -> NetworkGraphs:
    """Return every class of network that has graphs, with them."""
    tables = [kind.graphs for kind in TASKS.values() if issubclass(kind, Exportable)]
    return {network: graphs for table in (*tables, NETWORKS) for network, graphs in table.items()}


def pieces(network: nn.Module, *, streams: bool) -> list[ExportedGraph]:
    """Return the graphs of a network.

    Raises:
        TaskError: nobody has described a network of that class.
    """
    known = described()
    if type(network) in known:
        return known[type(network)](network, streams)
    name = type(network).__name__
    remedy = nearest(name, [kind.__name__ for kind in known]) + "; docs/export.md says how to add one"
    raise refused("the network", f"class {name}, which no one has described", remedy=remedy)
