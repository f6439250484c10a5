"""Commands trades, pnl and funnel: the journal's history as a table for people, CSV, or JSON."""

import csv
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pipelines.core import params
from pipelines.core.settings import Settings
from pipelines.history.account import History, documents, moment, period

SHOWN = ("closed_s", "question", "outcome", "shares", "entry_price", "exit_price", "fees_pusd", "pnl_pusd", "reason")


def opened(from_: str | None, to: str | None) -> History:
    """The history between two dates of people.

    Raises:
        ParameterError: if one is no date.
        DataError: if there is no journal.
    """
    last = moment(to, end=True) if to else 2**62
    return History(Settings(), params.load(), moment(from_) if from_ else 0, last, against_model=True)


def trades(from_: str | None, to: str | None, form: str, *, lots: bool) -> None:
    """Print closed trades, or the lots of the tax office."""
    history = opened(from_, to)
    rows = documents(history.lots() if lots else history.trades())
    if form == "json":
        _json({"account": history.account, "lots" if lots else "trades": rows})
    elif form == "csv" or lots:
        _csv(rows)
    else:
        _table([{name: row[name] for name in SHOWN} for row in rows], "no position was closed in this period")


def pnl(from_: str | None, to: str | None, form: str, by: str) -> None:
    """Print profit and loss by a period or a property of the trades."""
    history = opened(from_, to)
    rows = history.pnl(by)
    if form == "json":
        _json({"by": by, "rows": rows, "total": history.summary()})
    elif form == "csv":
        _csv(rows)
    else:
        _table(rows, "nothing was closed or decided in this period")
        total = history.summary()
        against = total["model_slippage_pusd"]
        model = "" if against is None else f", worse than the backtest's model by {against:,.2f}"
        sys.stdout.write(
            f"realised {total['realised_pusd']:+,.2f} pUSD in {total['trades']} trades ({total['wins']} won), fees "
            f"{total['fees_pusd']:,.2f}, worse than the mid by {total['slippage_pusd']:,.2f}{model}\n"
        )


def funnel(from_: str | None, to: str | None, form: str) -> None:
    """Print how many markets each step from listing to fill let through or lost, day by day."""
    history = opened(from_, to)
    first, last = (moment(from_) if from_ else 0) // 86_400, (moment(to, end=True) if to else 2**40) / 86_400
    rows = [
        {
            "day": period(row["day"] * 86_400, "day"),
            "step": row["step"],
            "lost_for": row["reason"],
            "count": row["count"],
        }
        for row in history.rows("funnel")
        if first <= row["day"] < last
    ]
    rows.sort(key=lambda row: (row["day"], STEPS.index(row["step"]), row["lost_for"]))
    if form == "json":
        _json({"account": history.account, "rows": rows})
    elif form == "csv":
        _csv(rows)
    else:
        _table(rows, "no bar was counted in this period")


STEPS = ("listed", "followed", "decided", "signal", "within_limits", "sent", "filled")


def _json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def _csv(rows: Sequence[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(sys.stdout, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _table(rows: Sequence[dict[str, Any]], empty: str) -> None:
    if not rows:
        sys.stdout.write(empty + "\n")
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [[name.removesuffix("_pusd").removesuffix("_s").replace("_", " ") for name in names]]
    lines += [[_cell(name, row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(names))]
    for line in lines:
        sys.stdout.write("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n")


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.endswith("_s"):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, float):
        return f"{value:,.3f}" if name.endswith("_price") else f"{value:,.2f}"
    return str(value)[:48]
