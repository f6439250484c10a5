"""Stage featurize: data/raw without data/quarantine -> data/features (features.parquet, slices.json, scaler.json).

Rows of features that break a rule go to quarantine.parquet there with the rule, and slices.json counts them: the next
run makes them again from the same bars.

Bars are read in groups of whole events of `compute.bars_at_once` bars, and their features are written group by group,
so memory does not grow with the venue. Where a venue has more than `slices.max_bars`, whole events are drawn.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core import log, lookback
from pipelines.core.artifacts import replaced_folder, write_json
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.params import Params, load
from pipelines.core.products import FEATURES, QUARANTINE, RAW
from pipelines.core.scheduler import each
from pipelines.features.ladder import LADDER
from pipelines.features.market_context import CONTEXT
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.features.reference_gap import REFERENCE
from pipelines.features.scale import Scaler
from pipelines.features.spec import FEATURE_NAMES, SCALED
from pipelines.featurize import slices
from pipelines.featurize.drawn import drawn
from pipelines.featurize.feature_file import FeatureFile, fit_rows
from pipelines.reference import recorded
from pipelines.reference.board import Board
from pipelines.rows.event import News, context, of_market, placed, taken
from pipelines.rows.headlines import Headlines
from pipelines.rows.market import Bools, IntArray, MarketBars, long_enough
from pipelines.rows.raw_bars import RawBars
from pipelines.rows.set_aside import SetAside

PLACED = (*LADDER, *REFERENCE, *ORDER_FLOW)
"""Columns of the market context that most markets lack: they are counted."""
LIGHTER = 8
"""A bar of which only market and time are read takes so much less memory than a whole one."""

Job = list[tuple[MarketBars, News, FloatArray]]
"""The markets of an event: all bars, headlines, and what `Board.stated` says of the bars in long enough runs."""


@dataclass
class Found:
    """What the markets have: by event its span and number of bars in long enough runs, and what is left out."""

    spans: dict[str, slices.Span] = field(default_factory=dict)
    bars: Counter[str] = field(default_factory=Counter)
    markets: dict[str, list[str]] = field(default_factory=dict)
    """All of an event, also those without a long enough run: they are siblings of the others."""
    dropped: dict[str, int] = field(default_factory=lambda: {"markets_too_short": 0, "bars_in_short_runs": 0})

    def add(self, event: str, ts_s: IntArray) -> None:
        """The times of the bars of a market of an event that are kept."""
        first, last = int(ts_s[0]), int(ts_s[-1])
        known = self.spans.get(event, (first, last))
        self.spans[event] = (min(first, known[0]), max(last, known[1]))
        self.bars[event] += len(ts_s)


def run() -> None:
    """Read data/raw, write data/features. Raises DataError where there is nothing to compute from."""
    params = lookback.decided(load(), RAW)
    aside = SetAside.read(QUARANTINE)
    raw = RawBars(RAW, aside)
    groups = list(raw.groups([[name] for name in raw.counts], LIGHTER * params.compute.bars_at_once))
    length_s = bar_length_s(raw, groups)
    shortest, horizon = lookback.needed(params), params.forecast.horizon_bars
    found = _found(raw, groups, length_s, shortest)
    made = slices.cut(found.spans, params.slices.model_dump(), (params.forecast.lookback_bars + horizon) * length_s)
    kept = drawn(made.slice_of_event or dict.fromkeys(found.bars, ""), found.bars, params.slices.max_bars)
    found.dropped["bars_not_drawn"] = sum(count for event, count in found.bars.items() if event not in kept)
    headlines = Headlines.read(RAW / "headlines.parquet", aside.headlines)
    board = Board.of(recorded.read(RAW / "reference.parquet"))
    units = [names for event, names in found.markets.items() if event in kept]
    jobs = _jobs(raw, raw.groups(units, params.compute.bars_at_once), length_s, shortest, headlines, board)
    rows = MadeRows()
    with replaced_folder(FEATURES) as folder:
        with FeatureFile(folder / "features.parquet") as file:
            for table in each(_event, (made, length_s, shortest), jobs, params.compute):
                file.add(rows.kept(table))
        counted = rows.write(folder / "quarantine.parquet", params.validate_.max_quarantined_share)
        observed = {name: rows.observed[name] / max(rows.read, 1) for name in PLACED}
        _describe(folder, file, made, found.dropped, params, length_s, counted, observed)


def bar_length_s(raw: RawBars, groups: Sequence[Sequence[str]]) -> int:
    """The most frequent distance between bars of one market, in seconds."""
    steps = Counter[int]()
    for group in groups:
        for _, ts_s in raw.times(group):
            values, counts = np.unique(np.diff(ts_s), return_counts=True)
            steps.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    if not steps:
        raise DataError("no market has two bars; pull a longer history")
    return int(steps.most_common(1)[0][0])


def _found(raw: RawBars, groups: Sequence[Sequence[str]], length_s: int, shortest: int) -> Found:
    found, markets = Found(), 0
    for group in groups:
        for name, ts_s in raw.times(group):
            markets += 1
            event = raw.about[name]["event_id"]
            found.markets.setdefault(event, []).append(name)
            mask = long_enough(ts_s, length_s, shortest)
            found.dropped["bars_in_short_runs"] += int((~mask).sum())
            if not mask.any():
                found.dropped["markets_too_short"] += 1
                continue
            found.add(event, ts_s[mask])
    if not found.bars:
        raise DataError(
            f"none of {markets} markets has {shortest} bars of {length_s} s without a gap (lookback and horizon);"
            f" pull a longer history or lower forecast.lookback_bars"
        )
    return found


def _jobs(
    raw: RawBars, groups: Iterator[list[str]], length_s: int, shortest: int, headlines: Headlines, board: Board
) -> Iterator[Job]:
    """One job per event, read when it is asked for."""
    for group in groups:
        events: dict[str, Job] = {}
        for bars in raw.read(group):
            kept = long_enough(bars.ts_s, length_s, shortest)
            stated = board.stated(bars.market_id, bars.settlement, bars.ts_s[kept], length_s)
            events.setdefault(bars.event_id, []).append((bars, headlines.of(bars.market_id), stated))
        while events:
            yield events.pop(next(iter(events)))


def _event(shared: tuple[slices.Cut, int, int], job: Job) -> pa.Table:
    """The rows of an event, market by market."""
    made, length_s, shortest = shared
    known = [placed(stated, long_enough(bars.ts_s, length_s, shortest)) for bars, _, stated in job]
    around = context([bars for bars, _, _ in job], length_s, known)
    return pa.concat_tables(
        _rows(made, length_s, bars, news, stated, near, kept)
        for (bars, news, stated), near in zip(job, around, strict=True)
        if (kept := long_enough(bars.ts_s, length_s, shortest)).any()
    )


def _rows(
    made: slices.Cut, length_s: int, bars: MarketBars, news: News, stated: FloatArray, near: FloatArray, kept: Bools
) -> pa.Table:
    """The rows of a market's bars that are kept."""
    bars = taken(bars, kept)
    n = len(bars.ts_s)
    columns = of_market(bars, news, stated, length_s) | dict(zip(CONTEXT, near[kept].T, strict=True))
    about = {
        "market_id": pa.array([bars.market_id] * n, pa.string()),
        "event_id": pa.array([bars.event_id] * n, pa.string()),
        "ts_s": columns.pop("ts_s"),
        "slice": pa.array(made.of_bars(bars.event_id, bars.ts_s).tolist(), pa.string()),
        "end_s": pa.array([bars.end_s] * n, pa.int64()),
    }
    return pa.table(about | columns)


