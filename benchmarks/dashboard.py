"""The pages on a month of journal, in headless Chromium: first paint, script per bar, bars that a pane does not show.

The service's own web application serves the journal that `journal_month` wrote, and a bundle decides one bar after the
other; the venue alone is missing. Each page is opened at four widths in both themes.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import structlog
import uvicorn
from playwright.async_api import Browser, Page, async_playwright

from benchmarks import journal_month
from benchmarks.journal_month import MonthBot
from pipelines.core.command_line import whole
from serving.dashboard.web import application
from serving.paths import DASHBOARD

CHROMIUM = "/usr/bin/chromium"
WIDTHS, THEMES, HEIGHT = (1_500, 1_280, 768, 390), ("light", "dark"), 900
FIRST_PAINT_MS, SCRIPT_MS = 1_000.0, 50.0
"""Limits that have to hold."""
SETTLED_S = 0.3
"""Wall seconds that a page is left alone after it has taken a bar up."""
CENT = 0.0051
"""A curve may be rounded to cents."""
TAKEN_UP_S = 5.0
"""Wall seconds within which a page has to show a bar; the market's page asks every two."""

DRAWN_S = 30.0
"""Wall seconds after which a page without a drawn pane ends the measurement."""
DRAWN = """
() => window.watchedCharts.some((one) => {
  const lengths = one.series.map((series) => series.data().length);
  one.main = lengths.indexOf(Math.max(...lengths));
  return lengths[one.main] > 0;
})
"""
"""Whether a pane is drawn; remembers the series of each with the most points."""
NEWEST = "() => Math.max(0, ...window.watchedCharts.map((c) => c.series[c.main ?? 0]?.dataByIndex(1e9, -1)?.time ?? 0))"
"""Time of the newest point, without a copy of the data: it is asked while a page is measured."""

WATCH = """
(() => {
  let library;
  window.watchedCharts = [];
  Object.defineProperty(window, "LightweightCharts", { configurable: true, get: () => library, set: (given) => {
    const createChart = (element, options) => {
      const chart = given.createChart(element, options), series = [], add = chart.addSeries.bind(chart);
      chart.addSeries = (...all) => { const made = add(...all); series.push(made); return made; };
      window.watchedCharts.push({ pane: element.id || element.parentElement?.id || "chart", chart, series });
      return chart;
    };
    library = { ...given, createChart };
  } });
})();
"""
"""Remembers the charts of a page and their series, to ask them what they show."""

SHOWN = """
() => window.watchedCharts.map(({ pane, chart, series }) => {
  const all = series.map((one) => one.data()), most = Math.max(...all.map((rows) => rows.length));
  const span = chart.timeScale().getVisibleRange();
  const lines = all.filter((rows) => rows.length === most).map((rows) => {
    const seen = rows.filter((one) => span && one.time >= span.from && one.time <= span.to);
    let [low, high] = [Infinity, -Infinity];
    for (const { value, high: top } of seen) [low, high] = [Math.min(low, value ?? top), Math.max(high, value ?? top)];
    return { from: seen[0]?.time ?? null, to: seen.at(-1)?.time ?? null, low, high };
  });
  return { pane, points: most, lines };
})
"""
"""Script that returns for each pane the first and last visible time, and the lowest and highest value, of its lines."""


