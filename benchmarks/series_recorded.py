"""The guide's five bots on recorded up/down books, second by second, judged by the gate's criteria on windows that
neither the fills of resting orders (`benchmarks.fills`) nor what a backtest learns were fitted on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import recorded_windows
from benchmarks.fills import TICK, split
from benchmarks.recorded_books import BookSource
from benchmarks.recorded_windows import Window
from benchmarks.series_verdict import Choice, PlayedPolicy, Verdict, judged
from benchmarks.series_world import HORIZON, LENGTH_S
from pipelines.backtest import learned
from pipelines.core.domain import Market, Rewards
from pipelines.core.money import MICRO, PRICE_SCALE, SHARE_GRID
from pipelines.core.params import Params, load
from pipelines.core.venue_dates import taker_delay_ms
from pipelines.features import compute
from pipelines.replay import rules
from pipelines.replay.market_history import History
from pipelines.trading.sizing import NO_SIGNALS
from pipelines.venue.fees import schedule

KINDS = ("temporal_arbitrage", "micro_trades", "ensemble", "systematic", "spike_fading")
MAKER = "micro_trades"
MAKER_SPREADS = (100, 200)
"""Least spreads that the maker is tried with, in price units: these books have mostly one cent."""
CLOSING_BARS = 5
REBATE_SHARE = 0.2
"""Part of the taker's fee that the venue gives makers back in crypto."""
RESTS_S = 4
"""Seconds that a quote may rest: the bar on which it arrives, and three more."""


def windows(sources: Sequence[BookSource]) -> tuple[list[Window], list[Window]]:
    """Windows of recordings that the fills were fitted on, and the later ones of each recording, in the order of
    time."""
    parts = [split(recorded_windows.read(source)) for source in sources]
    first, later = ([window for part in parts for window in part[place]] for place in (0, 1))
    return sorted(first, key=_begin), sorted(later, key=_begin)


def _begin(window: Window) -> int:
    return window.rule.start_s


def history(window: Window) -> History:
    """Bars of a second of one window, with what it paid and the fair value of its reference prices where it has any."""
    rule, known = window.rule, bool(np.isfinite(window.fair).any())
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
        # The maker quotes no market that settles on a reference price which is not known.
        settlement=rule if known else None,
        taker_delay_ms=taker_delay_ms("crypto", rule.end_s),
        rewards=Rewards(rebate_share=REBATE_SHARE),
    )
    features = compute.batch(ts_s, mid, zeros, rule.end_s)
    book = (mid, bid, ask, zeros, ask - bid, features)
    forecast = (np.zeros(len(ts_s)), flat, flat, flat, np.full(len(ts_s), 0.5))
    sizes = (np.column_stack([window.bid_size, window.ask_size]) * 100.0).astype(np.int64) * SHARE_GRID
    past = History(described, ts_s, *book, *forecast, MICRO if window.won else 0)
    return replace(past, sizes_micro=sizes, fair=window.fair if known else None)


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


def measure(sources: Sequence[BookSource], fills: Mapping[str, Any]) -> dict[str, Any]:
    """Each bot on the later windows of each recording: P&L after costs, bounds, verdict. What a backtest learns is
    learned on the earlier ones, on which the fills were fitted too. `fills` is the report of `benchmarks.fills`."""
    params = resting()
    parts = windows(sources)
    first, later = ([history(one) for one in part] for part in parts)
    played: dict[str, PlayedPolicy] = {}
    for name, kind, more in _tried():
        given = learned.given(kind, first, params, LENGTH_S)
        if more:
            given = {**(given or rules.policy_params(kind, params, LENGTH_S)), **more}
        strategy = rules.make(kind, params, NO_SIGNALS, None, LENGTH_S, given=given)
        played[name] = PlayedPolicy.of(replace(strategy, horizon_bars=CLOSING_BARS), later, params)
    # No bot was chosen on these windows, but all were looked at: each is deflated by the luckiest of them.
    choice = Choice([one.statistic for one in played.values()], chosen=False)
    table = {name: _row(one, judged(one, choice, fills)) for name, one in played.items()}
    counts = {"recorded_windows": len(later), "recorded_windows_before": len(first)}
    return counts | {"recorded_with_reference": sum(one.fair is not None for one in later), "recorded": table}


def _row(trial: PlayedPolicy, verdict: Verdict) -> dict[str, Any]:
    row = trial.traded.figures
    return {
        **verdict.document(),
        "round_trips": row.round_trips,
        "fees_pusd": round(row.fees_pusd, 2),
        "rebates_pusd": round(row.rebates_pusd, 2),
    }