@dataclass
class MadeRows:
    """Rows of features that were made, kept and set aside, and those set aside with the first rule that they break."""

    read: int = 0
    aside: list[pa.Table] = field(default_factory=list)
    observed: Counter[str] = field(default_factory=Counter)
    """Rows in which a value of PLACED is known and not 0, by its name."""

    def kept(self, table: pa.Table) -> pa.Table:
        """The rows that later stages can rely on: features are finite, sentiment and tone lie in [-1, 1]."""
        reason = np.full(table.num_rows, "", dtype=object)
        for name in (*FEATURE_NAMES, "sentiment", "tone"):
            values = table[name].to_numpy()
            bad = ~np.isfinite(values) if name in FEATURE_NAMES else ~(np.abs(values) <= 1.0)
            reason[bad & (reason == "")] = f"{name} {'is finite' if name in FEATURE_NAMES else 'lies in [-1, 1]'}"
        self.read += table.num_rows
        self.observed.update({name: int(np.count_nonzero(table[name].to_numpy())) for name in PLACED})
        odd = reason != ""
        if not odd.any():
            return table
        names = pa.array(reason[odd].tolist(), pa.string())
        self.aside.append(table.filter(pa.array(odd)).append_column("reason", names))
        return table.filter(pa.array(~odd))

    def write(self, path: Path, most: float) -> dict[str, int]:
        """Write what was set aside; rows read, kept and quarantined.

        Raises:
            DataError: if that is more than the share `most` of the rows, naming the first and its rule.
        """
        aside = sum(table.num_rows for table in self.aside)
        if aside:
            table = pa.concat_tables(self.aside)
            first = {name: table[name][0].as_py() for name in ("market_id", "ts_s", "reason")}
            text = (
                f"{aside:,} of {self.read:,} rows of features break a rule, such as {first['market_id']} at"
                f" {first['ts_s']} ({first['reason']})"
            )
            if aside > max(1.0, most * self.read):
                raise DataError(
                    f"{text}; at most {most:.0%} may (validate.max_quarantined_share). Run validate again; if it"
                    " passes, featurize is at fault"
                )
            log.get("featurize").warning("set aside", text=text)
            pq.write_table(table, path)
        return {"read": self.read, "kept": self.read - aside, "quarantined": aside}


def _describe(
    folder: Path,
    file: FeatureFile,
    made: slices.Cut,
    dropped: Mapping[str, int],
    params: Params,
    length_s: int,
    rows: Mapping[str, int],
    observed: Mapping[str, float],
) -> None:
    """Slices, and the standardisation by the statistics of the fit slice alone."""
    path = folder / "features.parquet"
    scaler = Scaler.fit_parts(lambda: fit_rows(path), SCALED, params.features.winsor_sd)
    write_json(
        folder / "slices.json",
        slices.document(made, file.bars, file.events, dropped)
        | {"length_s": length_s, "rows": dict(rows), "observed_share": dict(observed)},
    )
    write_json(folder / "scaler.json", scaler.document())
    lookback.write(folder, params)
    bars = sum(file.bars.values())
    log.get("featurize").info("features", bars=bars, mode=made.mode, events=dict(file.events), **dropped)
