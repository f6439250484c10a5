"""How well books and trades forecast the next moves: `python -m benchmarks.microstructure [BOOKS ...] [--trades FILE]`.

BOOKS are Parquet recordings of books: columns bid_px1, bid_sz1, ... of each level, or lists bid_px, bid_sz, ask_px,
ask_sz. `--trades` is a recording of trades whose side is known (timestamp_sec, side, price, shares_normalized). Without
files it measures synthetic markets with sizes that lean (`size_lean` 0.3) and one large informed account among the
traders, whose wallet nobody is told. One JSON line, by source and horizon:

* `ic`: mean over markets of the rank correlation of a feature with the move that follows, with its 95 % interval;
* `adds`: points of skill that features add to a ridge on last moves and spread, on markets it was not fitted on;
* `taker`: what the forecasts with the features earn more than those without, in cents a market, entering and leaving at
  the touch with impact and fees, where the forecast exceeds the round trip;
* `maker`: what a maker earns more, in cents a market before fees and rebates, that quotes a share on both sides of the
  touch at every bar, except where the forecast says that the price will pass the quote. A quote is filled when the next
  mid has reached it, and marked at the horizon; `maker_without` is what it earns without the features;
* `all` has these three of all features together, `each` of every feature by itself;
* `detected`: of the trades that are called large, the share that the planted account made, and the share of its trades
  that are found (synthetic alone).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import rankdata

from benchmarks.mean_interval import mean_interval
from pipelines.core.command_line import exit_status, whole
from pipelines.core.domain import FloatArray, Tape
from pipelines.core.errors import DataError
from pipelines.core.money import MICRO, PRICE_SCALE, SHARE_GRID
from pipelines.features import order_flow
from pipelines.features.order_flow import ACCOUNTS, BOOK, DEPTH, TRADES, Levels
from pipelines.features.touch import IntArray, imbalances, micro_gaps
from pipelines.trading import kernel
from pipelines.venue.data import hashed
from simulator.markets.events import EPOCH_S, Family, build
from simulator.markets.large_account import wallet
from simulator.markets.price_model import Model
from simulator.markets.synthetic import lives
from simulator.markets.timeline import Timeline
from simulator.venue.market_maker import DEPTH as QUOTED

HORIZONS = (1, 5, 24)
LAGS, PENALTY, SAMPLES = 5, 100.0, 1_000
BOOK_FEATURES = ("imbalance_1", "micro_gap", *BOOK)
TRADE_FEATURES = (*TRADES, *ACCOUNTS)
LENGTH_S = 60
RATE, EXPONENT, IMPACT = 0.05, 1.0, 0.125
"""Fees and impact of the taker: the venue's usual schedule and `execution.impact_share`."""
SALT = b"benchmark"
Book = tuple[Levels, Levels]
"""Bids and asks: price in units and size in base units, the best first."""


@dataclass(frozen=True)
class Panel:
    """One market: mid and spread in [0, 1] at every bar, and the features (n, k)."""

    mid: FloatArray
    spread: FloatArray
    features: FloatArray


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.microstructure", description=__doc__)
    parser.add_argument("books", type=Path, nargs="*")
    parser.add_argument("--trades", type=Path)
    parser.add_argument("--events", type=whole(1), default=6, help="of the synthetic markets")
    asked = parser.parse_args(arguments)
    found: dict[str, Any] = {"benchmark": "microstructure"}
    for path in asked.books:
        found[path.stem] = measured(recorded(path), BOOK_FEATURES)
    if asked.trades:
        found[asked.trades.stem] = measured(recorded_trades(asked.trades), TRADE_FEATURES[:2])
    if not asked.books and not asked.trades:
        panels, detected = synthetic(asked.events)
        found["synthetic"] = measured(panels, BOOK_FEATURES + TRADE_FEATURES) | {"detected": detected}
    print(json.dumps(found))


