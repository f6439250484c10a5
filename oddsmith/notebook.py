"""Data and backtests for a notebook, as pandas tables. It works in the folder of params.yaml, as commands do."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oddsmith import backtests
from pipelines.backtest import report
from pipelines.core import params as parameters
from pipelines.core.artifacts import write_bytes
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.settings import Settings
from pipelines.history.account import History, documents, moment
from pipelines.replay.market_history import History as MarketHistory
from pipelines.study import choice, own, page, saved
from pipelines.study import compare as comparing
from pipelines.study.own import Played
from pipelines.trading.policies import registry


@dataclass(frozen=True, repr=False)
class Backtest:
    """A backtest of one policy. `document` is what `oddsmith backtest --json` prints."""

    played: Played
    document: dict[str, Any]

    @property
    def pnl(self) -> dict[str, Any]:
        """P&L in pUSD with its 95 % interval over events: pusd, lower, upper, events."""
        return dict(self.document["pnl"])

    @property
    def figures(self) -> pd.DataFrame:
        """Figures of the policy and of what it is compared with, a row each."""
        rows = {run.name: run.figures.document() for run in report.once(self.played.runs)}
        return pd.DataFrame.from_dict(rows, orient="index").drop(columns="refusals")

    @property
    def trades(self) -> pd.DataFrame:
        """Every closed trade of the policy, times in UTC, P&L after costs in pUSD."""
        text = report.trades_csv(self.played.runs[0], self.played.comparison.tape.markets)
        return _timed(pd.read_csv(io.StringIO(text)))

    @property
    def equity(self) -> pd.DataFrame:
        """Equity in pUSD by bar, a column for the policy and each that it is compared with."""
        return _timed(pd.read_csv(io.StringIO(report.equity_csv(report.once(self.played.runs))))).set_index("time")

    @property
    def histories(self) -> Sequence[MarketHistory]:
        """What was played."""
        return self.played.comparison.histories

    def save(self, path: str | Path) -> Path:
        """Write the page of this backtest to a file; the file."""
        write_bytes(Path(path), page.page(self.played).encode())
        return Path(path)

    def __repr__(self) -> str:
        pnl = f"P&L {self.pnl['pusd']:+,.2f} pUSD in {self.pnl['events']} events"
        return f"Backtest({self.document['policy']} on {self.document['data']}, {pnl})"

    def _repr_html_(self) -> str:
        about = f"{self.document['policy']} on {self.document['data']}"
        notes = "".join(f"<li>{one}</li>" for one in self.document["notes"])
        return f"<p><b>{about}</b><br>{page.verdict(self.document)}</p><ul>{notes}</ul>{self.figures.to_html()}"


def backtest(
    policy: str,
    *,
    data: str | None = None,
    markets: Sequence[str] = (),
    from_: str | None = None,
    to: str | None = None,
    settings: Mapping[str, Any] | None = None,
    slice_: str = "selection",
    bundle: str | Path | None = None,
    name: str | None = None,
) -> Backtest:
    """Play one policy, as `oddsmith backtest --policy` does; a strategy file that was changed is read again.

    Args:
        policy: a kind, or the file of a strategy.
        data: a recording, a CSV or JSON file, `synthetic` or `synthetic:SEED`; None for the last pull.
        markets: patterns such as `topic:sport`, or words of a question.
        from_: first day or time, UTC.
        to: last day (included) or a time (not included), UTC.
        settings: numbers for this backtest, by `section.key` or by the name of one of the policy's own.
        slice_: of the last pull: selection or agent.
        bundle: folder of a bundle whose forecaster is asked on a file.
        name: under which it is kept in `var/backtests`; it is not kept without one.
    """
    registry.read_again()
    given = dict(settings or {})
    kind, params = choice.read(policy, [f"{key}={value}" for key, value in given.items()])
    where = None if bundle is None else Path(bundle)
    course = backtests.course(params, data=data, slice_=slice_, bundle=where, markets=markets, from_=from_, to=to)
    played = own.play(kind, params, course)
    played.document["settings"] = given
    if name is not None:
        saved.keep(played, Settings().var / "backtests", name)
    return Backtest(played, {"name": name or kind} | played.document)


def compare(first: Backtest, second: Backtest) -> dict[str, Any]:
    """What the second backtest earned more, paired by event, as `oddsmith backtest compare --json` says it."""
    return comparing.compare(first.document, second.document)


def load_bars(
    data: str | None = None,
    *,
    markets: Sequence[str] = (),
    from_: str | None = None,
    to: str | None = None,
    slice_: str = "selection",
) -> pd.DataFrame:
    """Bars that a backtest would play, a row per market and bar.

    Columns: time (UTC), market_id, question, event, mid, bid, ask, spread (0 where none was observed), volume (shares),
    expected (mid that the forecast expects at its last horizon) and confidence.
    """
    params = parameters.load()
    course = backtests.course(params, data=data, slice_=slice_, markets=markets, from_=from_, to=to)
    return pd.concat([_bars(one) for one in course.histories], ignore_index=True)


def _bars(one: MarketHistory) -> pd.DataFrame:
    price = one.mid_units / PRICE_SCALE
    odds = np.log(price / (1.0 - price)) + one.mean[:, -1]
    return pd.DataFrame(
        {
            "time": pd.to_datetime(one.ts_s, unit="s", utc=True),
            "market_id": one.market.market_id,
            "question": one.market.question,
            "event": one.market.event_id,
            "mid": price,
            "bid": one.bid_units / PRICE_SCALE,
            "ask": one.ask_units / PRICE_SCALE,
            "spread": one.spread_units / PRICE_SCALE,
            "volume": one.volume_micro / MICRO,
            "expected": 1.0 / (1.0 + np.exp(-odds)),
            "confidence": one.confidence,
        }
    )


def load_trades(from_: str | None = None, to: str | None = None) -> pd.DataFrame:
    """Closed trades of the bot's journal, a row per position, as `oddsmith trades --csv` prints them.

    Raises:
        DataError: if there is no journal.
    """
    history = _journal(from_, to)
    rows = pd.DataFrame(documents(history.trades()))
    history.close()
    return _timed(rows) if len(rows) else rows


def load_equity(from_: str | None = None, to: str | None = None) -> pd.DataFrame:
    """Equity in pUSD and drawdown of the bot's journal, a row per bar.

    Raises:
        DataError: if there is no journal.
    """
    history = _journal(from_, to)
    rows = history.curve(10**9)
    history.close()
    return _timed(pd.DataFrame(rows, columns=["ts_s", "equity", "drawdown"])).set_index("time")


def _journal(from_: str | None, to: str | None) -> History:
    last = moment(to, end=True) if to else 2**62
    return History(Settings(), parameters.load(), moment(from_) if from_ else 0, last)


def _timed(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns of market seconds as times in UTC."""
    times = [name for name in rows.columns if name.endswith("_s")]
    made = rows.assign(**{name: pd.to_datetime(rows[name], unit="s", utc=True) for name in times})
    return made.rename(columns={name: "time" if name == "ts_s" else name.removesuffix("_s") for name in times})
