"""Settings of the data that name columns mean the same to a forecaster as to every task."""

from __future__ import annotations

from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.tasks.forecast import fit_encoder, series
from elman.tasks.forecast.settings import ForecastConfig

ROWS = [
    Record(
        {"when": f"2024-01-{day:02}", "shop": shop, "city": city, "sold": str(day), "rain": "1", "sale": "0"},
        f"f.csv:{day}",
    )
    for shop in "ab"
    for city in "xy"
    for day in range(1, 5)
]


def roles(**said: str):
    own = {name: said.pop(name) for name in ("known", "id", "past") if name in said}
    run = RunConfig.of({"data": said, "forecast": own}, ForecastConfig)
    return fit_encoder._columns(ROWS, run)


def test_columns_are_named_as_in_every_task():
    found = roles(time="when", group="shop,city", target="sold", input="rain,sale", known="sale")
    assert (found.time, found.ids, found.values) == ("when", ("shop", "city"), ("sold",))
    assert (found.past, found.known) == (("rain",), ("sale",))
    assert found.roles() == {
        "time": ("when",),
        "group": ("shop", "city"),
        "target": ("sold",),
        "input": ("rain",),
    }


def test_the_options_of_the_task_prevail():
    assert roles(time="when", group="city", id="shop", target="sold").ids == ("shop",)
    assert roles(time="when", group="shop,city", target="sold", input="rain", past="sale").past == ("sale",)


def test_several_columns_name_a_series_together():
    found, _ = series.read(ROWS, roles(time="when", group="shop,city", target="sold"))
    assert [one.name for one in found] == ["a / x", "a / y", "b / x", "b / y"]
    assert [one.values.tolist() for one in found] == [[1, 2, 3, 4]] * 4
