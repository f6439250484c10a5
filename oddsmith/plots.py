"""Pictures for a notebook, drawn with matplotlib. Each takes the axes to draw on, or makes some, and returns them."""

import itertools
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from oddsmith.notebook import Backtest, load_equity
from pipelines.core.domain import Outcome, Side
from pipelines.core.errors import DataError
from pipelines.core.money import PRICE_SCALE
from pipelines.features.scale import price_after
from pipelines.replay.market_history import History

BLUE, GREEN, RED, GREY = "#2563eb", "#059669", "#dc2626", "#94a3b8"


def plot_equity(what: Backtest | None = None, *, ax: Axes | None = None) -> Axes:
    """Equity over time: of a backtest beside what it is compared with, or of the bot's journal where none is given."""
    ax = _axes(ax)
    if what is None:
        curve = load_equity()["equity"]
        ax.plot(curve.index, curve, color=BLUE, linewidth=1.2, label="equity")
    else:
        own, *others = what.equity.items()
        for (name, curve), line in zip(others, itertools.cycle(("-", "--", ":")), strict=False):
            ax.plot(curve.index, curve, color=GREY, linewidth=1.1, linestyle=line, label=str(name))
        ax.plot(own[1].index, own[1], color=BLUE, linewidth=1.6, label=str(own[0]))
    ax.set_ylabel("equity, pUSD")
    return _finished(ax)


def plot_market(what: Backtest, market: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Price of a market with bid and ask, and the policy's fills as marks.

    Args:
        market: its id or the beginning of it, or words of its question; without one, the market that was traded most.
    """
    ax, one = _axes(ax), _market(what, market)
    times = _times(one.ts_s)
    ax.fill_between(
        times, one.bid_units / PRICE_SCALE, one.ask_units / PRICE_SCALE, color=GREY, alpha=0.4, label="bid, ask"
    )
    ax.plot(times, one.mid_units / PRICE_SCALE, color=BLUE, linewidth=1.0, label="mid")
    fills = [fill for fill in what.played.runs[0].result.fills if fill.market_id == one.market.market_id]
    for side, marker, colour in ((Side.BUY, "^", GREEN), (Side.SELL, "v", RED)):
        made = [fill for fill in fills if fill.side is side]
        yes = [_yes_price(fill) for fill in made]
        if made:
            ax.scatter(
                _times([fill.ts_s for fill in made]),
                yes,
                marker=marker,
                color=colour,
                zorder=3,
                label=side.value.lower(),
            )
    ax.set_ylabel("price of YES")
    ax.set_title(one.market.question, fontsize=9)
    return _finished(ax)


def plot_forecast(
    what: Backtest, market: str | None = None, at: str | None = None, *, bars: int = 120, ax: Axes | None = None
) -> Axes:
    """Forecast at a bar as a fan (mean and interval per horizon), with the prices before it and those that came.

    Args:
        market: as in `plot_market`.
        at: time of the bar, UTC; without one, the middle of the market's life.
        bars: bars that are shown before the forecast.
    """
    ax, one = _axes(ax), _market(what, market)
    row = len(one) // 2 if at is None else int(np.searchsorted(one.ts_s, pd.Timestamp(at, tz="UTC").timestamp()))
    row = min(row, len(one) - 1)
    horizon, length_s = one.mean.shape[1], what.played.comparison.length_s
    ahead = _times(one.ts_s[row] + length_s * np.arange(horizon + 1))
    now = np.full(horizon, one.mid_units[row])
    mean, lower, upper = (
        np.append(one.mid_units[row] / PRICE_SCALE, price_after(now, getattr(one, name)[row]))
        for name in ("mean", "lower", "upper")
    )
    seen = slice(max(0, row - bars), row + horizon + 1)
    ax.plot(_times(one.ts_s[seen]), one.mid_units[seen] / PRICE_SCALE, color=GREY, linewidth=1.0, label="mid")
    ax.fill_between(ahead, lower, upper, color=BLUE, alpha=0.15, label="interval")
    ax.plot(ahead, mean, color=BLUE, linewidth=1.4, label=f"forecast, confidence {one.confidence[row]:.0%}")
    ax.axvline(ahead[0].to_pydatetime(), color=GREY, linewidth=0.8, linestyle=":")  # type: ignore[arg-type] # times are plotted too
    ax.set_ylabel("price of YES")
    ax.set_title(one.market.question, fontsize=9)
    return _finished(ax)


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots(figsize=(8, 3.2))[1] if ax is None else ax


def _finished(ax: Axes) -> Axes:
    ax.legend(fontsize=8, frameon=False)
    ax.grid(alpha=0.25)
    ax.figure.autofmt_xdate()
    return ax


def _times(ts_s: Sequence[int] | Any) -> pd.DatetimeIndex:
    return pd.to_datetime(np.asarray(ts_s), unit="s", utc=True)


def _yes_price(fill: Any) -> float:
    """Both outcomes on one scale: a NO share at 0.40 is YES at 0.60."""
    units = fill.price_units if fill.outcome is Outcome.YES else PRICE_SCALE - fill.price_units
    return float(units / PRICE_SCALE)


def _market(what: Backtest, market: str | None) -> History:
    """The history that is meant.

    Raises:
        DataError: if none is, with some that there are.
    """
    if market is None:
        traded = pd.Series([fill.market_id for fill in what.played.runs[0].result.fills], dtype=str)
        market = traded.mode().iloc[0] if len(traded) else what.histories[0].market.market_id
    for one in what.histories:
        if one.market.market_id.startswith(market) or market.lower() in one.market.question.lower():
            return one
    known = "; ".join(one.market.question for one in what.histories[:3])
    raise DataError(f"no market of this backtest is {market!r}; it has {len(what.histories)}, among them {known}")
