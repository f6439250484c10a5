"""Where an agent enters and leaves, read off what it did on the held-out events, as numbers and as a page.

Entries: of the bars at which it was asked without a position, the share that it entered in the direction of the
expected move, by the size of that move and by spread, time left, confidence or price. Exits: of the bars with a
position, the share that was kept, by the expected move in the direction of the position. The boundary of a band is the
smallest move from which on at least half of the bars are entered.
"""

from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.agent.imitation import POSITION
from pipelines.agent.judge import Dataset
from pipelines.core.domain import FloatArray
from pipelines.replay.account import AccountRun
from pipelines.replay.lanes import decoded
from pipelines.trading import compiled
from pipelines.trading.compiled_account import CONFIDENCE, MOVE, ROUND_TRIP
from pipelines.trading.observation import LEAST_COST
from pipelines.trading.threshold_rule import Rule, keeps

EDGES = np.arange(0.0, 3.01, 0.25)
"""Of the bins of expected moves, in round trips; the last bin has all larger ones."""
HELD_EDGES = np.arange(-2.0, 2.01, 0.25)
BANDS = 4
"""Quarters of the bars, by a factor."""
FEWEST = 5
"""Bars of a cell below which it says nothing."""
HOUR_S = 3_600.0

Cells = list[list[float | None]]


def explained(policy: Any, data: Dataset, cash_micro: int) -> dict[str, Any]:
    """Shares of entries and exits of the deterministic policy in one account on the held-out events."""
    run = AccountRun(data.tape, data.par, cash_micro, data.keep)
    rows: list[NDArray[Any]] = []
    seen: list[NDArray[Any]] = []
    wanted: list[NDArray[Any]] = []
    while run.advance():
        directions, fractions = decoded(policy.predict(run.observations, deterministic=True)[0])
        rows.append(run.asked.copy())
        seen.append(run.observations[:, POSITION].copy())
        wanted.append(directions)
        run.answer(directions, fractions)
    if not rows:
        return {"asked": 0, "entries": {}, "exits": {}}
    return _read(data, np.concatenate(rows), np.concatenate(seen), np.concatenate(wanted))


def _read(data: Dataset, rows: NDArray[Any], position: NDArray[Any], wanted: NDArray[Any]) -> dict[str, Any]:
    signals, bars = data.tape.signals[rows], data.tape.field.bars[rows]
    ratio = signals[:, MOVE] / np.maximum(signals[:, ROUND_TRIP], LEAST_COST)
    flat, side = position == 0.0, np.sign(position)
    entered = (wanted != 0) & (wanted == np.sign(ratio))
    factors = {
        "spread, ticks of 0.01": (bars[:, compiled.ASK] - bars[:, compiled.BID]) / 100.0,
        "hours left": bars[:, compiled.SECONDS_LEFT] / HOUR_S,
        "confidence": signals[:, CONFIDENCE],
        "price": bars[:, compiled.MID] / 10_000.0,
    }
    entries = {name: _bands(np.abs(ratio)[flat], entered[flat], values[flat]) for name, values in factors.items()}
    held = ~flat
    exits = _by_rule(data.teacher.rule) if data.entries_only else _kept((ratio * side)[held], (wanted == side)[held])
    return {
        "asked": len(rows),
        "against_the_move": _share((wanted != 0) & ~entered),
        "entries": entries,
        "exits": exits,
    }


def _bands(size: FloatArray, entered: NDArray[np.bool_], factor: FloatArray) -> dict[str, Any]:
    if not len(size):
        return {"bands": [], "entered": [], "boundary": []}
    cuts = np.unique(np.quantile(factor, np.arange(1, BANDS) / BANDS))
    band = np.searchsorted(cuts, factor, side="right")
    cells = [_cells(size[band == one], entered[band == one], EDGES) for one in range(len(cuts) + 1)]
    ends = [float(factor.min()), *map(float, cuts), float(factor.max())]
    named = [f"{low:.2f} to {high:.2f}" for low, high in pairwise(ends)]
    return {"bands": named, "entered": cells, "boundary": [_boundary(one) for one in cells]}


def _cells(size: FloatArray, happened: NDArray[np.bool_], edges: FloatArray) -> list[float | None]:
    at = np.clip(np.searchsorted(edges, size, side="right") - 1, 0, len(edges) - 1)
    counts = np.bincount(at, minlength=len(edges))
    did = np.bincount(at, weights=happened.astype(np.float64), minlength=len(edges))
    return [round(float(one / count), 3) if count >= FEWEST else None for one, count in zip(did, counts, strict=True)]


