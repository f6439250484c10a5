"""Rows that nothing may learn from: each is set aside with the first rule that it breaks, and nothing is lost.

data/raw stays as it was pulled. data/quarantine has the rows that `featurize` leaves out, with their reason; the next
run of `validate` looks at all of them again, so a row that a mended rule accepts comes back by itself. Rows in = rows
kept + rows set aside, table by table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

REASON: Final = "reason"
TWICE: Final = "one bar per market and time"
"""The rule for repeated keys: the first row of a key is kept."""


@dataclass(frozen=True)
class Split:
    """A table parted in two, and how many rows broke which rule first."""

    kept: pd.DataFrame
    aside: pd.DataFrame
    """With the column `reason`."""
    counts: dict[str, int]


def split(frame: pd.DataFrame, rules: Sequence[tuple[str, Mask]]) -> Split:
    """Set rows aside by named masks of bad rows; the first rule that a row breaks names it."""
    broken = np.full(len(frame), -1)
    counts = {}
    for number, (name, bad) in enumerate(rules):
        fresh = bad & (broken < 0)
        broken[fresh] = number
        counts[name] = int(fresh.sum())
    odd = broken >= 0
    reasons = np.array([name for name, _ in rules], dtype=object)[broken[odd]]
    return Split(frame[~odd] if odd.any() else frame, frame[odd].assign(**{REASON: reasons}), counts)


def bars(
    frame: pd.DataFrame, listed: frozenset[str], length_s: int, phase_s: int, as_of_s: int, max_gap_bars: int
) -> Split:
    """Bars of whole markets, in market and time order as stored."""
    numbers = {name: _number(frame[name]) for name in _BAR_NUMBERS}
    missing = [(f"{name} is present", values.isna().to_numpy()) for name, values in numbers.items()]
    ids = frame["market_id"]
    ts_s = numbers["ts_s"].fillna(0)
    keys = pd.DataFrame({"market_id": ids, "ts_s": ts_s})
    return split(
        frame,
        [
            ("market_id is present", ids.isna().to_numpy()),
            *missing,
            ("filled is present", frame["filled"].isna().to_numpy()),
            ("every bar has a market", (~ids.isin(list(listed))).to_numpy()),
            ("price lies in [0, 1]", _outside(numbers["mid_units"], 0, 10_000)),
            ("volume is not negative", _outside(numbers["volume_micro"], 0, None)),
            ("trade count is not negative", _outside(numbers["n_trades"], 0, None)),
            ("spread lies in [0, 1]", _outside(numbers["spread_units"], 0, 10_000)),
            ("bars end at the window", (ts_s > as_of_s).to_numpy()),
            ("one phase of the grid", (ts_s % length_s != phase_s).to_numpy()),
            (TWICE, keys.duplicated().to_numpy()),
            ("no gap is filled too far", _overfilled(frame, max_gap_bars)),
        ],
    )


_BAR_NUMBERS: Final = ("ts_s", "mid_units", "volume_micro", "n_trades", "spread_units")


def _number(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column as float64; what is no number is missing. Times and prices are exact in it."""
    return pd.to_numeric(column, errors="coerce").astype("float64")


def _outside(values: "pd.Series[Any]", low: float, high: float | None) -> Mask:
    bad = values < low if high is None else (values < low) | (values > high)
    result: Mask = bad.to_numpy()
    return result


def _overfilled(frame: pd.DataFrame, max_gap_bars: int) -> Mask:
    """Bars that repeat a price for longer than a gap may be filled."""
    filled = frame["filled"].fillna(value=False).astype(bool)
    same = frame["market_id"].eq(frame["market_id"].shift())
    block = (~(filled & same)).cumsum()
    run: Mask = (filled.groupby(block).cumsum() > max_gap_bars).to_numpy()
    return run


def short(frame: pd.DataFrame, needed: int) -> Split:
    """Bars of markets of which too few are left for a window and its target."""
    counts = frame.groupby("market_id")["ts_s"].transform("size")
    return split(frame, [("its market is long enough", (counts < needed).to_numpy())])


