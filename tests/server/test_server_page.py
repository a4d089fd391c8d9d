"""The page in a real browser: it is used by keyboard, and shows what the models say."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import elman

pytest.importorskip("uvicorn")
api = pytest.importorskip("playwright.sync_api")

from elman import server  # noqa: E402
from elman.server import Application  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@contextlib.contextmanager
def address(models: dict[str, elman.Model], token: str = "") -> Iterator[str]:
    """Where a server in another thread is asked."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    app = Application(models, token=token)
    threading.Thread(target=server.serve, args=(app, listening), daemon=True).start()
    yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def models(run: Path, classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, elman.Model]:
    folder = tmp_path_factory.mktemp("shown")
    options = {"epochs": 1, "hidden": 8, "threads": 1, "quiet": True}
    (folder / "days.csv").write_text("t,y\n" + "".join(f"{day},{10 + day % 7}\n" for day in range(200)))
    (folder / "pairs.csv").write_text(
        "source,target\n" + "".join(f"{'ab' * (i % 3 + 1)}{i % 7},{i % 7}x\n" for i in range(60))
    )
    (folder / "drawn.jsonl").write_text(
        "".join(f'{{"strokes": {[[i % 3, j, 0] for j in range(6)] + [[0, 1, 1]]}}}\n' for i in range(40))
    )
    trained = {
        "days": elman.train(folder / "days.csv", task="forecast", out=folder / "days", **options),
        "pairs": elman.train(
            folder / "pairs.csv", task="translate", unit="char", out=folder / "pairs", batch_size=8, **options
        ),
        "drawn": elman.train(folder / "drawn.jsonl", task="draw", out=folder / "drawn", **options),
    }
    return {"text": elman.load(run), "films": elman.load(classifier), **trained}


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser):
    opened = browser.new_page()
    opened.set_default_timeout(30_000)
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    refused = "Failed to load resource: the server responded with a status of 422"  # which the page tells
    yield opened
    opened.close()
    assert [fault for fault in faults if not fault.startswith(refused)] == []


def painted(page, selector: str) -> bool:
    """Whether a canvas shows anything."""
    return page.eval_on_selector(
        selector,
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(value => value !== 0)",
    )


def test_each_model_is_tried_by_keyboard(page, models):
    with address(models) as at:
        page.goto(at)
        page.wait_for_selector("#text:focus")
        page.keyboard.type("the c")
        page.wait_for_function("() => document.querySelectorAll('ul.bars li').length > 5")
        page.wait_for_function(
            "() => document.querySelector('canvas') && document.querySelectorAll('.two ul').length == 2"
        )
        page.wait_for_function("() => document.querySelector('.two button span').textContent.startsWith('c')")
        first = page.inner_text(".two button span")
        page.keyboard.press("Tab")
        assert page.input_value("#text") == f"the {first} "
        page.keyboard.press("Control+Enter")
        page.wait_for_function("() => document.querySelector('.written').textContent.length > 100")
        assert page.inner_text(".written").startswith("the ")
        assert painted(page, "canvas")
        assert page.inner_text("#fault") == ""

        page.select_option("#model", "films")
        page.wait_for_selector("#value:focus")
        page.keyboard.type("it was good")
        page.wait_for_selector("#predicted")
        page.wait_for_function("() => document.querySelectorAll('ul.bars li').length == 2")

        page.select_option("#model", "pairs")
        page.fill("#value", "abab3")
        page.wait_for_selector(".grid td")
        assert page.locator(".grid thead th").all_inner_texts() == list("abab3")

        page.select_option("#model", "days")
        page.wait_for_selector("canvas.future")
        assert painted(page, "canvas.future")
        page.fill("#rows", "t,y\n1,2")
        page.wait_for_function("() => document.querySelector('#fault').textContent.includes('steps')")

        page.select_option("#model", "drawn")
        page.wait_for_function("() => Number(document.querySelector('canvas').dataset.count) > 0")
        assert painted(page, "canvas")


def test_an_error_stands_in_view_and_what_was_said_of_another_text_is_gone(page, models):
    with address(models) as at:
        page.set_viewport_size({"width": 900, "height": 420})
        page.goto(at)
        page.wait_for_selector("#text:focus")
        page.keyboard.type("the c")
        both = "() => document.querySelectorAll('.two ul').length == 2"
        page.wait_for_function(both)
        page.fill("#text", "the c" * 3000)
        page.wait_for_function("() => document.querySelector('#fault').textContent.includes('10,000')")
        page.wait_for_function("() => document.querySelectorAll('.two ul').length == 0")
        place = page.locator("#fault").bounding_box()
        assert 0 <= place["y"] <= 420 - place["height"]
        page.fill("#text", "the d")
        page.wait_for_function(both)
        page.wait_for_function("() => document.querySelector('#fault').textContent === ''")

        page.select_option("#model", "days")
        page.wait_for_selector("canvas.future")
        page.fill("#rows", "t,y\n1,2")
        page.wait_for_function("() => document.querySelector('#fault').textContent.includes('steps')")
        assert page.locator("canvas.future").count() == 0


def test_a_token_comes_from_the_address(page, models):
    with address({"text": models["text"]}, token="abc-123") as at:
        page.goto(f"{at}#abc-123")
        page.wait_for_selector("#text:focus")
        page.keyboard.type("the c")
        page.wait_for_function("() => document.querySelectorAll('.two ul').length == 2")
        assert page.inner_text("#fault") == ""


def test_it_asks_nobody_else(page, models):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with address({"text": models["text"]}) as at:
        page.goto(at)
        page.wait_for_selector("#text:focus")
        assert asked
        assert all(url.startswith((at, "data:")) for url in asked)
