"""Examples of peers that trade bars or quotes: gym-anytrading, vectorbt, nautilus_trader."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.scripted import FREE, HUGE, ScriptedQuotes, replayed, stepped
from pipelines.core.domain import FeeSchedule, FloatArray
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.replay.market_history import IntArray

CASH_PUSD = 100_000
GRIDS = ("its prices", "prices on our grid")
ROUNDED = "ours are rounded to steps of 1e-4"
KEPT = "an entry of ours keeps 1e-6 pUSD a share"
SINGLE = f"it counts in float32; {KEPT}"

FOREX_FEE, SELL_FEE, BUY_FEE = 0.0003, 0.01, 0.005
"""Defaults of gym-anytrading: per dollar price of a euro, and shares of the notional of stocks."""


def compared(theirs: Sequence[float | None], ours: FloatArray) -> dict[str, float]:
    """Final gains and differences; where their curve says nothing (null) it is not compared."""
    curve = np.array(theirs, dtype=np.float64)
    return {
        "theirs": round(float(curve[-1]), 8),
        "ours": round(float(ours[-1]), 8),
        "difference": round(float(ours[-1] - curve[-1]), 8),
        "largest_on_curve": round(float(np.nanmax(np.abs(curve - ours))), 8),
    }


def on_grid(prices: FloatArray, step: float) -> IntArray:
    """Prices in our units, of which one is `step` of theirs."""
    return np.rint(prices / step).astype(np.int64)


def described(example: str, costs: str, wanted: IntArray) -> dict[str, Any]:
    """What was run."""
    return {"example": example, "costs": costs, "bars": len(wanted), "changes": int(np.abs(np.diff(wanted)).sum())}


def gym_anytrading() -> Iterator[dict[str, Any]]:
    """README's complete example on the environment, and the same over all shipped data; gain of an account of 1."""
    steps = (("forex-v0", (50, 100), 1e-4), ("forex-v0", None, 1e-4), ("stocks-v0", (50, 100), 0.027))
    cases = [
        {"env": env, "frame": frame, "step": step, "fees": fees, "grid": step if fitted else None}
        for env, frame, step in (*steps, ("stocks-v0", None, 0.13))
        for fees, fitted in ((False, False), (False, True), (True, True))
    ]
    for case, record in zip(cases, peers.asked("gym-anytrading", cases), strict=True):
        wanted, fitted = np.array(record["wanted"]), case["grid"] is not None
        quotes = random_actions(case, np.array(record["price"]), wanted)
        why = f"{ROUNDED}: bid and ask" if case["fees"] else SINGLE if fitted else f"{ROUNDED}: the prices"
        frame = "all data" if case["frame"] is None else "bars 50 to 100"
        yield {
            **described(f"{case['env']}, {frame}, {GRIDS[fitted]}", "its fees" if case["fees"] else "none", wanted),
            **compared(record["gained"], stepped(quotes, CASH_PUSD * MICRO) / CASH_PUSD),
            "reason": why,
        }


def random_actions(case: dict[str, Any], price: FloatArray, wanted: IntArray) -> ScriptedQuotes:
    """The quotes of an environment of gym-anytrading: its fees are a spread around what it trades. In forex an account
    in euros trades dollars."""
    forex = case["env"] == "forex-v0"
    value = 1.0 / price if forex else price
    bid = ask = value
    if case["fees"]:
        bid, ask = (value, 1.0 / (price - FOREX_FEE)) if forex else (value * (1 - SELL_FEE), value / (1 - BUY_FEE))
    mid, bids, asks = (on_grid(prices, case["step"]) for prices in (value, bid, ask))
    return ScriptedQuotes(mid, bids, asks, wanted)


@dataclass(frozen=True)
class Costs:
    """The same costs for both: prices that orders fill at there, our touch, the fee there per notional, and ours."""

    name: str
    price: FloatArray
    fills: tuple[FloatArray, FloatArray]
    touch: tuple[IntArray, IntArray]
    fees: FloatArray
    fee: FeeSchedule
    reason: str