def markets(frame: pd.DataFrame) -> Split:
    """Descriptions of markets; a market that is set aside takes its bars with it."""
    start, end = (_number(frame[name]) for name in ("start_s", "end_s"))
    tokens = [frame[name].astype("string") for name in ("token_yes", "token_no")]
    odd_token = [~token.str.fullmatch(r"[0-9]+").fillna(value=False).to_numpy(dtype=bool) for token in tokens]
    both = pd.concat(tokens, ignore_index=True)
    twice = both.duplicated(keep="first").to_numpy()
    ids = frame["market_id"].astype("string")
    events = frame["event_id"].astype("string")
    tick = _number(frame["tick_units"])
    fee, least = (_number(frame[name]) for name in ("fee_rate", "min_size_micro"))
    count = len(frame)
    return split(
        frame,
        [
            (
                "market ids are condition ids",
                ~ids.str.fullmatch(r"0x[0-9a-f]{62,64}").fillna(value=False).to_numpy(dtype=bool),
            ),
            ("market ids are unique", ids.duplicated().to_numpy()),
            ("tokens are decimal", odd_token[0]),
            ("NO tokens are decimal", odd_token[1]),
            ("a market's tokens differ", tokens[0].eq(tokens[1]).fillna(value=False).to_numpy(dtype=bool)),
            ("tokens are unique", twice[:count] | twice[count:]),
            ("markets end after they start", (end <= start).to_numpy()),
            ("the least order is positive", ~(least >= 1).to_numpy()),
            ("ticks are the venue's", ~tick.isin([1, 10, 25, 50, 100, 1000]).to_numpy()),
            ("fees are sane", ((fee < 0.0) | (fee > 0.3)).to_numpy()),
            ("events are named", ~events.str.len().gt(0).fillna(value=False).to_numpy(dtype=bool)),
        ],
    )


def headlines(frame: pd.DataFrame, as_of_s: int) -> Split:
    """Headlines with their times and scores."""
    known, published = (_number(frame[name]) for name in ("known_s", "published_s"))
    score = _number(frame["sentiment"])
    text = frame["text"].astype("string")
    about = frame["market_ids"].map(lambda ids: 0 if ids is None else len(ids))
    return split(
        frame,
        [
            ("a headline has an id", frame["headline_id"].isna().to_numpy()),
            ("a headline is there once", frame["headline_id"].duplicated().to_numpy()),
            ("a headline has its times", (known.isna() | published.isna()).to_numpy()),
            ("nothing is known before it was published", (known < published).to_numpy()),
            ("nothing is known after the window", (known > as_of_s).to_numpy()),
            ("a headline has words", ~text.str.strip().str.len().gt(0).fillna(value=False).to_numpy(dtype=bool)),
            ("a headline is about a market", (about < 1).to_numpy()),
            ("scores lie in [-1, 1]", ((score < -1.0) | (score > 1.0)).to_numpy()),
        ],
    )


def payouts(frame: pd.DataFrame, listed: frozenset[str]) -> Split:
    """What resolved markets paid; a market whose payout is odd is left out with its bars."""
    paid = _number(frame["payout_micro"])
    return split(
        frame,
        [
            ("a payout is of a market", ~frame["market_id"].isin(list(listed)).to_numpy()),
            ("a payout is there once", frame["market_id"].duplicated().to_numpy()),
            ("payouts lie in [0, 1]", ~((paid >= 0) & (paid <= 1_000_000)).to_numpy()),
        ],
    )


def spreads(frame: pd.DataFrame) -> Split:
    """Mean spreads of open books by tick."""
    spread = _number(frame["spread_units"])
    count = _number(frame["markets"])
    return split(
        frame,
        [
            ("a tick has one spread", frame["tick_units"].duplicated().to_numpy()),
            ("mean spreads lie in (0, 1]", ~((spread > 0) & (spread <= 10_000)).to_numpy()),
            ("spreads were seen", ~(count >= 1).to_numpy()),
        ],
    )
