"""The backtest as one self-contained page: equity curves as inline SVG, and the tables."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np

from pipelines.backtest import tables
from pipelines.backtest.strategies import Run
from pipelines.backtest.tables import money, number, time_of
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO

COLOURS = ("#94a3b8", "#f59e0b", "#10b981", "#8b5cf6", "#ef4444", "#78716c", "#2563eb", "#ec4899", "#14b8a6")
WIDTH, HEIGHT, LEFT, BOTTOM = 960, 320, 64, 28
POINTS = 600

STYLE = """
:root{--ink:#0f172a;--soft:#64748b;--line:#e2e8f0;--paper:#f8fafc}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0}
main{max-width:1240px;margin:0 auto;padding:32px 24px}h1{font-size:26px;margin:0}h2{font-size:18px;margin:32px 0 8px}
.card{background:#fff;border:1px solid var(--line);border-radius:12px;padding:20px;margin-top:16px;overflow-x:auto}
p.soft,.soft{color:var(--soft)}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:6px 8px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{font-weight:600;color:var(--soft);font-size:13px}
tr.chosen td{background:#eff6ff;font-weight:600}.up{color:#059669}.down{color:#dc2626}
svg text{font:12px system-ui,sans-serif;fill:var(--soft)}.dot{display:inline-block;width:10px;height:10px;
border-radius:50%;margin-right:6px}.legend>span{margin-right:18px;white-space:nowrap;display:inline-block}
"""


def shown(runs: Sequence[Run]) -> list[Run]:
    """Every strategy once: of the random ones the first."""
    return [run for run in runs if run.kind != "random_matched" or run.name == "random_0"]


def equity_csv(runs: Sequence[Run]) -> str:
    """Columns ts_s and one per strategy, equity in pUSD."""
    lines = [",".join(("ts_s", *(run.name for run in runs)))]
    columns = [run.result.equity_micro for run in runs]
    for k, ts_s in enumerate(runs[0].result.ts_s):
        lines.append(",".join((str(ts_s), *(f"{column[k] / MICRO:.6f}" for column in columns))))
    return "\n".join(lines) + "\n"


def page(runs: Sequence[Run], document: dict[str, Any]) -> str:
    """The whole page; needs nothing from outside."""
    first, last = (time_of(runs[0].result.ts_s[k]) for k in (0, -1))
    about = (
        f"{document['markets']} markets, {document['market_bars']:,} bars of {document['bar_length_s']} s,"
        f" {first} to {last}; one account of {document['cash_pusd']:,} pUSD, every decision through decide(), fills"
        " one bar later, after spread, impact and fees"
    )
    chosen = next(run for run in runs if run.kind == document["chosen"])
    name = escape(chosen.name)
    parts = [
        f"<h1>Backtest on the selection slice</h1><p class=soft>{escape(about)}</p>",
        f"<div class=card>{_legend(shown(runs))}{_chart(shown(runs), equity)}</div>",
        f"<h2>Strategies</h2><div class=card>{_table(runs, document)}</div>",
        f"<h2>Drawdown from the peak, %</h2><div class=card>{_chart(shown(runs), fallen)}</div>",
        f"<h2>At stake, % of equity</h2><div class=card>{_chart(shown(runs), at_stake)}</div>",
        f"<h2>When trading gets harder</h2><div class=card>{tables.stress(document)}{tables.bias(document)}</div>",
        f"<h2>Where the money went ({name})</h2><div class=card>{tables.costs(document)}</div>",
        f"<h2>Calibration of decisions ({name})</h2><div class=card>{tables.calibration(document)}</div>",
        f"<h2>The guide's stacks</h2><div class=card>{tables.stacks(document)}</div>",
        f"<h2>Why entries were refused ({name})</h2><div class=card>{tables.refusals(chosen)}</div>",
        f"<h2>P&amp;L by market ({name})</h2><div class=card>{tables.markets(chosen)}</div>",
        f"<h2>Newest trades ({name})</h2><div class=card>{tables.trades(chosen)}</div>",
        f"<p class=soft>Sharpe ratios: {escape(document['annualised'])}. Positions still open are marked to mid."
        " A pace is the return per day of this slice times 30 or 90, not compounded; it needs a third of the time.</p>",
    ]
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>oddsmith backtest</title><style>{STYLE}</style>"
    return f"{head}<main>{''.join(parts)}</main></html>"


def _legend(runs: Sequence[Run]) -> str:
    items = [
        f"<span><i class=dot style='background:{COLOURS[k % len(COLOURS)]}'></i>{escape(run.name)}"
        f" {money(run.figures.pnl_pusd)}</span>"
        for k, run in enumerate(runs)
    ]
    return f"<div class=legend>{''.join(items)}</div>"


def equity(run: Run) -> FloatArray:
    """Equity in pUSD by bar."""
    return np.asarray(run.result.equity_micro) / MICRO


def fallen(run: Run) -> FloatArray:
    """Distance below the highest equity so far, in per cent, as a negative number."""
    values = equity(run)
    down: FloatArray = 100.0 * (values / np.maximum.accumulate(values) - 1.0)
    return down


def at_stake(run: Run) -> FloatArray:
    """Value of all positions in per cent of equity."""
    share: FloatArray = 100.0 * np.asarray(run.result.at_stake_micro) / np.asarray(run.result.equity_micro)
    return share


def _chart(runs: Sequence[Run], curve_of: Callable[[Run], FloatArray]) -> str:
    """A figure over market time, one line per strategy."""
    ts = np.asarray(runs[0].result.ts_s)
    pick = np.unique(np.linspace(0, len(ts) - 1, min(POINTS, len(ts))).astype(int))
    curves = [curve_of(run)[pick] for run in runs]
    low, high = min(curve.min() for curve in curves), max(curve.max() for curve in curves)
    room = max(high - low, 0.1) * 0.06
    low, high = low - room, high + room
    x = LEFT + (ts[pick] - ts[0]) / max(ts[-1] - ts[0], 1) * (WIDTH - LEFT - 8)
    lines = []
    for k, curve in enumerate(curves):
        y = (HEIGHT - BOTTOM) * (1.0 - (curve - low) / (high - low)) + 4
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        colour = COLOURS[k % len(COLOURS)]
        lines.append(f"<polyline fill=none stroke='{colour}' stroke-width=1.8 points='{points}'/>")
    return f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' width='100%' role=img>{_axes(low, high, ts)}{''.join(lines)}</svg>"


def _axes(low: float, high: float, ts: Any) -> str:
    parts = []
    digits = 0 if high - low > 20.0 else 1
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = (HEIGHT - BOTTOM) * (1.0 - share) + 4
        value = low + share * (high - low)
        parts.append(f"<line x1={LEFT} x2={WIDTH - 8} y1={y:.1f} y2={y:.1f} stroke='#e2e8f0'/>")
        parts.append(f"<text x={LEFT - 8} y={y + 4:.1f} text-anchor=end>{value:,.{digits}f}</text>")
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        moment = int(ts[0] + share * (ts[-1] - ts[0]))
        x = LEFT + share * (WIDTH - LEFT - 8)
        parts.append(f"<text x={x:.0f} y={HEIGHT - 6} text-anchor={anchor}>{time_of(moment)}</text>")
    return "".join(parts)


def _table(runs: Sequence[Run], document: dict[str, Any]) -> str:
    names = (
        "strategy",
        "P&L",
        "return",
        "30-day pace",
        "90-day pace",
        "Sharpe (day)",
        "Sharpe (bar)",
        "max drawdown",
        "round trips",
        "win rate",
    )
    more = ("per trade", "fees", "exposure")
    head = "".join(f"<th>{escape(name)}</th>" for name in (*names, *more))
    return f"<table><tr>{head}</tr>{''.join(_row(run, document) for run in runs)}</table>"


def _row(run: Run, document: dict[str, Any]) -> str:
    f, ts_s = run.figures, run.result.ts_s
    span = max((ts_s[-1] - ts_s[0]) / 86_400, 1e-9)
    cells = (
        escape(run.name) + (" &#9733;" if run.kind == document["chosen"] else ""),
        money(f.pnl_pusd),
        f"{f.return_fraction:+.2%}",
        *(_pace(f.return_fraction, span, days) for days in (30, 90)),
        number(f.sharpe_day),
        number(f.sharpe_bar),
        f"{f.max_drawdown:.2%}",
        str(f.round_trips),
        "" if f.win_rate is None else f"{f.win_rate:.0%}",
        "" if f.mean_trade_pusd is None else money(f.mean_trade_pusd),
        f"{f.fees_pusd:,.2f}",
        f"{f.mean_exposure:.1%}",
    )
    chosen = " class=chosen" if run.kind == document["chosen"] else ""
    return f"<tr{chosen}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _pace(return_fraction: float, span_days: float, days: int) -> str:
    """Return per that many days at the slice's pace, not compounded; nothing from a slice that is too short to say."""
    return f"{return_fraction * days / span_days:+.0%}" if span_days >= days / 3 else "too short"
