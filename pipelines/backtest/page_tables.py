"""Tables of the backtest's page, each as HTML from the document or from one strategy's run."""

import textwrap
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from pipelines.backtest.strategies import Run
from pipelines.core.domain import Market
from pipelines.replay.performance import pnl_by_market

MARKETS, TRADES = 12, 40
"""Rows that the page shows of longer lists."""
QUESTION = 72
"""Letters of a market's question."""


def time_of(ts_s: int) -> str:
    """A market time for people, UTC."""
    return datetime.fromtimestamp(ts_s, UTC).strftime("%Y-%m-%d %H:%M")


def money(value: float) -> str:
    """A signed amount in pUSD, coloured."""
    kind = "up" if value > 0 else "down" if value < 0 else "soft"
    return f"<span class={kind}>{value:+,.2f}</span>"


def number(value: float | None) -> str:
    """Two digits; empty for None."""
    return "" if value is None else f"{value:.2f}"


def table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; cells are HTML already."""
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def soft(text: str) -> str:
    """A remark."""
    return f"<p class=soft>{text}</p>"


def stress(document: dict[str, Any]) -> str:
    """P&L with dearer fees, later fills, buys that rest in a queue, and the guide's literal stops."""
    rows = []
    for kind, doubled in document["fee_2x_pnl_pusd"].items():
        late, waits = document["latency_pnl_pusd"].get(kind, {}), document["resting_pnl_pusd"].get(kind, {})
        base = document["strategies"][kind]["pnl_pusd"]
        rows.append([escape(kind), *(money(value) for value in (base, doubled, *late.values(), *waits.values()))])
    names = ["P&amp;L of", "as it is", "fees 2x", "latency 2x", "latency 4x"]
    names += [f"resting, {queue}" for queue in ("pessimistic", "neutral", "optimistic")]
    literal = soft(
        "Resting: buys wait up to five bars at their own side's touch instead of taking; nobody knows the queue before"
        " them, so all three guesses are shown. Threshold with the guide's literal stops (2 %, 5 %, 1.5 %):"
        f" {money(document['literal_stops_pnl_pusd'])} pUSD."
    )
    return table(names, rows) + literal


def bias(document: dict[str, Any]) -> str:
    """What choosing the best of many costs."""
    deflated, overfit = document["deflated_sharpe"], document["overfitting_probability"]
    parts = []
    if deflated is not None:
        where = f"on the slice that chose it, after {deflated['trials']:.0f} trials"
        parts.append(f"Deflated Sharpe ratio of the chosen policy {where}: {deflated['probability']:.2f}.")
    if overfit is not None:
        parts.append(f"Probability that the choice is overfitted (CSCV): {overfit:.0%}.")
    return soft(" ".join(parts) or "Too few strategies traded to say what choosing the best of them costs.")


def costs(document: dict[str, Any]) -> str:
    """From the P&L at the mid to what is left."""
    shares = document["costs_pusd"]
    rows = [
        ("P&amp;L if every fill were at the mid", money(shares["at_mid"])),
        ("spread and impact", money(-shares["spread_and_impact"])),
        ("fees", money(-shares["fees"])),
        ("<b>P&amp;L after costs</b>", money(shares["net"])),
    ]
    return table(("", "pUSD"), rows)


def calibration(document: dict[str, Any]) -> str:
    """How sure the forecast was at the entry, and how often it was right and paid."""
    groups = document["calibration"]
    if not groups:
        return soft("Too few round trips to say.")
    rows = [
        (f"{one['confidence']:.1%}", f"{one['right']:.0%}", f"{one['paid']:.0%}", f"{one['trips']:,}") for one in groups
    ]
    note = soft(
        "Confidence is that the sign of a move within 24 bars is right; a trip may end earlier, at a stop or when"
        " the sign turns."
    )
    return table(("confidence at the decision", "price went its way", "paid after costs", "round trips"), rows) + note


STACK_NAMES = (
    "stack", "sentiment", "forecasts", "agent", "P&amp;L", "trips", "daily return", "Sharpe (bar)", "win rate",
    "drawdown", "threshold rule",
)  # fmt: skip


