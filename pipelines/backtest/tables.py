"""Tables of the backtest's page, each as HTML from the document or from one strategy's run."""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import Any

from pipelines.backtest.strategies import Run
from pipelines.engine.metrics import pnl_by_market


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
        trials = f"{deflated['trials']:.0f} trials"
        parts.append(f"Deflated Sharpe ratio of the chosen policy after {trials}: {deflated['probability']:.2f}.")
    if overfit is not None:
        parts.append(f"Probability that the choice is overfitted (CSCV): {overfit:.0%}.")
    return soft(" ".join(parts))


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


def stacks(document: dict[str, Any]) -> str:
    """The guide's model stacks as they were measured last."""
    rows = []
    for name, row in document["stacks"].items():
        if "skipped" in row:
            rows.append([escape(name), f"skipped: {escape(row['skipped'])}", *[""] * 6])
            continue
        parts = row["parts"]
        made = f"{parts['scorer']}, {parts['forecast']}, {parts['agent']}"
        block = "with" if parts["forecast_block"] else "without"
        cells = (f"{row['daily_return']:+.2%}", number(row["sharpe_bar"]), f"{row['max_drawdown']:.1%}")
        rows.append(
            [escape(name), escape(made), block, money(row["pnl_pusd"]), *cells, money(row["threshold_pnl_pusd"])]
        )
    if not rows:
        return soft("Not measured on this machine: <code>make league STACKS=1</code> trains and judges them.")
    names = ("stack", "sentiment, forecast, agent", "forecasts", "P&amp;L", "daily return", "Sharpe (bar)", "drawdown")
    return table((*names, "threshold"), rows)


def refusals(run: Run) -> str:
    """Reasons by frequency."""
    if not run.figures.refusals:
        return "<p class=soft>Nothing was refused.</p>"
    most = sorted(run.figures.refusals.items(), key=lambda item: -item[1])
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{count:,}</td></tr>" for name, count in most)
    return f"<table><tr><th>reason</th><th>times</th></tr>{rows}</table>"


def markets(run: Run) -> str:
    """P&L of the worst and the best markets."""
    totals = sorted(pnl_by_market(run.result).items(), key=lambda item: item[1])
    if not totals:
        return "<p class=soft>No market was traded.</p>"
    picked = totals if len(totals) <= 12 else [*totals[:6], *totals[-6:]]
    rows = "".join(f"<tr><td>{escape(name[:18])}</td><td>{money(pnl)}</td></tr>" for name, pnl in picked)
    return f"<table><tr><th>market (worst and best of {len(totals)})</th><th>P&amp;L</th></tr>{rows}</table>"


def trades(run: Run) -> str:
    """The newest closed trades."""
    newest = run.result.closed[-40:][::-1]
    if not newest:
        return "<p class=soft>No trade was closed.</p>"
    rows = "".join(
        f"<tr><td>{time_of(trade.closed_s)}</td><td>{escape(trade.market_id[:14])}</td><td>{trade.outcome.value}</td>"
        f"<td>{trade.shares:,.2f}</td><td>{(trade.closed_s - trade.opened_s) // 60}</td><td>{escape(trade.reason)}</td>"
        f"<td>{money(float(trade.pnl))}</td></tr>"
        for trade in newest
    )
    names = ("closed", "market", "token", "shares", "minutes", "why", "P&amp;L")
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>{rows}</table>"
