"""How long a turn of the bot takes: `python -m benchmarks.turn_latency [--bundle FOLDER] [--markets 80] [--bars 60]`.

The bot as it is runs in this process, on a local exchange in a process of its own that closes a bar each second, while
another process keeps one core busy. A turn is everything from a closed bar on: features, references, forecast,
decisions, the journal's transaction, comparison of the books, orders, picture. One JSON line: milliseconds of whole
turns by the wall and by the processor (all threads of the process, so that another machine's load does not count), of
the way from the close of a bar to its decisions, markets that were decided, bars that were dropped.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import tiny_bundle
from benchmarks.exchange_process import exchange
from pipelines.core import params
from pipelines.core.settings import Settings
from serving import metrics
from serving.bar_turn import BarTurns
from serving.bot import Bot

WARM_S: Final = 240.0
LIMIT_MS: Final = 100.0


def _spin() -> None:
    while True:
        pass


@contextmanager
def busy_core(on: bool) -> Iterator[None]:
    """One core of the machine is kept busy meanwhile."""
    spinner = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    if on:
        spinner.start()
    try:
        yield
    finally:
        if on:
            spinner.kill()
            spinner.join()


class Timed(BarTurns):
    """Turns that are measured: milliseconds by wall and processor, and how many markets were decided."""

    turns: list[tuple[float, float, int]] = []  # noqa: RUF012 - one bot at a time

    async def take(self, account: Any, feed: Any) -> None:
        """A turn, measured."""
        began, worked = time.perf_counter(), time.process_time()
        await super().take(account, feed)
        took_ms, worked_ms = (time.perf_counter() - began) * 1e3, (time.process_time() - worked) * 1e3
        turn = self._status._turn
        self.turns.append((took_ms, worked_ms, len(turn.decisions) if turn is not None else 0))


async def measure(settings: Settings, markets: int, bars: int) -> dict[str, Any]:
    """Run the bot until `bars` bars of at least nine tenths of the markets were decided."""
    limits = params.read(Path("params.yaml"))
    limits = limits.model_copy(update={"serving": limits.serving.model_copy(update={"max_markets": markets})})
    bot = Bot(settings, limits)
    bot._turns.__class__ = Timed
    bot.start()
    try:
        deadline = time.monotonic() + WARM_S
        while not [one for one in Timed.turns if one[2] >= 0.9 * markets] and time.monotonic() < deadline:
            await bot.changed(5.0)
        Timed.turns.clear()
        dropped, closed = metrics.BARS_DROPPED._value.get(), bot.status.bars
        await asyncio.sleep(bars)
        took = list(Timed.turns)
        dropped = metrics.BARS_DROPPED._value.get() - dropped
        waited = list(bot.status._recent._values.get("bar", ()))[-len(took) :]
    finally:
        await bot.stop()
    turns, worked = (np.array([one[place] for one in took] or [np.nan]) for place in (0, 1))
    return {
        "markets": int(np.median([one[2] for one in took] or [0])),
        "turns": bot.status.bars - closed,
        "turn_ms_p50": round(float(np.percentile(turns, 50)), 1),
        "turn_ms_p99": round(float(np.percentile(turns, 99)), 1),
        "cpu_ms_p50": round(float(np.percentile(worked, 50)), 1),
        "cpu_ms_p99": round(float(np.percentile(worked, 99)), 1),
        "decision_ms_p50": round(float(np.percentile(waited or [np.nan], 50)), 1),
        "dropped_bars": int(dropped),
        "within_100_ms": round(float((turns < LIMIT_MS).mean()), 3),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turn_latency", description=__doc__)
    parser.add_argument("--bundle", type=Path, help="a sealed bundle (a small one that expects the mean to come back)")
    parser.add_argument("--markets", type=int, default=80, help="markets that are followed (%(default)s)")
    parser.add_argument("--bars", type=int, default=60, help="bars that are measured, one a second (%(default)s)")
    parser.add_argument("--idle", action="store_true", help="without the busy core")
    asked = parser.parse_args(arguments)
    figures: dict[str, Any] = {"benchmark": "turn_latency", "cores": os.cpu_count(), "busy_core": not asked.idle}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if asked.bundle is None:
            tiny_bundle.make(folder / "new")
        else:
            shutil.copytree(asked.bundle, folder / "new")
        figures["bundle"] = tiny_bundle.promote(folder / "new", folder / "var")[:12]
        world = f"--event-length-min 720 --event-every-min 60 --markets-per-event {-(-asked.markets // 12) + 1}"
        options = f"--seed 1 --speed 60 --history-days 1 {world}".split()
        with (folder / "exchange.log").open("w") as log, exchange(options, log) as urls:
            values = {name.removeprefix("ODDSMITH_").lower(): value for name, value in urls.items()}
            settings = Settings(_env_file=None, var=folder / "var", kill_switch=folder / "KILL", **values)
            with busy_core(not asked.idle):
                figures |= asyncio.run(measure(settings, asked.markets, asked.bars))
    figures["load"] = round(os.getloadavg()[0], 2)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
