"""The page of a report in a real browser: from disk, without a network, on a wide screen and on a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import elman

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def report(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "report"
    elman.inspect(elman.load(run), examples=4).write(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(
    params=[{"viewport": {"width": 1200, "height": 900}}, {"viewport": PHONE}], ids=["wide", "phone"]
)
def page(request: pytest.FixtureRequest, browser: Any, report: Path) -> Iterator[Any]:
    """The opened page, with what it asked for and what went wrong as attributes."""
    context = browser.new_context(offline=True, **request.param)
    page = context.new_page()
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("requestfailed", lambda request: page.wrong.append(f"failed: {request.url}"))
    page.on(
        "console", lambda said: page.wrong.append(said.text) if said.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.goto((report / "index.html").as_uri(), wait_until="load")
    yield page
    context.close()


def test_every_picture_is_drawn_and_nothing_else_is_asked_for(page, report):
    drawn = page.eval_on_selector_all(
        "img", "images => images.map(i => [i.complete, i.naturalWidth, i.clientWidth, i.clientHeight, i.alt])"
    )
    assert len(drawn) == len(list(report.glob("*.svg"))) >= 7
    for complete, natural, width, height, alt in drawn:
        assert complete
        assert natural > 100
        assert width > 100
        assert height > 50
        assert len(alt) > 10
    assert page.wrong == []
    assert all(url.startswith("file:") for url in page.asked)
    assert len(page.asked) == 1 + len(drawn)


def test_the_page_is_no_wider_than_the_screen(page):
    wide, screen = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= screen


@pytest.mark.parametrize("width", [400, 800, 1200, 2000])
def test_nothing_is_cut_at_any_width(browser, report, width):
    """Tables scroll in their own boxes on narrow screens, and have their place on wide ones."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((report / "index.html").as_uri(), wait_until="load")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.eval_on_selector_all(
        ".wide",
        "all => all.map(e => [e.scrollWidth, e.clientWidth, getComputedStyle(e).overflowX, e.tabIndex])",
    )
    assert len(boxes) > 1
    for whole, seen, overflow, tab in boxes:
        assert whole <= seen or (width < 1200 and overflow == "auto" and tab == 0)
    page.close()


def test_links_lead_to_what_is_there(page, report):
    links = page.eval_on_selector_all("a", "links => links.map(link => link.getAttribute('href'))")
    for link in links:
        if link.startswith("#"):
            assert page.query_selector(link) is not None
        else:
            assert (report / link).is_file()
    assert sum(link.endswith(".csv") for link in links) == len(list(report.glob("*.csv")))


def test_the_keyboard_reaches_everything(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "summary"
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.getAttribute('href')"))
    pictures = set(page.eval_on_selector_all("a.picture", "links => links.map(l => l.getAttribute('href'))"))
    assert pictures <= reached


def test_it_is_dark_where_that_is_asked_for(page):
    backs = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        backs.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert backs == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


def test_pictures_are_more_than_empty_axes(browser, report):
    context = browser.new_context(offline=True)
    page = context.new_page()
    for picture in sorted(report.glob("*.svg")):
        page.goto(picture.as_uri())
        assert page.evaluate("document.querySelectorAll('path, image, use').length") > 20, picture.name
    context.close()
