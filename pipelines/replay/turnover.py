"""Parameters of random entries that trade as often, as long and as large as a strategy did."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pipelines.core.money import MICRO
from pipelines.replay.loop import Result, Tape

ROUNDS = 4
CLOSE_ENOUGH = 0.1
"""Relative difference of the number of entries at which the search ends."""


def matched(
    like: Result, tape: Tape, cap_micro: int, length_s: int, seed: int, play: Callable[[dict[str, Any]], Result]
) -> dict[str, Any]:
    """Parameters of `random_matched` whose replay enters about as often as `like`, holds as long and buys as much.

    `cap_micro` is the largest position. Limits refuse many random wishes, so the probability is raised until the
    number of entries that a replay (`play`) makes is within CLOSE_ENOUGH, ROUNDS times at most.
    """
    wanted = entries(like)
    holds = [(one.closed_s - one.opened_s) / length_s for one in like.closed]
    bought = sum(fill.shares_micro * fill.price_units / 1e10 for fill in like.fills if fill.side == "BUY")
    given = {
        "seed": seed,
        "entry_probability": wanted / max(tape.bars, 1),
        "hold_bars": float(np.mean(holds)) if holds else 1.0,
        "fraction": float(np.clip(bought / max(wanted, 1) / (cap_micro / MICRO), 0.01, 1.0)),
    }
    for _ in range(ROUNDS if wanted else 0):
        made = entries(play(given))
        if abs(made - wanted) <= CLOSE_ENOUGH * wanted or given["entry_probability"] >= 1.0:
            break
        given["entry_probability"] = min(given["entry_probability"] * wanted / max(made, 1), 1.0)
    return given


def entries(result: Result) -> int:
    """Number of bars and markets in which something was bought."""
    return len({(fill.market_id, fill.ts_s) for fill in result.fills if fill.side == "BUY"})
