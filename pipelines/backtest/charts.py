"""Curves over market time as inline SVG."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np

from pipelines.backtest.page_tables import money, time_of
from pipelines.backtest.strategies import Run
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO

COLOURS = ("#94a3b8", "#f59e0b", "#10b981", "#8b5cf6", "#ef4444", "#78716c", "#2563eb", "#ec4899", "#14b8a6")
WIDTH, HEIGHT, LEFT, BOTTOM = 960, 320, 64, 28
POINTS = 600


def legend(runs: Sequence[Run]) -> str:
    """Name, stroke and P&L of every line."""
    items = [
        f"<span><svg width=20 height=8><line x1=0 x2=20 y1=4 y2=4 {_stroke(k)}/></svg> {escape(run.name)}"
        f" {money(run.figures.pnl_pusd)}</span>"
        for k, run in enumerate(runs)
    ]
    return f"<div class=legend>{''.join(items)}</div>"


def _stroke(line: int) -> str:
    """How a line is drawn: colours repeat, dashed."""
    rounds, colour = divmod(line, len(COLOURS))
    dashes = f" stroke-dasharray='{6 / rounds:g} 3'" if rounds else ""
    return f"stroke='{COLOURS[colour]}' stroke-width='1.8'{dashes}"


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


def chart(runs: Sequence[Run], curve_of: Callable[[Run], FloatArray]) -> str:
    """A figure over market time, one line per strategy."""
    ts = np.asarray(runs[0].result.ts_s)
    pick = np.unique(np.linspace(0, len(ts) - 1, min(POINTS, len(ts))).astype(int))
    curves = [curve_of(run)[pick] for run in runs]
    marks = ticks(min(float(curve.min()) for curve in curves), max(float(curve.max()) for curve in curves))
    low, high = marks[0], marks[-1]
    x = LEFT + (ts[pick] - ts[0]) / max(ts[-1] - ts[0], 1) * (WIDTH - LEFT - 8)
    lines = []
    for k, curve in enumerate(curves):
        y = (HEIGHT - BOTTOM) * (1.0 - (curve - low) / (high - low)) + 4
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        lines.append(f"<polyline fill=none {_stroke(k)} points='{points}'/>")
    return f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' width='100%' role=img>{_axes(marks, ts)}{''.join(lines)}</svg>"


def ticks(low: float, high: float) -> list[float]:
    """Round values, four to seven of them, that enclose a range."""
    least = max(high - low, 0.1) / 5.0
    power = 10.0 ** math.floor(math.log10(least))
    step = next(round(factor * power, 9) for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return [round(number * step, 9) for number in range(first, last + 1)]


def _axes(marks: Sequence[float], ts: Any) -> str:
    parts = []
    digits = 0 if marks[1] - marks[0] >= 1.0 else 2
    for number, value in enumerate(marks):
        y = (HEIGHT - BOTTOM) * (1.0 - number / (len(marks) - 1)) + 4
        parts.append(
            f"<line x1={LEFT} x2={WIDTH - 8} y1={y:.1f} y2={y:.1f} stroke='currentColor' stroke-opacity=.15 />"
        )
        parts.append(f"<text x={LEFT - 8} y={y + 4:.1f} text-anchor=end>{value:,.{digits}f}</text>")
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        moment = int(ts[0] + share * (ts[-1] - ts[0]))
        x = LEFT + share * (WIDTH - LEFT - 8)
        parts.append(f"<text x={x:.0f} y={HEIGHT - 6} text-anchor={anchor}>{time_of(moment)}</text>")
    return "".join(parts)
