"""What the rows of an event say of every bar: features, sentiment, fair value, external probability, context."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.features.spec import FEATURE_NAMES
from pipelines.features.state_space_batch import Books, Rungs, contexts
from pipelines.rows.headlines import Headlines
from pipelines.rows.market import Bools, IntArray, MarketBars, features
from pipelines.rows.raw_bars import COLUMNS

News = tuple[IntArray, FloatArray]
"""When the headlines of a market were known (UTC s, ascending), and their scores."""


def taken(bars: MarketBars, rows: Bools) -> MarketBars:
    """Some bars of a market, (n,) chosen by a mask."""
    flow = None if bars.flow is None else bars.flow[rows]
    return replace(bars, **{name: getattr(bars, name)[rows] for name in COLUMNS}, flow=flow)


def of_market(bars: MarketBars, news: News, stated: FloatArray, length_s: int) -> dict[str, NDArray[Any]]:
    """The columns of a market's bars, (n,) each, without the market context. `stated` is (n, 3), as `Board.stated`."""
    known_s, scores = news
    values = features(bars, length_s)
    tone, headlines = Headlines.impulses(bars.ts_s, known_s, scores, length_s)
    return {
        "ts_s": bars.ts_s,
        "mid_units": bars.mid_units.astype(np.int32),
        "volume_micro": bars.volume_micro,
        "spread_units": bars.spread_units.astype(np.int32),
        "bid_size_micro": bars.bid_size_micro,
        "ask_size_micro": bars.ask_size_micro,
        "sentiment": Headlines.decayed(bars.ts_s, known_s, scores),
        "tone": tone,
        "headlines": headlines.astype(np.int32),
        "fair": stated[:, 0],
        "fair_before": stated[:, 1],
        "external": stated[:, 2],
        **{name: values[:, column] for column, name in enumerate(FEATURE_NAMES)},
    }


def placed(values: FloatArray, rows: Bools) -> FloatArray:
    """Values (k, m) of the k bars that a mask (n,) chooses, at their places among all: (n, m), NaN elsewhere."""
    made = np.full((len(rows), values.shape[1]), np.nan)
    made[rows] = values
    return made


def context(markets: Sequence[MarketBars], length_s: int, stated: Sequence[FloatArray | None] = ()) -> list[FloatArray]:
    """The market context of every bar of whole events, (n, len(CONTEXT)) by market; `stated` is what `Board.stated`
    says of the bars of each, (n, 3), None where it says nothing.

    All bars of an event belong in it, also those of runs too short to learn from: whether a run will be long enough is
    not known while it lasts.
    """
    counts = [len(bars.ts_s) for bars in markets]
    said = stated or [None] * len(markets)
    _, event = np.unique([bars.event_id for bars in markets], return_inverse=True)
    starts = np.concatenate([np.append(True, np.diff(bars.ts_s) != length_s)[: len(bars.ts_s)] for bars in markets])
    names = ("ts_s", "mid_units", "spread_units", "bid_size_micro", "ask_size_micro")
    columns = (np.concatenate([getattr(bars, name) for bars in markets]) for name in names)
    rungs = Rungs.of([one.bracket for one in markets], [one.exclusive for one in markets], event.tolist(), counts)
    fair = [np.full((n, 2), np.nan) if one is None else one[:, :2] for n, one in zip(counts, said, strict=True)]
    nothing = [
        np.zeros((n, len(ORDER_FLOW))) if one.flow is None else one.flow for n, one in zip(counts, markets, strict=True)
    ]
    flow = None if all(one.flow is None for one in markets) else np.concatenate(nothing)
    books = Books(np.repeat(event, counts), starts, *columns, rungs=rungs, fair=np.concatenate(fair), flow=flow)
    return np.split(contexts(books), np.cumsum(counts)[:-1])
