"""The two-sided maker on simulated series: quotes on bars of a second, fills from evidence, judged as the gate does."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.series_recorded import CLOSING_BARS, DEPTH_SHARES, MAKER, REBATE_SHARE, resting
from benchmarks.series_world import LENGTH_S, world
from pipelines.core.domain import Rewards
from pipelines.core.money import MICRO
from pipelines.gate.earned import earnings
from pipelines.replay import rules
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import History
from pipelines.replay.performance import figures
from pipelines.trading.sizing import NO_SIGNALS
from simulator.series.kinds import Series

WINDOWS = 48
LEAST_SPREAD = 100
"""The simulated books have mostly one cent, as the recorded ones."""
LAGS = (0, 2)


def judged(lag_s: int, seed: int, *, reference: bool = True) -> dict[str, Any]:
    """The maker in one world whose books follow the reference price `lag_s` late; without `reference` it does not see
    that price, so that its quotes are taken back by the book alone."""
    made = world(Series("BTC", "5m", 60, lag_s), seed, WINDOWS).histories
    paying = [_paying(one if reference else replace(one, fair=None)) for one in made]
    params = resting()
    given = {**rules.policy_params(MAKER, params, LENGTH_S), "least_spread_units": LEAST_SPREAD}
    strategy = rules.make(MAKER, params, NO_SIGNALS, None, LENGTH_S, given=given)
    course, cash, gate = tape(paying, None, DEPTH_SHARES), params.backtest.cash_pusd * MICRO, params.gate
    result = replay(course, replace(strategy, horizon_bars=CLOSING_BARS), cash)
    earned = earnings(result, course, level=gate.confidence_level, samples=gate.bootstrap_samples)
    row = figures(result, cash, LENGTH_S)
    return {
        "lag_s": lag_s,
        "seed": seed,
        "reference": reference,
        "verdict": "promote" if earned.lower_pusd > 0.0 and earned.events >= gate.min_events else "hold",
        "pnl_pusd": round(earned.pnl_pusd, 2),
        "lower_pusd": round(earned.lower_pusd, 2),
        "round_trips": row.round_trips,
        "rebates_pusd": round(row.rebates_pusd, 2),
        "merged_shares": result.merged_micro // MICRO,
    }


def _paying(one: History) -> History:
    return replace(one, market=replace(one.market, rewards=Rewards(rebate_share=REBATE_SHARE)))


def measure(seeds: Sequence[int]) -> dict[str, Any]:
    """Every world with and without sight of the reference price, and how many are promoted."""
    rows = [judged(lag_s, seed, reference=sees) for lag_s in LAGS for seed in seeds for sees in (True, False)]
    return {"maker_promoted": sum(row["verdict"] == "promote" for row in rows), "maker": rows}