@asynccontextmanager
async def served(bot: MonthBot) -> AsyncIterator[str]:
    """The service's pages of a bot on a free port; their address."""
    config = uvicorn.Config(application(lambda: bot, DASHBOARD), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


class Measure:
    """Opens pages and moves the bot on by bars."""

    def __init__(self, bot: MonthBot, minute: int, address: str, browser: Browser) -> None:
        self._bot, self._minute, self._address, self._browser = bot, minute, address, browser

    async def page(self, path: str, width: int, theme: str, bars: int, picture: Path | None) -> dict[str, Any]:
        """Figures of one page at one width in one theme."""
        context = await self._browser.new_context(
            viewport={"width": width, "height": HEIGHT},
            color_scheme="light" if theme == "light" else "dark",
        )
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.add_init_script(WATCH)
        await page.goto(self._address + path)
        async with asyncio.timeout(DRAWN_S):
            while not await page.evaluate(DRAWN):  # noqa: ASYNC110 - the page's own security policy forbids to wait inside
                await asyncio.sleep(0.05)
        await asyncio.sleep(SETTLED_S)
        paints = await page.evaluate("performance.getEntriesByType('paint').map((one) => [one.name, one.startTime])")
        scripts = [await self._bar(page) for _ in range(bars)]
        found = {
            "page": path.partition("/market/")[0] or "/market/ID",
            "width": width,
            "theme": theme,
            "first_paint_ms": round(dict(paints)["first-contentful-paint"], 1),
            "script_ms": round(median(scripts), 2),
            "script_ms_max": round(max(scripts), 2),
            "panes": [self._lost(one, path) for one in await page.evaluate(SHOWN)],
            "too_wide_px": max(0, await page.evaluate("document.documentElement.scrollWidth") - width),
            "errors": errors,
        }
        if picture is not None:
            picture.parent.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=picture, full_page=True)
        await context.close()
        return found

    async def _bar(self, page: Page) -> float:
        """Milliseconds of processor time that one more bar costs the page's script, until it is shown and drawn."""
        tools = await page.context.new_cdp_session(page)
        # Of the thread, not of the clock: other processes of the machine do not count.
        await tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        before = await _script_s(tools)
        await self._bot.turn(self._minute)
        self._minute += 1
        with contextlib.suppress(TimeoutError):  # a bar that does not come is counted as lost
            async with asyncio.timeout(TAKEN_UP_S):
                while await page.evaluate(NEWEST) < self._bot.feed.market_s:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLED_S)
        spent = await _script_s(tools) - before
        await tools.detach()
        return spent * 1e3

    def _lost(self, shown: dict[str, Any], path: str) -> dict[str, Any]:
        """Bars that exist and lie outside what a pane shows, and how many of lowest and highest value it lacks."""
        bars = self._bars(path)
        values = [value for _, value in bars]
        found = [(len(bars), 2)]
        for line in shown["lines"] if bars else ():
            first, last = line["from"], line["to"]
            inside = sum(first is not None and first <= ts_s <= last for ts_s, _ in bars)
            ends = ((line["low"], min(values)), (line["high"], max(values)))
            found.append((len(bars) - inside, sum(abs((seen or 0.0) - wanted) > CENT for seen, wanted in ends)))
        lost, lacking = min(found)
        return {"pane": shown["pane"], "points": shown["points"], "bars_lost": lost, "extremes_lost": lacking}

    def _bars(self, path: str) -> list[tuple[int, float]]:
        """(market time, value) of what the first pane of a page is about: the account, or a market's price."""
        if path.startswith("/market/"):
            record = self._bot.record(path.removeprefix("/market/"))
            return [(row[0], row[1] / 1e4) for row in record.prices] if record else []
        return [(ts_s, micro / 1e6) for ts_s, micro in self._bot.account.journal.equity(10**9)]


async def _script_s(tools: Any) -> float:
    metrics = (await tools.send("Performance.getMetrics"))["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "ScriptDuration"))


async def measure(month: Path, bars: int, pictures: Path | None) -> dict[str, Any]:
    """Figures of all pages on a copy of a month, and whether the limits hold."""
    about = json.loads((month / journal_month.WRITTEN).read_text(encoding="utf-8"))
    minute, rows = about["next_minute"], []
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "month"
        shutil.copytree(month, here)
        bot = journal_month.opened(here, seed=about["seed"], markets=about["markets"])
        await bot.warm(minute)
        for _ in range(70):
            await bot.turn(minute)
            minute += 1
        async with served(bot) as address, async_playwright() as chromium:
            browser = await chromium.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            made = Measure(bot, minute, address, browser)
            oldest = min(bot.feed.followed.values(), key=lambda one: abs(one.index - 700)).market.market_id
            for path in ("/", f"/market/{oldest}"):
                for width in WIDTHS:
                    for theme in THEMES:
                        name = f"{'home' if path == '/' else 'market'}-{width}-{theme}.png"
                        picture = pictures / name if pictures is not None else None
                        rows.append(await made.page(path, width, theme, bars, picture))
            await browser.close()
        await bot.stop()
    return (
        {"markets": about["markets"], "bars": about["bars"], "bytes": about["bytes"]} | summary(rows) | {"pages": rows}
    )


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The worst figures of all pages, and whether they are within the limits."""
    worst = {name: max(row[name] for row in rows) for name in ("first_paint_ms", "script_ms", "script_ms_max")}
    panes = [row["panes"][0] for row in rows if row["panes"]]
    worst |= {name: max(one[name] for one in panes) for name in ("bars_lost", "extremes_lost")}
    worst |= {"too_wide_px": max(row["too_wide_px"] for row in rows), "errors": sum(len(row["errors"]) for row in rows)}
    within = worst["first_paint_ms"] < FIRST_PAINT_MS and worst["script_ms"] < SCRIPT_MS
    nothing = not any(worst[name] for name in ("bars_lost", "extremes_lost", "too_wide_px", "errors"))
    return {"worst": worst, "holds": within and nothing}


async def _run(given: argparse.Namespace) -> dict[str, Any]:
    await journal_month.write(given.month, days=given.days, markets=given.markets, decided=given.decided)
    return await measure(given.month, given.bars, given.pictures)


def main() -> None:
    """`python -m benchmarks.dashboard`: one line of JSON. A month that was written before is used again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--month", type=Path, default=Path("var/benchmarks/month"), help="folder of the journal")
    parser.add_argument("--days", type=whole(1), default=30)
    parser.add_argument("--markets", type=whole(5), default=80)
    parser.add_argument("--decided", type=whole(60), default=300, help="last bars with inputs and decisions (300)")
    parser.add_argument("--bars", type=whole(1), default=5, help="bars that are pushed to each page (5)")
    parser.add_argument("--pictures", type=Path, help="folder of screenshots; none without")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(json.dumps(asyncio.run(_run(given))))


if __name__ == "__main__":
    main()
