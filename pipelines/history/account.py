"""One account's history as its journal has it: trades, lots, profit and loss by whatever is asked for."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np

from pipelines.core.errors import ParameterError
from pipelines.core.money import MICRO
from pipelines.core.params import Params, nearest
from pipelines.core.settings import Settings
from pipelines.history import curve, modelled
from pipelines.history.booked import Booked, Charge, Key, Realised, Trade
from pipelines.history.journal_reader import JournalReader, url
from pipelines.history.lots import Lot, lots

PERIODS: Final = ("day", "week", "month")
GROUPS: Final = (*PERIODS, "market", "event", "topic", "policy", "model", "reason")
EXTERNAL: Final = frozenset({"DEPOSIT", "WITHDRAWAL"})
"""Cash that the owner moves: no profit and no loss."""


class History:
    """One account of the journal that settings name (the newest where none is named), between two market times
    (`to_s` is not included). It holds connections until `close`. With `against_model` fills are compared with those of
    the backtest's model, which takes some milliseconds an order.

    Raises:
        DataError: if there is no journal, or it holds no decided bar.
    """

    def __init__(
        self,
        settings: Settings,
        params: Params,
        from_s: int = 0,
        to_s: int = 2**62,
        account: str | None = None,
        *,
        against_model: bool = False,
    ) -> None:
        self._reader = JournalReader(url(settings), {}, 0.0, params, account)
        self._span = range(from_s, to_s)
        self._today, self._against_model = params, against_model
        self.account = self._reader.account
        self.markets = self._reader.markets

    def close(self) -> None:
        """Give the connections back."""
        self._reader.close()

    @cached_property
    def booked(self) -> Booked:
        """Everything that was ever booked: what a sale earned depends on purchases before the period too."""
        reader = self._reader
        policies = {}
        for row in reader.rows("rules", "session_id"):
            kind = json.loads(row["document"]).get("policy_kind", "")
            policies[str(row["bundle"])[:12]] = str(kind)
        made = Booked(self.markets, [(ts_s, bundle) for ts_s, _, _, bundle in self._bars], policies)
        made.book(reader.rows("fills", "seq"), reader.rows("settlements", "seq"))
        return made

    @cached_property
    def _bars(self) -> list[tuple[int, int, int, str]]:
        return self._reader.equity()

    @cached_property
    def modelled(self) -> dict[str, float]:
        """Order id -> slippage against the backtest's fill model in pUSD, of the orders whose bars are kept."""
        reader, today = self._reader, self._today
        booked: dict[str, list[Mapping[str, Any]]] = {}
        for row in reader.rows("fills", "seq"):
            booked.setdefault(row["order_id"], []).append(row)
        keys = {one.key for one in self.booked.realised if one.part.closed_s in self._span}
        wanted = {one.order_id for one in self.booked.charges if one.ts_s in self._span or one.key in keys}
        orders = [row for row in reader.rows("orders", "ts_s") if row["order_id"] in wanted]
        length_s, execution = today.bars.length_s, today.execution
        ahead = range(execution.latency_bars, execution.latency_bars + execution.order_ttl_bars)
        times = sorted({row["ts_s"] + length_s * bars for row in orders for bars in (0, *ahead)})
        return modelled.slippage(orders, booked, reader.at(times), execution, length_s)

    def trades(self) -> list[Trade]:
        """Positions that ended in the period, in the order of their end."""
        against = self.modelled if self._against_model else {}
        return [one for one in self.booked.trades(against) if one.closed_s in self._span]

    def lots(self) -> list[Lot]:
        """Disposals of the period, matched with their purchases."""
        made = lots(self._reader.rows("fills", "seq"), self._reader.rows("settlements", "seq"), self.markets)
        first, last = (_iso(self._span.start), _iso(min(self._span.stop, 253_402_300_799)))
        return [one for one in made if first <= one.disposed_at < last]

    def equity(self) -> list[tuple[int, float]]:
        """(market time, pUSD) of every decided bar of the period."""
        return [(ts_s, micro / MICRO) for ts_s, micro, _, _ in self._bars if ts_s in self._span]

    def curve(self, columns: int) -> list[curve.Point]:
        """Equity and drawdown of the period at the width of a picture (`curve.points`). The drawdown is measured from
        the highest equity of the account's whole life."""
        ts_s, equity, _, _ = zip(*self._bars, strict=True)
        times, worth = np.array(ts_s, dtype=np.int64), np.array(equity, dtype=np.int64)
        moved = [(row["ts_s"], row["cash_micro"]) for row in self._flows() if row["kind"] in EXTERNAL]
        fallen = curve.drawdowns(times, worth, moved)
        part = slice(*np.searchsorted(times, (self._span.start, self._span.stop)))
        return curve.points(times[part], worth[part], fallen[part], columns)

    def bar_count(self) -> int:
        """Decided bars of the period."""
        return sum(ts_s in self._span for ts_s, *_ in self._bars)

    def days(self) -> tuple[str, str]:
        """The first and the last market day of the account's life."""
        return period(self._bars[0][0], "day"), period(self._bars[-1][0], "day")

    def flows(self) -> Iterator[Mapping[str, Any]]:
        """Cash of the period that no trade explains."""
        return (row for row in self._flows() if row["ts_s"] in self._span)

    def _flows(self) -> Iterator[Mapping[str, Any]]:
        return self._reader.rows("cash_flows", "ts_s")

    def pnl(self, by: str) -> list[dict[str, Any]]:
        """Profit and loss by day, week, month, market, event, topic, policy, model or reason, in pUSD.

        Fees and slippage are those of every fill of the period, purchases too; by reason they are those of positions
        that ended so, or are open. Periods also have rewards, rebates and other cash, and the equity at their first and
        last bar.
        """
        if by not in GROUPS:
            raise ParameterError(f"P&L by {by!r} is not known{nearest(by, GROUPS)}; give one of {', '.join(GROUPS)}")
        rows: dict[str, dict[str, Any]] = {}
        ends = self.booked.ends()
        for one in self._in_span():
            _add(rows, self._name(one.key, one.part.closed_s, by, one.part.reason or "settled"), realised=one.part.pnl)
        seen: set[str] = set()
        for charge in self._charges():
            name = self._name(charge.key, charge.ts_s, by, ends.get(charge.key, "open"))
            _add(rows, name, fees=charge.fee, slippage=charge.slippage)
            if self._against_model and charge.order_id not in seen and charge.order_id in self.modelled:
                seen.add(charge.order_id)
                _add(rows, name, model_slippage=self.modelled[charge.order_id])
        for trade in self.trades():
            row = rows[self._name_of_trade(trade, by)]
            row["trades"] += 1
            row["wins"] += trade.pnl_pusd > 0
        if by in PERIODS:
            self._add_cash_and_equity(rows, by)
        return [{by: name, **rows[name]} for name in sorted(rows)]

    def _name(self, key: Key, ts_s: int, by: str, reason: str) -> str:
        market_id, _, opened_s = key
        market = self.markets.get(market_id)
        model = self.booked.model_at(opened_s)
        names: dict[str, Callable[[], str]] = {
            "market": lambda: market.question if market else market_id,
            "event": lambda: market.event_id if market else "",
            "topic": lambda: market.topic if market else "",
            "policy": lambda: self.booked.policies.get(model, ""),
            "model": lambda: model,
            "reason": lambda: reason,
        }
        return names[by]() if by in names else period(ts_s, by)

    def _name_of_trade(self, trade: Trade, by: str) -> str:
        fields = {"market": trade.question, "event": trade.event, "topic": trade.topic, "policy": trade.policy}
        fields |= {"model": trade.model, "reason": trade.reason}
        return fields[by] if by in fields else period(trade.closed_s, by)

    def _add_cash_and_equity(self, rows: dict[str, dict[str, Any]], by: str) -> None:
        for row in self.flows():
            into = rows.setdefault(period(row["ts_s"], by), _empty())
            kind = "moved_by_owner_pusd" if row["kind"] in EXTERNAL else f"{row['kind'].lower()}_pusd"
            into[kind] = round(into.get(kind, 0.0) + row["cash_micro"] / MICRO, 6)
        for ts_s, equity in self.equity():
            into = rows.setdefault(period(ts_s, by), _empty())
            into.setdefault("equity_start_pusd", equity)
            into["equity_end_pusd"] = equity

    def summary(self) -> dict[str, Any]:
        """The period in a few numbers."""
        trades, equity = self.trades(), self.equity()
        income: dict[str, float] = {}
        for row in self.flows():
            income[row["kind"].lower()] = round(income.get(row["kind"].lower(), 0.0) + row["cash_micro"] / MICRO, 6)
        return {
            "account": self.account,
            "trades": len(trades),
            "wins": sum(one.pnl_pusd > 0 for one in trades),
            "realised_pusd": round(sum(float(one.part.pnl) for one in self._in_span()), 6),
            "fees_pusd": round(sum(float(one.fee) for one in self._charges()), 6),
            "slippage_pusd": round(sum(float(one.slippage) for one in self._charges()), 6),
            "model_slippage_pusd": self._total_against_model(),
            "other_cash_pusd": income,
            "equity_start_pusd": equity[0][1] if equity else None,
            "equity_end_pusd": equity[-1][1] if equity else None,
        }

    def _total_against_model(self) -> float | None:
        """Slippage against the model of the period's orders; None where it is not asked for, or known of none."""
        orders = {one.order_id for one in self._charges()}
        known = [self.modelled[name] for name in sorted(orders & self.modelled.keys())] if self._against_model else []
        return round(sum(known), 6) if known else None

    def _charges(self) -> Sequence[Charge]:
        return [one for one in self.booked.charges if one.ts_s in self._span]

    def _in_span(self) -> Sequence[Realised]:
        return [one for one in self.booked.realised if one.part.closed_s in self._span]

    def rows(self, table: str) -> Iterator[Mapping[str, Any]]:
        """Rows of a table of the journal."""
        return self._reader.rows(table)


