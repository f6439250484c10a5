"""The guide's five bots on recorded up/down books, second by second, judged by what they earn for sure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import recorded_windows
from benchmarks.fills import TICK
from benchmarks.recorded_windows import Window
from benchmarks.series_world import HORIZON, LENGTH_S
from pipelines.backtest import learned
from pipelines.core.domain import Market, Rewards
from pipelines.core.money import MICRO, PRICE_SCALE, SHARE_GRID
from pipelines.core.params import Params, load
from pipelines.features import compute
from pipelines.gate.earned import earnings
from pipelines.replay import rules
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import History
from pipelines.replay.performance import figures
from pipelines.trading.sizing import NO_SIGNALS
from pipelines.venue import settlement_rules
from pipelines.venue.fees import schedule, taker_delay_ms

KINDS = ("temporal_arbitrage", "micro_trades", "ensemble", "systematic", "spike_fading")
LEARN_SHARE = 0.5
DEPTH_SHARES = 200
MAKER = "micro_trades"
MAKER_SPREADS = (100, 200)
"""Least spreads that the maker is tried with, in price units: these books have mostly one cent."""
CLOSING_BARS = 5
REBATE_SHARE = 0.2
"""Part of the taker's fee that the venue gives makers back in crypto."""
RESTS_S = 4
"""Seconds that a quote may rest: the bar on which it arrives, and three more."""


def windows(paths: Sequence[Path]) -> list[Window]:
    """Windows of recordings of either form, in the order of time."""
    found = [one for path in paths for one in recorded_windows.of(path)]
    return sorted(found, key=lambda one: one.name.rsplit("-", 1)[1])


def history(window: Window) -> History:
    """Bars of a second of one window, with what it paid."""
    rule = settlement_rules.of_slug(window.name)
    assert rule is not None, "windows are made of slugs that have a rule"
    ts_s = rule.end_s - window.left_s.astype(np.int64)
    bid, ask = (np.round(side * PRICE_SCALE).astype(np.int64) for side in (window.bid, window.ask))
    mid, zeros = (bid + ask) // 2, np.zeros(len(ts_s), dtype=np.int64)
    flat = np.zeros((len(ts_s), HORIZON))
    described = Market(
        market_id=window.name,
        event_id=window.name,
        question=window.name,
        token_yes=f"{window.name} up",
        token_no=f"{window.name} down",
        tick_units=TICK,
        min_size_micro=5 * MICRO,
        fee=schedule("crypto", rule.start_s, rule.length_s),
        start_s=rule.start_s,
        end_s=rule.end_s,
        topic="crypto",
        settlement=rule,
        taker_delay_ms=taker_delay_ms("crypto", rule.end_s),
        rewards=Rewards(rebate_share=REBATE_SHARE),
    )
    features = compute.batch(ts_s, mid, zeros, rule.end_s)
    book = (mid, bid, ask, zeros, ask - bid, features)
    forecast = (np.zeros(len(ts_s)), flat, flat, flat, np.full(len(ts_s), 0.5))
    sizes = (np.column_stack([window.bid_size, window.ask_size]) * 100.0).astype(np.int64) * SHARE_GRID
    past = History(described, ts_s, *book, *forecast, MICRO if window.won else 0)
    return replace(past, sizes_micro=sizes)


def resting() -> Params:
    """The shipped parameters with fills from evidence, and quotes that rest for RESTS_S."""
    params = load()
    execution = params.execution.model_copy(update={"queue": "evidence", "order_ttl_bars": RESTS_S})
    return params.model_copy(update={"execution": execution})


def _tried() -> Iterator[tuple[str, str, dict[str, int]]]:
    for kind in KINDS:
        for units in MAKER_SPREADS if kind == MAKER else ():
            yield f"{kind}_{units}", kind, {"least_spread_units": units}
        if kind != MAKER:
            yield kind, kind, {}


def measure(paths: Sequence[Path]) -> dict[str, Any]:
    """Each bot on the later half of the windows: P&L after costs, bounds, verdict. What a backtest learns is learned on
    the earlier half."""
    params = resting()
    made = [history(one) for one in windows(paths)]
    cut = round(LEARN_SHARE * len(made))
    course, cash, gate = tape(made[cut:], None, DEPTH_SHARES), params.backtest.cash_pusd * MICRO, params.gate
    table = {}
    for name, kind, more in _tried():
        given = learned.given(kind, made[:cut], params, LENGTH_S)
        if more:
            given = {**(given or rules.policy_params(kind, params, LENGTH_S)), **more}
        strategy = rules.make(kind, params, NO_SIGNALS, None, LENGTH_S, given=given)
        result = replay(course, replace(strategy, horizon_bars=CLOSING_BARS), cash)
        row = figures(result, cash, LENGTH_S)
        earned = earnings(result, course, level=gate.confidence_level, samples=gate.bootstrap_samples)
        promoted = earned.lower_pusd > 0.0 and earned.events >= gate.min_events
        table[name] = {
            "verdict": "promote" if promoted else "hold",
            "pnl_pusd": round(earned.pnl_pusd, 2),
            "lower_pusd": round(earned.lower_pusd, 2),
            "round_trips": row.round_trips,
            "fees_pusd": round(row.fees_pusd, 2),
            "rebates_pusd": round(row.rebates_pusd, 2),
        }
    return {"recorded_windows": len(course.markets), "recorded": table}
