"""The pages in a browser: every width and theme, all bars, every word, the keyboard."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_pictures import LAST_S, START_S, StillBot, served

pytestmark = [pytest.mark.slow, pytest.mark.browser]

CHROMIUM = "/usr/bin/chromium"
PAGES = ("", f"market/0x{7:064x}", "days", "reports", "profiles", "glossary", "docs")
WITH_WORDS = PAGES[:5]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages of a bot that stands still."""
    with served(StillBot(), tmp_path_factory.mktemp("var")) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    if not Path(CHROMIUM).exists() and shutil.which("chromium") is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


def _drawn_whole(page: Any, first_s: int, last_s: int) -> None:
    """Wait until a day between two times is drawn from all its bars: a chart moves with its next frame. The security
    policy of the page forbids to wait inside."""
    for _ in range(100):
        seen = page.evaluate("window.equityChart.seen()")
        if seen["points"] >= 1_440 and seen["from"] >= first_s and seen["to"] <= last_s:
            return
        page.wait_for_timeout(100)
    raise AssertionError(page.evaluate("window.equityChart.seen()"))


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_page_fits_every_width_and_theme(site: str, browser: Any, scheme: str) -> None:
    """Nothing is wider than the screen, nothing fails, nobody else is asked, and the theme is the reader's."""
    page = browser.new_page(color_scheme=scheme)
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    for path in PAGES:
        page.goto(site + path, wait_until="load")
        page.locator("#site a").nth(3).wait_for()
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(10, 13, 19)"
        assert dark is (scheme == "dark")
        for width in (390, 768, 1280, 1500):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
    page.close()

    assert errors == []
    assert [url for url in asked if not url.startswith((site, "data:", site.replace("http", "ws")))] == []


def test_the_curve_shows_every_hour_at_every_width(site: str, browser: Any) -> None:
    """A month is in the picture from its first to its last bar, also on a phone, with every hour and every extreme; a
    span, and a part that the reader moves to, are drawn from all their bars."""
    page = browser.new_page()
    page.goto(site)
    page.locator("#chart[data-bars='43201']").wait_for()
    for width in (1500, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(400)
        seen = page.evaluate("window.equityChart.seen()")
        assert (seen["from"], seen["to"]) == (START_S, LAST_S)
        assert seen["points"] <= 4_000
        steps = page.evaluate("window.equityChart.times.map((time, at, all) => time - (all[at - 1] ?? time))")
        assert max(steps) <= 3_600
        low = page.evaluate("window.equityChart.chart.priceScale('right').getVisibleRange().from")
        assert low <= 9_000  # the one bar that lost money is in the picture
    page.locator("#ranges button", has_text="1 d").click()
    _drawn_whole(page, LAST_S - 86_400 - 600, LAST_S)
    assert page.evaluate("window.equityChart.seen().from") > LAST_S - 86_400 - 600
    first = {"from": START_S + 86_400, "to": START_S + 2 * 86_400}
    page.evaluate(
        "(part) => { const c = window.equityChart; c.span = null; c.chart.timeScale().setVisibleRange(part); }", first
    )
    _drawn_whole(page, first["from"] - 3_600, first["to"] + 3_600)
    seen = page.evaluate("window.equityChart.seen()")
    assert seen["from"] <= first["from"] + 3_600
    assert seen["to"] >= first["to"] - 3_600
    page.close()


@pytest.mark.parametrize("path", WITH_WORDS)
def test_every_word_of_a_page_is_explained(site: str, browser: Any, path: str) -> None:
    """Each heading, column and name of a fact has its meaning; a tap shows it with the way to the glossary."""
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    page.goto(site + path)
    page.locator("h2[data-term]").first.wait_for()
    page.wait_for_timeout(500)
    bare = page.evaluate(
        "[...document.querySelectorAll('h2, th, dt')].filter(e => !e.closest('dialog, #night-steps'))"
        ".filter(e => e.textContent.trim() && !e.title && !e.nextElementSibling?.title).map(e => e.textContent)"
    )
    page.locator("h2[data-term]").first.tap()
    page.locator("#meaning a").wait_for()
    page.locator("#meaning a").click()
    page.locator("#words dt").nth(20).wait_for()
    assert "glossary#" in page.url
    page.close()

    assert bare == []


def test_the_keyboard_reaches_everything(site: str, browser: Any) -> None:
    """`?` lists the keys, a key leads to a page, `/` finds a market, focus is seen and outlives a bar."""
    page = browser.new_page(viewport={"width": 1280, "height": 850})
    page.goto(site)
    page.locator("#markets tbody tr").nth(70).wait_for()
    page.keyboard.press("?")
    assert page.locator("#keys kbd").count() >= 10
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("round 7 ")
    assert page.locator("#markets tbody tr").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("#markets tbody tr").count() == 80
    link = page.locator("#markets tbody tr a").nth(3)
    link.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    before = link.get_attribute("href")
    page.wait_for_timeout(1_200)  # at least one more state
    assert page.evaluate("document.activeElement.getAttribute('href')") == before
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.keyboard.press("r")
    page.wait_for_url("**/reports")
    page.close()


def test_no_part_of_a_duration_reaches_sixty(site: str, browser: Any) -> None:
    """Seconds and minutes are rounded before they are taken apart."""
    page = browser.new_page()
    page.goto(site + "glossary", wait_until="load")
    written = page.evaluate(
        "import('./static/format.js').then((f) => [9.94, 59.97, 299.7, 3599.7, 7199].map(f.seconds))"
    )

    assert written == ["9.9 s", "1 min 0 s", "5 min 0 s", "1 h 0 min", "2 h 0 min"]
    page.close()