def recorded(path: Path) -> list[Panel]:
    """The markets of a recording of books, a book a second.

    Raises:
        DataError: if its columns are not those of books.
    """
    table = pq.read_table(path)
    names = set(table.schema.names)
    market = next((name for name in ("market_id", "slug") if name in names), None)
    time = next((name for name in ("server_ms", "ts") if name in names), None)
    if market is None or time is None or not names & {"bid_px1", "bid_px"}:
        raise DataError(f"{path} has the columns {sorted(names)}; books need a market, a time and bid_px1 or bid_px")
    if "side" in names:
        table = table.filter(np.asarray(table["side"].to_numpy(zero_copy_only=False)) == "UP")
    keys, ms = np.asarray(table[market].to_numpy(zero_copy_only=False)), np.asarray(table[time].to_numpy())
    levels = {side: _levels(table, side) for side in ("bid_px", "bid_sz", "ask_px", "ask_sz")}
    panels = []
    for key in np.unique(keys):
        rows = np.flatnonzero(keys == key)
        rows = rows[np.argsort(ms[rows], kind="stable")]
        seconds = ms[rows] // 1_000
        rows = rows[np.append(np.diff(seconds) > 0, True)]
        bid, ask = levels["bid_px"][rows, 0], levels["ask_px"][rows, 0]
        good = (levels["bid_sz"][rows, 0] > 0) & (levels["ask_sz"][rows, 0] > 0) & (ask > bid)
        if good.sum() > 10 * max(HORIZONS):
            rows, bid, ask = rows[good], bid[good], ask[good]
            sides = ((f"{side}_px", f"{side}_sz") for side in ("bid", "ask"))
            books = zip(*(_side(levels[price][rows], levels[size][rows]) for price, size in sides), strict=True)
            panels.append(Panel((bid + ask) / 2.0, ask - bid, _book_features(list(books))))
    return panels


def _levels(table: Any, side: str) -> FloatArray:
    if f"{side}1" in table.schema.names:
        columns = [np.asarray(table[f"{side}{level}"].to_numpy(), dtype=np.float64) for level in range(1, DEPTH + 1)]
        return np.nan_to_num(np.column_stack(columns))
    made = np.zeros((table.num_rows, DEPTH))
    for row, level in enumerate(table[side].to_pylist()):
        kept = (level or [])[:DEPTH]
        made[row, : len(kept)] = kept
    return made


def _side(prices: FloatArray, sizes: FloatArray) -> list[Levels]:
    """One side of many books from prices in [0, 1] and sizes in shares, (n, L) each."""
    units, micro = np.rint(prices * PRICE_SCALE).astype(int), np.rint(sizes * MICRO).astype(int)
    pairs = zip(units.tolist(), micro.tolist(), strict=True)
    return [[level for level in zip(*pair, strict=True) if level[1] > 0] for pair in pairs]


def _book_features(books: Sequence[Book]) -> FloatArray:
    """BOOK_FEATURES of every book, (n, 6)."""
    shown = [(*(bids or [(0, 0)])[0], *(asks or [(PRICE_SCALE, 0)])[0]) for bids, asks in books]
    touch = np.array(shown, dtype=np.int64)
    sizes = touch[:, [1, 3]]
    lean = np.where(sizes.min(axis=1) > 0, imbalances(*sizes.T), 0.0)
    return np.column_stack(
        [lean, micro_gaps(touch[:, 0], touch[:, 2], sizes), np.array([order_flow.book_values(*book) for book in books])]
    )