def vectorbt() -> Iterator[dict[str, Any]]:
    """README's crossover of two averages on a generated path (its own is a download); gain of an account of 100."""
    price = 100.0 * np.exp(np.random.default_rng(7).normal(0.0, 0.02, 1_500).cumsum())
    step = float(price.max()) * 1.05 / PRICE_SCALE
    mid = on_grid(price, step)
    cases = crossover_costs(price, mid, step)
    names = ("price", "bid", "ask", "fees")
    settings = [
        {name: column.tolist() for name, column in zip(names, (one.price, *one.fills, one.fees), strict=True)}
        for one in cases
    ]
    for one, record in zip(cases, peers.asked("vectorbt", settings), strict=True):
        wanted = np.array(record["wanted"])
        gained = replayed(ScriptedQuotes(mid, *one.touch, wanted, one.fee), CASH_PUSD * MICRO) * 100.0 / CASH_PUSD
        example = f"averages of 10 and 50, {GRIDS[one.price is not price]}"
        yield {**described(example, one.name, wanted), **compared(record["gained"], gained), "reason": one.reason}


def crossover_costs(price: FloatArray, mid: IntArray, step: float) -> list[Costs]:
    """Nothing; a spread; our venue's fee, which is rate x (1 - p) of the notional; and a thousandth of the notional,
    which we can say as a spread only."""
    fitted: FloatArray = mid.astype(np.float64) * step
    none = np.zeros(len(mid))
    spread, shares = (mid - 20, mid + 20), (on_grid(fitted * 0.999, step), on_grid(fitted * 1.001, step))
    wide = (fitted - 20 * step, fitted + 20 * step)
    rate = FeeSchedule(0.05)
    curve = rate.rate * (1.0 - mid / PRICE_SCALE)
    both, level = (fitted, fitted), (mid, mid)
    return [
        Costs("none", price, (price, price), level, none, FREE, f"{ROUNDED}: the prices"),
        Costs("none", fitted, both, level, none, FREE, KEPT),
        Costs("spread of 40 units", fitted, wide, spread, none, FREE, KEPT),
        Costs("our venue's fee, rate 0.05", fitted, both, level, curve, rate, f"{KEPT}; our fees in steps of 1e-5"),
        Costs("0.1 % of the notional", fitted, both, shares, none + 0.001, FREE, f"{ROUNDED}: bid and ask"),
    ]


def nautilus() -> Iterator[dict[str, Any]]:
    """The quickstart: a crossover that turns 100,000 euros on its own generated minutes; gain in dollars. Its prices of
    five digits less a constant are exactly ours, and 10,000 of our shares move as 100,000 euros do."""
    bars = quickstart()
    point = np.rint(bars["close"] * 1e5).astype(np.int64)
    mid = point - point.min() + 1_000
    given = {name: column.tolist() for name, column in bars.items()}
    quoted = given | {"bid": ((point - 2) / 1e5).tolist(), "ask": ((point + 2) / 1e5).tolist()}
    cases = (("bars", "none", given, 0), ("quotes", "spread of 4 points", quoted, 2))
    records = peers.asked("nautilus", [settings for _, _, settings, _ in cases])
    for (name, costs, _, half), record in zip(cases, records, strict=True):
        wanted = np.array(record["wanted"])
        gained = replayed(ScriptedQuotes(mid, mid - half, mid + half, wanted), HUGE, 10_000.0)
        example = f"quickstart on {name}, averages of 10 and 20"
        yield {**described(example, costs, wanted), **compared(record["gained"], gained), "reason": ""}


def quickstart() -> dict[str, FloatArray]:
    """The minutes that the quickstart makes: a random walk around 1.10, closes of five digits."""
    rng, count = np.random.default_rng(42), 10_000
    opened = 1.10 + rng.normal(0.0, 0.0002, count).cumsum()
    reach = np.abs(rng.normal(0.0, 0.0003, count))
    close = np.round(opened + rng.normal(0.0, 0.00005, count), 5)
    high, low = np.maximum(opened + reach, close), np.minimum(opened - reach, close)
    return {"open": opened, "high": high, "low": low, "close": close}
