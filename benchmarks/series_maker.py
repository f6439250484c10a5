"""The two-sided maker on simulated series: quotes on bars of a second, fills from evidence, by the gate's criteria."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.series_recorded import CLOSING_BARS, MAKER, REBATE_SHARE, resting
from benchmarks.series_verdict import Choice, PlayedPolicy, judged
from benchmarks.series_world import LENGTH_S, world
from pipelines.core.domain import Rewards
from pipelines.core.money import MICRO
from pipelines.replay import rules
from pipelines.replay.market_history import History
from pipelines.trading.sizing import NO_SIGNALS
from simulator.series.kinds import Series

WINDOWS = 48
LEAST_SPREAD = 100
"""The simulated books have mostly one cent, as the recorded ones."""
LAGS = (0, 2)


def played(lag_s: int, seed: int, *, reference: bool = True) -> PlayedPolicy:
    """The maker in one world whose books follow the reference price `lag_s` late; without `reference` it does not see
    that price, so that its quotes are taken back by the book alone."""
    made = world(Series("BTC", "5m", 60, lag_s), seed, WINDOWS).histories
    paying = [_paying(one if reference else _without_reference(one)) for one in made]
    params = resting()
    given = {**rules.policy_params(MAKER, params, LENGTH_S), "least_spread_units": LEAST_SPREAD}
    strategy = rules.make(MAKER, params, NO_SIGNALS, None, LENGTH_S, given=given)
    return PlayedPolicy.of(replace(strategy, horizon_bars=CLOSING_BARS), paying, params)


def _row(lag_s: int, seed: int, fills: Mapping[str, Any], *, reference: bool) -> dict[str, Any]:
    trial = played(lag_s, seed, reference=reference)
    row = trial.traded.figures
    return {
        "lag_s": lag_s,
        "seed": seed,
        "reference": reference,
        # A world has one maker as it is shipped: nothing was chosen there.
        **judged(trial, Choice([trial.statistic], chosen=False), fills).document(),
        "round_trips": row.round_trips,
        "rebates_pusd": round(row.rebates_pusd, 2),
        "merged_shares": trial.result.merged_micro // MICRO,
    }


def _without_reference(one: History) -> History:
    """The same books as a market that settles on no reference price: the maker does not wait for one."""
    return replace(one, fair=None, market=replace(one.market, settlement=None))


def _paying(one: History) -> History:
    return replace(one, market=replace(one.market, rewards=Rewards(rebate_share=REBATE_SHARE)))


def measure(seeds: Sequence[int], fills: Mapping[str, Any]) -> dict[str, Any]:
    """Every world with and without sight of the reference price, and how many are promoted. `fills` is the report of
    `benchmarks.fills`."""
    rows = [_row(lag_s, seed, fills, reference=sees) for lag_s in LAGS for seed in seeds for sees in (True, False)]
    return {"maker_promoted": sum(row["verdict"] == "promote" for row in rows), "maker": rows}
