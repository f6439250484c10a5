"""Canaries from labels to money: a learner through the trading engine, with honest, shuffled and leaked labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.contest import Contest
from benchmarks.worlds import world
from pipelines.core.params import read
from pipelines.features.scale import log_odds
from pipelines.forecast import ridge
from pipelines.replay.market_history import touches
from pipelines.replay.performance import pnl_by_event
from pipelines.replay.rules import policy_params
from pipelines.trading.sizing import SizingTable

SHIPPED = read(Path("params.yaml"))
# The canary is about the engine, not the venue's spreads or the shipped size, at which 24 bars of foresight do not
# double the cash: positions of what the limit allows, on books of half a cent or of the least that the grid shows.
SIZING = SHIPPED.sizing.model_copy(update={"max_position_fraction": SHIPPED.risk.max_position_fraction})
PARAMS = SHIPPED.model_copy(update={"sizing": SIZING})
HALF_A_CENT = 50.0
TABLE = SizingTable(0.7, 0.05, 0.03, 500, 9)
HORIZON, LAGS = 24, 6


def moves(past):
    """(n, 24) changes of log-odds that come; rows without a whole future repeat the last price."""
    odds = log_odds(past.mid_units)
    return np.stack([np.append(odds[h:], np.full(h, odds[-1])) - odds for h in range(1, HORIZON + 1)], axis=1)


def inputs(past, leaked):
    """What is learned from: the last changes of log-odds and the sentiment, and the future itself when it leaks."""
    change = np.diff(log_odds(past.mid_units), prepend=log_odds(past.mid_units[:1]))
    lags = [np.append(np.zeros(k), change[: len(change) - k]) for k in range(LAGS)]
    columns = np.stack([*lags, past.sentiment], axis=1) * 30.0
    return np.concatenate([columns, moves(past)[:, [0, -1]] * 30.0], axis=1) if leaked else columns


def narrow(past):
    """The same market with books of half a cent."""
    nothing = np.zeros_like(past.mid_units)
    bid, ask = touches(past.ts_s, past.mid_units, nothing, past.market.tick_units, HALF_A_CENT)
    return replace(past, bid_units=bid, ask_units=ask)


def earned(made, labels):
    """P&L of the threshold rule on a ridge's forecasts in the later part of a world, its interval's lower bound, and
    the trades. What was learned from shuffled labels is made as large as real moves, so that it trades."""
    leaked = labels == "leaked"
    seen = np.concatenate([inputs(past, leaked) for past in made.earlier])
    target = np.concatenate([moves(past) for past in made.earlier])
    if labels == "shuffled":
        target = np.random.default_rng(1).permutation(target)
    weights, bias = ridge.fit(seen, target, np.full(HORIZON, 1.0))
    if labels == "shuffled":
        weights *= target.std() / (seen @ weights).std()
    later = []
    for past in made.later:
        mean = inputs(past, leaked) @ weights + bias
        later.append(replace(past, mean=mean, lower=mean - 0.1, upper=mean + 0.1, confidence=np.ones(len(past))))
    contest = Contest.of(replace(made, later=later), PARAMS, TABLE)
    result = contest.rule("threshold", policy_params("threshold", PARAMS, 60) | {"cost_multiple": 2.0})
    by_event = np.array(list(pnl_by_event(result, contest.markets).values()))
    error = by_event.std(ddof=1) * np.sqrt(len(by_event)) * stats.t.ppf(0.975, len(by_event) - 1)
    return by_event.sum(), by_event.sum() - error, len(result.closed)


@pytest.mark.slow
def test_shuffled_labels_earn_nothing_and_leaked_ones_a_lot():
    """Trained on shuffled labels the pipeline trades and loses; with the future among its inputs it doubles the cash.

    If the first earned, the engine would pay for nothing; if the second did not, it could not pay for anything.
    """
    made = world(5, 1.0, 20, PARAMS.execution)
    made = replace(made, earlier=[narrow(past) for past in made.earlier], later=[narrow(past) for past in made.later])
    shuffled, _, trades = earned(made, "shuffled")
    assert trades > 20
    assert shuffled < 0.0
    honest, _, _ = earned(made, "honest")
    leaked, lower, _ = earned(made, "leaked")
    assert lower > 0.0
    assert leaked > PARAMS.backtest.cash_pusd
    assert leaked > 3.0 * max(honest, 0.0)