def stacks(measured: dict[str, Any]) -> str:
    """The guide's model stacks as they were measured last, the best first, when, and on which data."""
    if not measured:
        return soft(
            "Not measured on this machine: <code>make league STACKS=1</code> trains and judges them, and the next"
            " backtest shows them here."
        )
    here = "the data of this report" if measured["same_data"] else "<b>other data than this report</b>"
    about = f"{escape(measured['data']['about'])} Hash of the pull: {escape(measured['data']['sha256'][:12])}."
    order = sorted(measured["stacks"].items(), key=lambda item: -item[1].get("pnl_pusd", float("-inf")))
    rows = "".join(_stack(name, row) for name, row in order)
    head = "".join(f"<th>{name}</th>" for name in STACK_NAMES)
    note = soft(f"Measured {escape(measured['measured_at'])} on {here}, after costs, the best first. {about}")
    return f"<table><tr>{head}</tr>{rows}</table>{note}"


def _stack(name: str, row: dict[str, Any]) -> str:
    parts = row["parts"]
    reach = "" if parts["forecast_block"] else ", for limits only"
    made = (name, parts["scorer"], parts["forecast"] + reach, parts["agent"])
    head = "".join(f"<td>{escape(part)}</td>" for part in made)
    if "skipped" in row:
        why = f"not trained: {escape(row['skipped'])}"
        return f"<tr>{head}<td class=wide colspan={len(STACK_NAMES) - len(made)}>{why}</td></tr>"
    cells = (
        money(row["pnl_pusd"]),
        f"{row['round_trips']:,}",
        f"{row['daily_return']:+.2%}",
        number(row["sharpe_bar"]),
        "" if row["win_rate"] is None else f"{row['win_rate']:.0%}",
        f"{row['max_drawdown']:.1%}",
        money(row["threshold_pnl_pusd"]),
    )
    return f"<tr>{head}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def refusals(run: Run) -> str:
    """Reasons by frequency."""
    if not run.figures.refusals:
        return soft("Nothing was refused.")
    most = sorted(run.figures.refusals.items(), key=lambda item: -item[1])
    return table(("reason", "times"), ((escape(name), f"{count:,}") for name, count in most))


def markets(run: Run, known: Mapping[str, Market], file: str = "reports/backtest.json") -> str:
    """P&L of the worst and the best markets, and where all are."""
    totals = sorted(pnl_by_market(run.result).items(), key=lambda item: item[1])
    if not totals:
        return soft("No market was traded.")
    picked = totals if len(totals) <= MARKETS else [*totals[: MARKETS // 2], *totals[-MARKETS // 2 :]]
    rows = ((_called(known[name]), escape(name[:12]), money(pnl)) for name, pnl in picked)
    which = "all" if len(picked) == len(totals) else f"the worst and the best {MARKETS // 2}"
    note = soft(
        f"{len(picked)} of {len(totals)} markets ({which}); all are in <code>{file}</code>,"
        " <code>pnl_by_market_pusd</code>."
    )
    return table(("market", "id", "P&amp;L"), rows) + note


def _called(market: Market) -> str:
    return escape(textwrap.shorten(market.question, QUESTION, placeholder=" ..."))


def trades(run: Run, known: Mapping[str, Market], file: str = "reports/trades.csv") -> str:
    """The newest closed trades, and where all are."""
    closed = run.result.closed
    if not closed:
        return soft("No trade was closed.")
    newest = closed[-TRADES:][::-1]
    rows = (
        (
            _called(known[trade.market_id]),
            escape(trade.market_id[:12]),
            time_of(trade.closed_s),
            trade.outcome.value,
            f"{trade.shares:,.2f}",
            f"{(trade.closed_s - trade.opened_s) // 60}",
            escape(trade.reason),
            money(float(trade.pnl)),
        )
        for trade in newest
    )
    note = soft(
        f"The newest {len(newest):,} of {len(closed):,} closed trades (a position that was left in parts counts each"
        f" part); all are in <code>{file}</code>."
    )
    return table(("market", "id", "closed", "token", "shares", "minutes", "why", "P&amp;L"), rows) + note
