"""python -m benchmarks.guide_returns: the guide's table of returns over 30 and 90 days, on long simulated histories.

The bot (the threshold rule on the Kalman limit's forecasts), buy and hold, and random entries with the bot's turnover
trade the same markets one after the other: two events a day, none alive at the same time as the next, each account
going on with what it has. Rows of CHUNK_DAYS days are kept in reports/guide_returns.jsonl, so that a stopped run goes
on. A return is that of the first days of a world, so every account begins with the same cash; the table has the mean
over worlds, and intervals of a bootstrap over worlds.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.worlds import stretch
from pipelines.core.artifacts import write_bytes
from pipelines.core.command_line import number, whole
from pipelines.core.domain import FloatArray, Outcome
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import Params, load
from pipelines.core.products import REPORTS
from pipelines.replay import rules
from pipelines.replay.loop import DAY_S, Result, Tape, replay, tape
from pipelines.replay.market_history import History
from pipelines.replay.signals import sizing_table
from pipelines.replay.turnover import matched
from pipelines.trading.sizing import SizingTable
from simulator.markets.events import Family
from simulator.markets.price_model import Model

KEPT: Final = REPORTS / "guide_returns.jsonl"
PAGE: Final = Path("docs/results/guide-returns.md")
LENGTH_S: Final = 60
CHUNK_DAYS: Final = 3
EVENTS_A_DAY: Final = 2
MARKETS: Final = 6
PERIODS: Final = (30, 90)
DRAWS: Final = 2_000
NAMES: Final = {"threshold": "bot (threshold rule)", "buy_and_hold": "buy and hold", "random_matched": "random"}
GUIDE: Final = {
    "threshold": ("+12 to +18 %", "+35 to +52 %"),
    "buy_and_hold": ("+3 to +5 %", "+9 to +15 %"),
    "random_matched": ("-2 to -1 %", "-5 to -3 %"),
}


@dataclass(frozen=True)
class LongWorld:
    """One world, and what decides before its first day: the sizing table and the turnover of random entries."""

    edge: float
    seed: int
    params: Params
    family: Family
    table: SizingTable
    random: Mapping[str, Any]


def course(edge: float, seed: int, params: Params) -> LongWorld:
    """The world of a seed; its first chunk sizes the bot and tells random entries how often to trade."""
    minutes = 24 * 60 // EVENTS_A_DAY
    family = Family(seed, Model(edge=edge), minutes, minutes, MARKETS)
    before = stretch(family, 0, CHUNK_DAYS * EVENTS_A_DAY, params.execution)
    table, cash = sizing_table(before, params), params.backtest.cash_pusd * MICRO
    known = tape(before, None, params.execution.model_depth_shares)
    like = replay(known, rules.make("threshold", params, table, None, LENGTH_S), cash)
    cap = int(params.sizing.max_position_fraction * cash)

    def play(given: dict[str, Any]) -> Result:
        return replay(known, rules.make("random_matched", params, table, None, LENGTH_S, given=given), cash)

    return LongWorld(edge, seed, params, family, table, matched(like, known, cap, LENGTH_S, seed, play))


def chunk(made: LongWorld, number: int, cash: Mapping[str, int]) -> dict[str, Any]:
    """Some days of every strategy: equity at the end of each day and at the end, in base units."""
    events = CHUNK_DAYS * EVENTS_A_DAY
    histories = stretch(made.family, (1 + number) * events, events, made.params.execution)
    known = tape(histories, None, made.params.execution.model_depth_shares)
    days = {}
    for kind in NAMES:
        given = dict(made.random) if kind == "random_matched" else None
        strategy = rules.make(kind, made.params, made.table, None, LENGTH_S, given=given)
        days[kind] = _days(replay(known, strategy, cash[kind]), known, histories)
    return {"edge": made.edge, "seed": made.seed, "chunk": number, "days": days}


def _days(result: Result, known: Tape, histories: Sequence[History]) -> list[int]:
    """Equity at the end of each day; what is held at the end is worth what its markets pay."""
    ts_s, equity = np.asarray(result.ts_s), np.asarray(result.equity_micro)
    day = (ts_s - 1) // DAY_S
    last = np.append(np.flatnonzero(np.diff(day)), len(day) - 1)
    mids = {one.market.market_id: int(one.mid_units[-1]) for one in histories}
    owed = 0
    for market_id, position in result.held.items():
        yes = position.outcome is Outcome.YES
        paid = known.payouts_micro[market_id] * PRICE_SCALE // MICRO
        gained = paid - mids[market_id]
        owed += position.shares_micro * (gained if yes else -gained) // PRICE_SCALE
    found: list[int] = equity[last].tolist()
    return [*found[:-1], found[-1] + owed]


def rows(edge: float, seed: int, days: int, params: Params, kept: Path = KEPT) -> list[dict[str, Any]]:
    """Every chunk of a world up to a number of days, those of an earlier run from the file."""
    known = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    done = sorted((one for one in known if (one["edge"], one["seed"]) == (edge, seed)), key=lambda one: one["chunk"])
    wanted, made = -(-days // CHUNK_DAYS), None
    kept.parent.mkdir(parents=True, exist_ok=True)
    for count in range(len(done), wanted):
        made = made or course(edge, seed, params)
        start = dict.fromkeys(NAMES, params.backtest.cash_pusd * MICRO)
        cash = {kind: done[-1]["days"][kind][-1] for kind in NAMES} if done else start
        done.append(chunk(made, count, cash))
        with kept.open("a") as file:
            file.write(json.dumps(done[-1]) + "\n")
    return done[:wanted]


def daily(found: Sequence[Mapping[str, Any]], kind: str, cash_micro: int) -> FloatArray:
    """Returns of a strategy by day."""
    equity = np.array([cash_micro, *(value for one in found for value in one["days"][kind])], np.float64)
    returns: FloatArray = equity[1:] / np.maximum(equity[:-1], 1.0) - 1.0
    return returns


def period(returns: FloatArray, days: int) -> float | None:
    """Return of the first `days` days; None where the history is shorter."""
    return float(np.prod(1.0 + returns[:days]) - 1.0) if len(returns) >= days else None


def over_worlds(values: Sequence[float | None]) -> dict[str, float] | None:
    """Mean of one value a world with its 95 % interval over worlds; None where a world has no value."""
    if not values or None in values:
        return None
    known = np.array(values, np.float64)
    drawn = np.random.default_rng(0).integers(0, len(known), (DRAWS, len(known)))
    low, high = np.percentile(known[drawn].mean(axis=1), (2.5, 97.5))
    return {"mean": float(known.mean()), "low": float(low), "high": float(high)}


def drawdown(returns: FloatArray) -> float:
    """Largest fall from a peak of the equity at the ends of days."""
    equity = np.append(1.0, np.cumprod(1.0 + returns))
    return float(np.max(1.0 - equity / np.maximum.accumulate(equity)))


def document(worlds: Sequence[Sequence[Mapping[str, Any]]], params: Params) -> dict[str, Any]:
    """The table of one edge: per strategy the returns, and what the bot returned more on the same worlds."""
    cash = params.backtest.cash_pusd * MICRO
    played = {kind: [daily(found, kind, cash) for found in worlds] for kind in NAMES}
    about: dict[str, Any] = {"edge": worlds[0][0]["edge"], "worlds": len(worlds), "days": len(played["threshold"][0])}
    for kind, returns in played.items():
        about[kind] = {
            "sharpe": float(np.median([_sharpe(one) for one in returns])),
            "max_drawdown": float(np.median([drawdown(one) for one in returns])),
        }
        for days in PERIODS:
            own = [period(one, days) for one in returns]
            bot = [period(one, days) for one in played["threshold"]]
            more = [None if a is None or b is None else a - b for a, b in zip(bot, own, strict=True)]
            about[kind] |= {f"{days}_days": over_worlds(own), f"bot_more_{days}_days": over_worlds(more)}
    return about


def _sharpe(returns: FloatArray) -> float:
    """Of a year's days; 0 for an account that never moved."""
    spread = float(returns.std(ddof=1))
    return float(returns.mean()) / spread * float(np.sqrt(365.0)) if spread > 0.0 else 0.0


