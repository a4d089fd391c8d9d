"""What a task can do brings methods of its models and operations of the server with it."""

from __future__ import annotations

import copy
from abc import abstractmethod
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import elman
from elman.core.errors import DataError, TaskError
from elman.core.run_config import RunConfig
from elman.server.limits import Limits
from elman.tasks import registry
from elman.tasks.abilities import Ability, PredictsRecords, abilities_of, operations_of
from elman.tasks.draw.drawer import Drawer
from elman.tasks.language.task import Language
from elman.tasks.language.writer import Writer
from elman.tasks.model import Model, model_of
from elman.tasks.operations import Operation, alone, object_of

NAMES = ("write", "sample", "complete", "draw", "translate", "forecast", "futures", "backtest")


class CountingModel(Model):
    """A model that counts."""

    def count(self) -> int:
        """Return how many there are."""
        return self._able(Counter).count()


class Counter(Ability):
    """A task that counts."""

    lacks = "a task that does not count"
    methods = CountingModel
    operations = (
        Operation(
            name="count",
            about="Count.",
            takes=lambda model, limits: object_of({}),
            gives=object_of({"count": {"type": "integer"}}),
            together=alone,
            run=lambda model, limits, requests: [{"count": model.count()} for _ in requests],
        ),
    )

    @abstractmethod
    def count(self) -> int:
        """Return how many there are."""


@pytest.fixture
def counting(run: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model of a task that counts and writes."""

    class CountingLanguage(Language, Counter):  # type: ignore[misc]
        def count(self) -> int:
            return len(self.vocab)

    monkeypatch.setitem(registry.TASKS, "language", CountingLanguage)  # type: ignore[arg-type]
    return elman.load(run)


def test_a_model_has_the_methods_of_all_that_its_task_can_do(counting: Model):
    assert isinstance(counting, Writer.methods)
    assert isinstance(counting, CountingModel)
    assert counting.count() == len(counting.task.vocab)
    assert "".join(counting.write("a", 5, seed=1)) == counting.sample("a", 5, seed=1)


def test_a_server_has_the_operations_of_all_that_a_task_can_do(counting: Model):
    pytest.importorskip("starlette")
    pytest.importorskip("httpx")
    from starlette.testclient import TestClient

    from elman.server import Application

    with TestClient(Application({"one": counting}, bounds=Limits()), base_url="http://127.0.0.1") as client:
        assert client.post("/models/one/count", json={}).json() == {"count": counting.count()}
        assert client.get("/models").json()[0]["calls"] == ["complete", "sample", "write", "count"]
        assert "/models/one/count" in client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("name", registry.TASKS)
def test_a_model_has_a_method_or_refuses_it_by_the_tasks_that_have_it(name, monkeypatch):
    kind = registry.TASKS[name]
    monkeypatch.setattr(kind, "usage", lambda task: ["elman train {name}"])
    task = _bare(kind)
    model = model_of(task)(Path("runs/one"), RunConfig.of({}, kind.Config), task, nn.Identity())
    for method in NAMES:
        owners = [each for each, other in registry.TASKS.items() if hasattr(model_of(_bare(other)), method)]
        assert owners
        assert (name in owners) == hasattr(model, method) == model.can(method)
        if name not in owners:
            refusal = rf"^task '{name}': expected {registry.listed(owners)}, got .*; use elman train runs/one"
            with pytest.raises(TaskError, match=refusal):
                getattr(model, method)


def _bare(kind: type) -> Any:
    return kind.__new__(kind)


def test_what_no_model_has_is_an_attribute_error(run: Path):
    model = elman.load(run)
    with pytest.raises(AttributeError, match="no attribute 'swim'") as caught:
        model.swim()
    assert not isinstance(caught.value, TaskError)
    assert copy.copy(model).path == model.path


@pytest.mark.parametrize("name", registry.TASKS)
def test_a_method_of_a_model_belongs_to_one_ability(name):
    """So that a refusal names the right one; and what is asked for by HTTP has one name a task."""
    kind = registry.TASKS[name]
    calls = [call.name for call in operations_of(kind)]
    assert len(calls) == len(set(calls)) > 0
    assert all(issubclass(ability.methods or Model, Model) for ability in abilities_of(kind))


def test_a_value_is_read_as_the_task_says(run: Path, classifier: Path):
    assert not elman.load(run).reads
    model = elman.load(classifier)
    assert isinstance(model.task, PredictsRecords)
    assert model.reads == model.task.reads == "text"
    assert Drawer.methods is not None
    assert not model.draws


def test_a_forecast_of_no_rows_is_refused():
    model = elman.load(Path(__file__).parents[1] / "runs/old_runs/forecast")
    with pytest.raises(DataError, match="records: expected rows of a table, got none"):
        model.futures([])