def recorded_trades(path: Path) -> list[Panel]:
    """The days of a recording of one token's trades, a bar a minute at the last price."""
    table = pq.read_table(path).to_pydict()
    order = np.argsort(table["timestamp_sec"], kind="stable")
    ts, price, size = (np.asarray(table[name])[order] for name in ("timestamp_sec", "price", "shares_normalized"))
    whole = Tape(
        ts.astype(np.int64),
        np.rint(price * PRICE_SCALE).astype(np.int64),
        np.rint(size * MICRO).astype(np.int64),
        np.asarray(table["side"])[order] == "BUY",
        np.zeros(len(ts), np.int64),
    )
    panels = []
    for day in np.unique(ts // 86_400):
        tape = whole.where(ts // 86_400 == day)
        at = np.arange(tape.ts_s[0] // LENGTH_S + 1, tape.ts_s[-1] // LENGTH_S, dtype=np.int64) * LENGTH_S
        if len(at) <= 10 * max(HORIZONS):
            continue
        last = tape.price_units[np.searchsorted(tape.ts_s, at, side="right") - 1]
        features = order_flow.values(tape, at.tolist(), last.tolist(), LENGTH_S)[:, : len(TRADES)]
        panels.append(Panel(last / PRICE_SCALE, np.full(len(at), 0.01), features))
    return panels


def synthetic(events: int) -> tuple[list[Panel], dict[str, float]]:
    """Markets of the simulator with sizes that lean and a large account, and how well that account is found."""
    model = Model(edge=0.5, size_lean=0.3, large_account=0.5)
    family = Family(701, model, event_length_min=720, event_every_min=60, markets_per_event=6)
    built = [build(family, number) for number in range(events)]
    made = lives(family, built)
    timeline = Timeline(60)
    timeline.accept(made, ())
    timeline.reveal(EPOCH_S + (events * 60 + 719) * 60)
    number = {account: hashed(wallet(account), SALT) for account in range(61)}
    planted, panels, right, called, its = number[0], [], 0, 0, 0
    for life in made:
        noise = timeline.trades(life.listing.market_id)
        assert noise.accounts is not None
        account = np.array([number[one] for one in noise.accounts.tolist()], dtype=np.int64)
        tape = Tape(noise.ts_s, noise.price_units, noise.shares_micro, noise.buys, account)
        bid, ask = (side.astype(np.int64) for side in (life.bid, life.ask))
        good = (bid > 0) & (ask < PRICE_SCALE)
        sizes = life.bid_size[good], life.ask_size[good]
        books = _ladders(bid[good], ask[good], sizes, life.listing.tick_units)
        at = life.listing.start_s + LENGTH_S * np.arange(len(bid), dtype=np.int64)
        flows = order_flow.values(tape, at.tolist(), ((bid + ask) // 2).tolist(), LENGTH_S)
        trades = np.column_stack((flows, _positions(tape, at)))[good]
        mid, spread = (bid + ask)[good] / (2.0 * PRICE_SCALE), (ask - bid)[good] / PRICE_SCALE
        panels.append(Panel(mid, spread, np.hstack((_book_features(books), trades))))
        large = _large(tape)
        right += int((account[large] == planted).sum())
        called += int(large.sum())
        its += int((account == planted).sum())
    return panels, {"precision": round(right / max(called, 1), 3), "recall": round(right / max(its, 1), 3)}


def _positions(tape: Tape, at_s: IntArray) -> FloatArray:
    """`large_position` at each close, (n,), of what the accounts of a tape held a bar before."""
    names, account = np.unique(tape.account, return_inverse=True)
    signed = np.where(tape.buys, tape.shares_micro, -tape.shares_micro)
    held, told, made = np.zeros(len(names), np.int64), 0, []
    for end in np.searchsorted(tape.ts_s, at_s - LENGTH_S, side="right").tolist():
        np.add.at(held, account[told:end], signed[told:end])
        told = end
        yes, no = ({str(n): float(held[n] * sign) for n in np.flatnonzero(held * sign > 0)} for sign in (1, -1))
        made.append(order_flow.large_position(yes, no))
    return np.array(made)


def _large(tape: Tape) -> Any:
    """Which trades are called large, (n,)."""
    accounts = order_flow.LargeAccounts(LENGTH_S)
    rows = zip(tape.ts_s.tolist(), tape.shares_micro.tolist(), tape.buys.tolist(), tape.account.tolist(), strict=True)
    return np.array([accounts.trade(*row) for row in rows], dtype=bool)


def _ladders(bid: IntArray, ask: IntArray, sizes: tuple[Any, Any], tick: int) -> list[Book]:
    """The books that the market maker quotes around the best prices."""
    depth = np.arange(QUOTED)
    sides = []
    for best, size, step in ((bid, sizes[0], -tick), (ask, sizes[1], tick)):
        price = best[:, None] + step * depth
        shown = np.where((price > 0) & (price < PRICE_SCALE), size[:, None] * SHARE_GRID * (1.0 + depth / 2.0), 0.0)
        sides.append(_side(price / PRICE_SCALE, shown / MICRO))
    return list(zip(*sides, strict=True))


def measured(panels: Sequence[Panel], names: Sequence[str]) -> dict[str, Any]:
    """Everything that the line says of one source."""
    found: dict[str, Any] = {"markets": len(panels), "bars": sum(len(one.mid) for one in panels)}
    for horizon in HORIZONS:
        found[f"h{horizon}"] = {
            "ic": {name: _interval(_ic(panels, at, horizon)) for at, name in enumerate(names)},
            "all": _added(panels, horizon, range(len(names))),
            "each": {name: _added(panels, horizon, [at]) for at, name in enumerate(names)},
        }
    return found


def _ic(panels: Sequence[Panel], column: int, horizon: int) -> FloatArray:
    """Rank correlation in each market, (markets,); markets in which either never changes are left out."""
    values = []
    for one in panels:
        x, y = one.features[:-horizon, column], one.mid[horizon:] - one.mid[:-horizon]
        if np.ptp(x) > 0.0 and np.ptp(y) > 0.0:
            values.append(float(np.corrcoef(rankdata(x), rankdata(y))[0, 1]))
    return np.array(values)


def _added(panels: Sequence[Panel], horizon: int, features: Sequence[int]) -> dict[str, Any]:
    """Skill and P&L of a taker and of a maker with some features less without any, each market judged by the other
    half's weights."""
    data = [_regression(one, horizon) for one in panels]
    size = LAGS + 1
    scale = np.sqrt(np.mean(np.concatenate([x for x, _, _ in data]) ** 2, axis=0)) + 1e-12
    errors, still = np.zeros((2, len(data))), np.array([np.sum(moved**2) for _, moved, _ in data])
    taken, made = np.zeros((2, len(data))), np.zeros((2, len(data)))
    for kind, columns in enumerate(([*range(size)], [*range(size), *(size + at for at in features)])):
        for half in (0, 1):
            fitted = [at for at in range(len(data)) if at % 2 != half]
            judged = [at for at in range(len(data)) if at % 2 == half]
            if not fitted or not judged:
                return dict.fromkeys(("adds", "taker", "maker", "maker_without"))
            x = np.concatenate([data[at][0] for at in fitted])[:, columns] / scale[columns]
            y = np.concatenate([data[at][1] for at in fitted])
            weights = np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ y)
            for at in judged:
                inputs, moved, cost = data[at]
                forecast = inputs[:, columns] / scale[columns] @ weights
                errors[kind, at] = np.sum((moved - forecast) ** 2)
                taken[kind, at] = _taker(forecast, moved, cost, horizon)
                made[kind, at] = _maker(forecast, moved, panels[at], horizon)
    more = {name: _interval(100.0 * (pnl[1] - pnl[0])) for name, pnl in (("taker", taken), ("maker", made))}
    return {"adds": _skill(errors, still), **more, "maker_without": _interval(100.0 * made[0])}


def _maker(forecast: FloatArray, moved: FloatArray, one: Panel, horizon: int) -> float:
    """P&L of a share quoted at both sides of the touch of every bar whose price the forecast does not pass."""
    half = one.spread[:-horizon] / 2.0
    passed = np.diff(one.mid)[: len(moved)]
    bought, sold = passed <= -half, passed >= half
    kept_bid, kept_ask = forecast >= -half, forecast <= half
    return float(np.sum((half + moved)[bought & kept_bid]) + np.sum((half - moved)[sold & kept_ask]))


def _regression(one: Panel, horizon: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Inputs (last moves, spread, features), the moves that follow, and what a round trip costs, bar by bar."""
    move = np.diff(one.mid, prepend=one.mid[0])
    lags = np.column_stack([np.roll(move, lag) * (np.arange(len(move)) >= lag) for lag in range(LAGS)])
    inputs = np.column_stack((lags, one.spread - one.spread.mean(), one.features))[:-horizon]
    units = one.spread * PRICE_SCALE, one.mid * PRICE_SCALE
    cost = np.array([kernel.round_trip_units(*row, IMPACT, RATE, EXPONENT) for row in zip(*units, strict=True)])
    return inputs, one.mid[horizon:] - one.mid[:-horizon], cost[:-horizon] / PRICE_SCALE


def _taker(forecast: FloatArray, moved: FloatArray, cost: FloatArray, horizon: int) -> float:
    """P&L per share of trades that do not overlap: in where the forecast exceeds the round trip, out at the horizon."""
    total, free = 0.0, 0
    for at in np.flatnonzero(np.abs(forecast) > cost).tolist():
        if at >= free:
            total += float(np.sign(forecast[at]) * moved[at] - cost[at])
            free = at + horizon
    return total


def _skill(errors: FloatArray, still: FloatArray) -> list[float]:
    rng = np.random.default_rng(0)

    def points(rows: Any) -> float:
        root = np.sqrt(errors[:, rows].sum(axis=1) / still[rows].sum())
        return float(100.0 * (root[0] - root[1]))

    drawn = [points(rng.integers(0, len(still), len(still))) for _ in range(SAMPLES)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return [round(one, 3) for one in (points(slice(None)), float(low), float(high))]


def _interval(values: FloatArray) -> list[float] | None:
    """Mean over markets and its 95 % bootstrap interval; None without markets."""
    if not len(values):
        return None
    return [round(one, 4) for one in mean_interval(values, samples=SAMPLES)]


if __name__ == "__main__":
    sys.exit(exit_status("microstructure", main))