def _boundary(cells: list[float | None]) -> float | None:
    """The smallest move from which on every known bin is entered at least half of the time."""
    found = None
    for edge, share in zip(EDGES[::-1].tolist(), cells[::-1], strict=True):
        if share is not None and share < 0.5:
            break
        found = edge if share is not None else found
    return found


def _kept(ratio: FloatArray, kept: NDArray[np.bool_]) -> dict[str, Any]:
    return {"bands": ["all positions"], "kept": [_cells(ratio, kept, HELD_EDGES)], "given": False}


def _by_rule(rule: Rule) -> dict[str, Any]:
    """The exit that travels with the network, at the middle of each bin, for positions of some ages."""
    middle = HELD_EDGES + 0.125
    ages = [share * rule.max_hold_s for share in (0.0, 0.5, 1.0)]
    cells = [
        [float(keeps(float(one), 1.0, rule.exit_multiple, int(rule.max_hold_s), 1, int(age))) for one in middle]
        for age in ages
    ]
    return {"bands": [f"held for {age / 60:.0f} min" for age in ages], "kept": cells, "given": True}


def _share(happened: NDArray[np.bool_]) -> float:
    return round(float(happened.mean()), 4) if len(happened) else 0.0


STYLE = """:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:0 auto;
padding:24px;color:light-dark(#0f172a,#dbe1ec);background:light-dark(#f8fafc,#0a0d13)}h1{font-size:24px}h2{font-size:17px;
margin:28px 0 8px}.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{
padding:5px 7px;text-align:right;white-space:nowrap;font-weight:400;font-size:13px}th:first-child{text-align:left}
p{max-width:820px}.b{font-weight:600}"""


def page(found: dict[str, Any], learner: str, sentence: str) -> str:
    """The page of one agent; `sentence` says what it is worth."""
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Agent</title><style>{STYLE}</style>",
        f"<h1>Where {escape(learner)} enters and leaves</h1><p>{escape(sentence)}</p>",
        f"<p>Read off {found['asked']:,} bars of held-out events at which it was asked. Columns are the expected move"
        " in round trips (spread, impact, fees). A cell is the share of bars, in per cent; an empty one had fewer than"
        f" {FEWEST} bars.</p>",
    ]
    for name, one in found["entries"].items():
        parts.append(f"<h2>Entries, by {escape(name)}</h2>")
        if not one["bands"]:
            parts.append("<p>It was never asked without a position.</p>")
            continue
        ends = [_end(edge, row) for edge, row in zip(one["boundary"], one["entered"], strict=True)]
        parts.append(_table(one["bands"], one["entered"], EDGES, ("half entered from", ends)))
    exits = found["exits"]
    if exits:
        given = (
            "The exit is the threshold rule's and travels with the network." if exits["given"] else "It leaves itself."
        )
        parts.append("<h2>Positions that are kept</h2>")
        parts.append(f"<p>{given} Columns are the expected move in the direction of the position, in round trips.</p>")
        parts.append(_table(exits["bands"], exits["kept"], HELD_EDGES, None))
    return "".join(parts) + "</html>\n"


def _end(boundary: float | None, row: list[float | None]) -> str:
    if boundary is not None:
        return f"{boundary:.2f}"
    return "never" if any(share is not None for share in row) else "too few bars"


def _table(bands: list[str], cells: Cells, edges: FloatArray, last: tuple[str, list[str]] | None) -> str:
    head = "".join(f"<th>{edge:g}</th>" for edge in edges)
    more = f"<th>{last[0]}</th>" if last else ""
    rows = [f"<tr><th></th>{head}{more}</tr>"]
    for at, (band, row) in enumerate(zip(bands, cells, strict=True)):
        end = f"<td class=b>{last[1][at]}</td>" if last else ""
        rows.append(f"<tr><th>{escape(band)}</th>{''.join(map(_cell, row))}{end}</tr>")
    return f"<div class=wide><table>{''.join(rows)}</table></div>"


def _cell(share: float | None) -> str:
    if share is None:
        return "<td></td>"
    return f"<td style='background:rgb(16 150 110/{0.75 * share:.2f})'>{100 * share:.0f}</td>"