def period(ts_s: int, by: str) -> str:
    """The day, ISO week or month of a market time: 2026-03-01, 2026-W09, 2026-03.

    >>> period(1_772_323_200, "day"), period(1_772_323_200, "week"), period(1_772_323_200, "month")
    ('2026-03-01', '2026-W09', '2026-03')
    """
    day = datetime.fromtimestamp(ts_s, UTC).date()
    if by == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return day.isoformat() if by == "day" else f"{day:%Y-%m}"


def moment(text: str, *, end: bool = False) -> int:
    """Market time of a date or time of ISO 8601 in UTC; of a day's end for `end` and a bare date.

    Raises:
        ParameterError: if it is neither.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ParameterError(f"{text!r} is no date; write 2026-03-01, or 2026-03-01T12:00") from None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    if end and len(text) <= len("2026-03-01"):
        found += timedelta(days=1)
    return int(found.timestamp())


def _empty() -> dict[str, Any]:
    return {
        "trades": 0,
        "wins": 0,
        "realised_pusd": 0.0,
        "fees_pusd": 0.0,
        "slippage_pusd": 0.0,
        "model_slippage_pusd": None,
    }


def _add(rows: dict[str, dict[str, Any]], name: str, **amounts: Any) -> None:
    row = rows.setdefault(name, _empty())
    for field, amount in amounts.items():
        row[f"{field}_pusd"] = round((row[f"{field}_pusd"] or 0.0) + float(amount), 6)


def _iso(ts_s: int) -> str:
    return datetime.fromtimestamp(ts_s, UTC).isoformat().replace("+00:00", "Z")


def documents(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Trades or lots as plain values."""
    return [asdict(row) for row in rows]