def page(tables: Sequence[Mapping[str, Any]]) -> str:
    """The page of results."""
    lines = [
        "# Returns over 30 and 90 days",
        "",
        f"`python -m benchmarks.guide_returns`: {EVENTS_A_DAY} events a day of {MARKETS} simulated markets, one after"
        " the other, bars of a minute, after spread, impact and fees. Every account begins with"
        " 10,000 pUSD and goes on with what it has: the shown size of the books limits what a large one can earn."
        " The bot is the threshold rule on the best possible forecast of these markets, so its row is a limit and no"
        " promise: at edge 1 every disturbance of a price reverts, which no recording shows (they are like 0.5). Buy"
        " and hold pays what markets pay, less costs; random entries have the bot's turnover, so they show what it"
        " costs. Mean over worlds and its 95 % interval (bootstrap over worlds); Sharpe and drawdown are medians over"
        " worlds. The guide's figures, for comparison, are claims without a data set.",
        "",
        "| edge | worlds | strategy | 30 days | 90 days | bot less this, 90 days | Sharpe, a year | max drawdown"
        " | guide: 30 days | 90 days |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for table in tables:
        for kind, name in NAMES.items():
            one = table[kind]
            shown = " | ".join(_shown(one[f"{days}_days"]) for days in PERIODS)
            more = "" if kind == "threshold" else _shown(one[f"bot_more_{PERIODS[-1]}_days"])
            guide = " | ".join(GUIDE[kind])
            lines.append(
                f"| {table['edge']:g} | {table['worlds']} | {name} | {shown} | {more} | {one['sharpe']:.1f}"
                f" | {one['max_drawdown']:.1%} | {guide} |"
            )
    return "\n".join(lines) + "\n"


def _shown(one: Mapping[str, float] | None) -> str:
    if one is None:
        return "history too short"
    return f"{one['mean']:+.1%} [{one['low']:+.1%}, {one['high']:+.1%}]"


def main() -> None:
    """Measure, keep, print one line and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guide_returns", description=__doc__)
    parser.add_argument("--days", type=whole(1), default=max(PERIODS), help="days of history (90)")
    parser.add_argument("--edges", type=number(0, 1), nargs="+", default=[0.0, 0.5, 1.0], help="(0, 0.5 and 1)")
    parser.add_argument("--worlds", type=whole(1), default=10, help="of every edge, from seed 1 on (10)")
    given, params = parser.parse_args(), load()
    tables = [
        document([rows(edge, seed, given.days, params) for seed in range(1, given.worlds + 1)], params)
        for edge in given.edges
    ]
    write_bytes(PAGE, page(tables).encode())
    print(json.dumps({"guide_returns": tables}))


if __name__ == "__main__":
    main()
