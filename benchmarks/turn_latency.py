"""How long a turn of the bot takes: `python -m benchmarks.turn_latency [--bundle FOLDER] [--markets 80] [--bar-s 1 5]`.

The bot as it is runs in this process, on a local exchange in a process of its own that closes a bar each `--bar-s`
seconds (one after the other where several are given; the venue's bars last a minute), while another process keeps one
core busy. A turn is everything from a closed bar on: features, references, forecast, decisions, the journal's
transaction, orders and what became of them, picture. What it needs of the account (`prepare_ms`: requests of people,
comparison of the books) is read while the bar waits for its last messages. One JSON line for each pace: milliseconds of
whole turns by the wall and by the processor (all threads of the process, so that another machine's load does not
count), of the way from the close of a bar to its decisions and to the answer to its last order, markets that were
decided, bars that were dropped. `order_stages_ms` is each order's way: close to decision, decision to signature,
signature to answer. `latency_ms.deciles` is their sum and `--network-ms`, which no loopback has, in the form of
`execution.latency_ms`; the last pace is kept in reports/turn_latency.json, from which `oddsmith params latency --from`
takes it.
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
from benchmarks.order_stages import StagedGateway, Stages, document
from pipelines.core import params
from pipelines.core.artifacts import write_json
from pipelines.core.products import report_json
from pipelines.core.settings import Settings
from serving import metrics
from serving.bot import Bot
from serving.turns.bar_turn import BarTurns, Finish
from serving.turns.order_sender import OrderSender, Sending

REPORT: Final = report_json("turn_latency")
NETWORK_MS: Final = 30.0
"""Stated, not measured: a request to the venue and back from the same continent. A ping says what yours takes."""
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
    """Turns that are measured. Of each: milliseconds by wall and processor, and how many markets were decided."""

    turns: list[tuple[float, float, int]] = []  # noqa: RUF012 - one bot at a time
    prepared: list[float] = []  # noqa: RUF012
    answered: list[float] = []  # noqa: RUF012
    closed_at = 0.0
    stages: list[Stages] = []  # noqa: RUF012

    async def prepare(self, account: Any, ts_s: int) -> None:
        """A preparation, measured."""
        began = time.perf_counter()
        await super().prepare(account, ts_s)
        self.prepared.append((time.perf_counter() - began) * 1e3)

    async def take(self, account: Any, feed: Any) -> Finish | None:
        """A turn, measured until its orders are answered and journaled."""
        began, worked = time.perf_counter(), time.process_time()
        Timed.closed_at = feed.closed[1]
        finish = await super().take(account, feed)
        if finish is None:
            return None

        async def finished() -> None:
            await finish()
            took_ms, worked_ms = (time.perf_counter() - began) * 1e3, (time.process_time() - worked) * 1e3
            turn = self._status._turn
            self.turns.append((took_ms, worked_ms, len(turn.decisions) if turn is not None else 0))

        return finished

    def conclude(self, account: Any, sending: Sending, *arguments: Any) -> Any:
        """Notes when the orders of a turn were answered."""
        if sending.orders:
            self.answered.append((time.perf_counter() - Timed.closed_at) * 1e3)
        return super().conclude(account, sending, *arguments)


class TimedSender(OrderSender):
    """Notes the stages of every order."""

    def send_all(self, account: Any, turn: Any, *arguments: Any) -> Any:
        """The orders of a turn, measured from its close."""
        execution = account.execution
        gateway = execution._gateway
        if not isinstance(gateway, StagedGateway):
            gateway = execution._gateway = StagedGateway(gateway, account.accounting.markets)
            gateway.stages = Timed.stages
        gateway.turn_at, gateway.took_ms = Timed.closed_at, self._status._took_ms
        return super().send_all(account, turn, *arguments)


def _at(values: Any, *percents: int) -> dict[str, float | None]:
    return {f"p{one}": round(float(np.percentile(values, one)), 1) if len(values) else None for one in percents}


async def measure(settings: Settings, markets: int, bars: int, bar_s: float, network_ms: float) -> dict[str, Any]:
    """Run the bot until `bars` bars of at least nine tenths of the markets were decided."""
    limits = params.read(Path("params.yaml"))
    limits = limits.model_copy(update={"serving": limits.serving.model_copy(update={"max_markets": markets})})
    bot = Bot(settings, limits)
    bot._turns.__class__ = Timed
    bot._turns.sender.__class__ = TimedSender
    bot.start()
    try:
        deadline = time.monotonic() + WARM_S
        while not [one for one in Timed.turns if one[2] >= 0.9 * markets] and time.monotonic() < deadline:
            await bot.changed(5.0)
        for some in (Timed.turns, Timed.prepared, Timed.answered, Timed.stages):
            some.clear()
        dropped, closed = metrics.BARS_DROPPED._value.get(), bot.status.bars
        await asyncio.sleep(bars * bar_s)
        took, prepared, answered = list(Timed.turns), list(Timed.prepared), list(Timed.answered)
        stages = list(Timed.stages)
        dropped = metrics.BARS_DROPPED._value.get() - dropped
        waited = list(bot.status._recent._values.get("bar", ()))[-len(took) :]
    finally:
        await bot.stop()
    turns, worked = (np.array([one[place] for one in took]) for place in (0, 1))
    parts = {
        "turn_ms": _at(turns, 50, 95, 99),
        "cpu_ms": _at(worked, 50, 99),
        "decision_ms": _at(waited, 50, 95),
        "orders_ms": _at(answered, 50, 95),
        "prepare_ms": _at(prepared, 50, 95),
    }
    return {
        "bar_s": bar_s,
        "markets": int(np.median([one[2] for one in took])) if took else 0,
        "turns": bot.status.bars - closed,
        **{f"{name}_{place}": value for name, values in parts.items() for place, value in values.items()},
        "turns_with_orders": len(answered),
        **document(stages, network_ms),
        "dropped_bars": int(dropped),
        "within_100_ms": round(float((turns < LIMIT_MS).mean()), 3) if took else None,
    }


def _run(asked: argparse.Namespace, bar_s: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if asked.bundle is None:
            tiny_bundle.make(folder / "new")
        else:
            shutil.copytree(asked.bundle, folder / "new")
        bundle = tiny_bundle.promote(folder / "new", folder / "var")[:12]
        world = f"--event-length-min 720 --event-every-min 60 --markets-per-event {-(-asked.markets // 12) + 1}"
        options = f"--seed 1 --speed {60 / bar_s:g} --history-days 1 {world}".split()
        with (folder / "exchange.log").open("w") as log, exchange(options, log) as urls:
            values = {name.removeprefix("ODDSMITH_").lower(): value for name, value in urls.items()}
            settings = Settings(_env_file=None, var=folder / "var", kill_switch=folder / "KILL", **values)
            with busy_core(not asked.idle):
                return {"bundle": bundle} | asyncio.run(
                    measure(settings, asked.markets, asked.bars, bar_s, asked.network_ms)
                )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turn_latency", description=__doc__)
    parser.add_argument("--bundle", type=Path, help="a sealed bundle (a small one that expects the mean to come back)")
    parser.add_argument("--markets", type=int, default=80, help="markets that are followed (%(default)s)")
    parser.add_argument("--bars", type=int, default=60, help="bars that are measured (%(default)s)")
    parser.add_argument("--bar-s", type=float, nargs="+", default=[1.0], help="seconds that a bar lasts (1)")
    said = "of the way to the venue and back, added to the deciles (%(default)s, stated and not measured)"
    parser.add_argument("--network-ms", type=float, default=NETWORK_MS, help=said)
    parser.add_argument("--idle", action="store_true", help="without the busy core")
    asked = parser.parse_args(arguments)
    for bar_s in asked.bar_s:
        figures: dict[str, Any] = {"benchmark": "turn_latency", "cores": os.cpu_count(), "busy_core": not asked.idle}
        figures |= _run(asked, bar_s)
        figures["load"] = round(os.getloadavg()[0], 2)
        print(json.dumps(figures), flush=True)
        write_json(REPORT, figures)
        for some in (Timed.turns, Timed.prepared, Timed.answered, Timed.stages):
            some.clear()
    return 0


if __name__ == "__main__":
    sys.exit(main())
