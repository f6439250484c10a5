"""Stage featurize: data/raw without data/quarantine -> data/features (features.parquet, slices.json, scaler.json)."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipelines.core import log
from pipelines.core.artifacts import replaced_folder, write_json
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.params import Params, load
from pipelines.core.products import FEATURES, QUARANTINE, RAW
from pipelines.core.scheduler import each
from pipelines.core.settlement import Settlement
from pipelines.features.market_context import CONTEXT
from pipelines.features.scale import Scaler
from pipelines.features.spec import FEATURE_NAMES, SCALED
from pipelines.features.state_space_batch import Books, contexts
from pipelines.featurize import slices
from pipelines.featurize.market import IntArray, MarketBars, features, long_enough
from pipelines.featurize.sentiment import Headlines
from pipelines.featurize.set_aside import SetAside
from pipelines.reference import recorded
from pipelines.reference.board import Board

COLUMNS = ("ts_s", "mid_units", "volume_micro", "spread_units", "bid_size_micro", "ask_size_micro")
"""Columns of data/raw/bars that are read, in addition to the market id."""


def run() -> None:
    """Read data/raw, write data/features. Raises DataError where there is nothing to compute from."""
    params = load()
    aside = SetAside.read(QUARANTINE)
    markets, length_s = read_bars(RAW, aside)
    headlines = Headlines.read(RAW / "headlines.parquet", aside.headlines)
    shortest = params.forecast.lookback_bars + params.forecast.horizon_bars
    kept, dropped = _keep(markets, length_s, shortest)
    made = slices.cut(_spans(kept), params.slices.model_dump(), shortest * length_s)
    board = Board.of(recorded.read(RAW / "reference.parquet"))
    jobs = [(bars, headlines.of(bars.market_id), board.series(bars.settlement, bars.ts_s, length_s)) for bars in kept]
    table = pa.concat_tables(each(_table, (made, length_s), jobs, params.compute))
    expect(table)
    for name, values in zip(CONTEXT, context(kept, length_s).T, strict=True):
        table = table.append_column(name, pa.array(values))
    _write(table, made, dropped, params, length_s)


def read_bars(raw: Path, aside: SetAside) -> tuple[list[MarketBars], int]:
    """Markets of data/raw sorted by id, each with its bars in time order, and the bar length in seconds. What was set
    aside is left out.

    Raises:
        DataError: if there are no bars.
    """
    bars = _bars(raw / "bars")
    if bars.num_rows == 0:
        raise DataError(f"{raw / 'bars'} holds no bars; run `python -m pipelines pull` on a longer window")
    rows = {row["market_id"]: row for row in pq.read_table(raw / "markets.parquet").to_pylist()}
    bars = aside.without(bars.sort_by([("market_id", "ascending"), ("ts_s", "ascending")]), frozenset(rows))
    ids = bars["market_id"].to_numpy(zero_copy_only=False)
    columns = [bars[name].to_numpy().astype(np.int64) for name in COLUMNS]
    edges = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
    markets = []
    for left, right in itertools.pairwise(edges):
        about = rows[ids[left]]
        values = dict(zip(COLUMNS, (column[left:right] for column in columns), strict=True))
        rule = Settlement.parse(about.get("settlement"))
        markets.append(MarketBars(ids[left], about["event_id"], about["end_s"], **values, settlement=rule))
    return markets, bar_length_s(markets)


def _bars(folder: Path) -> pa.Table:
    try:
        return ds.dataset(folder, format="parquet").to_table(columns=["market_id", *COLUMNS])
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{folder} cannot be read ({error}); run `python -m pipelines pull` again") from None


def context(markets: Sequence[MarketBars], length_s: int) -> FloatArray:
    """The market context of every bar of these markets, one after the other, (n, len(CONTEXT))."""
    _, events = np.unique([bars.event_id for bars in markets], return_inverse=True)
    event = np.repeat(events.astype(np.int64), [len(bars.ts_s) for bars in markets])
    starts = np.concatenate([np.append(True, np.diff(bars.ts_s) != length_s) for bars in markets])
    names = ("ts_s", "mid_units", "spread_units", "bid_size_micro", "ask_size_micro")
    columns = (np.concatenate([getattr(bars, name) for bars in markets]) for name in names)
    return contexts(Books(event, starts, *columns))


def bar_length_s(markets: Sequence[MarketBars]) -> int:
    """The most frequent distance between bars of one market, in seconds."""
    steps = Counter[int]()
    for market in markets:
        values, counts = np.unique(np.diff(market.ts_s), return_counts=True)
        steps.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    if not steps:
        raise DataError("no market has two bars; pull a longer history")
    return int(steps.most_common(1)[0][0])


def _keep(markets: list[MarketBars], length_s: int, shortest: int) -> tuple[list[MarketBars], dict[str, int]]:
    kept = []
    dropped = {"markets_too_short": 0, "bars_in_short_runs": 0}
    for bars in markets:
        mask = long_enough(bars, length_s, shortest)
        dropped["bars_in_short_runs"] += int((~mask).sum())
        if not mask.any():
            dropped["markets_too_short"] += 1
            continue
        columns = (getattr(bars, name)[mask] for name in COLUMNS)
        kept.append(replace(bars, **dict(zip(COLUMNS, columns, strict=True))))
    if not kept:
        raise DataError(
            f"none of {len(markets)} markets has {shortest} bars of {length_s} s without a gap (lookback + horizon);"
            f" pull a longer history or lower forecast.lookback_bars"
        )
    return kept, dropped


def _spans(markets: Sequence[MarketBars]) -> dict[str, slices.Span]:
    spans: dict[str, slices.Span] = {}
    for bars in markets:
        first, last = int(bars.ts_s[0]), int(bars.ts_s[-1])
        known = spans.get(bars.event_id, (first, last))
        spans[bars.event_id] = (min(first, known[0]), max(last, known[1]))
    return spans


def _table(shared: tuple[slices.Cut, int], job: tuple[MarketBars, tuple[IntArray, FloatArray], FloatArray]) -> pa.Table:
    (made, length_s), (bars, (known_s, scores), fair) = shared, job
    values = features(bars, length_s)
    n = len(bars.ts_s)
    tone, headlines = Headlines.impulses(bars.ts_s, known_s, scores, length_s)
    columns = {
        "market_id": pa.array([bars.market_id] * n),
        "event_id": pa.array([bars.event_id] * n),
        "ts_s": bars.ts_s,
        "slice": pa.array(made.of_bars(bars.event_id, bars.ts_s).tolist()),
        "mid_units": pa.array(bars.mid_units.astype(np.int32)),
        "volume_micro": bars.volume_micro,
        "spread_units": pa.array(bars.spread_units.astype(np.int32)),
        "sentiment": Headlines.decayed(bars.ts_s, known_s, scores),
        "tone": tone,
        "headlines": pa.array(headlines.astype(np.int32)),
        "end_s": pa.array([bars.end_s] * n, type=pa.int64()),
        "fair": fair[:, 0],
        "fair_before": fair[:, 1],
    }
    return pa.table(columns | {name: values[:, i] for i, name in enumerate(FEATURE_NAMES)})


def expect(table: pa.Table) -> None:
    """What every later stage relies on.

    Raises:
        DataError: naming the market and the column that is not finite, or the sentiment outside of [-1, 1].
    """
    for name in (*FEATURE_NAMES, "sentiment", "tone"):
        values = table[name].to_numpy()
        bad = ~np.isfinite(values) if name in FEATURE_NAMES else ~(np.abs(values) <= 1.0)
        if bad.any():
            row = int(np.argmax(bad))
            where = f"{table['market_id'][row].as_py()} at {table['ts_s'][row].as_py()}"
            raise DataError(
                f"{name} of {where} is {values[row]}; features are finite and sentiment lies in [-1, 1]. "
                "Run validate again; if it passes, featurize is at fault"
            )


def fit_scaler(table: pa.Table, winsor_sd: float) -> Scaler:
    """Standardisation of the 15 features and the sentiment by the statistics of the fit slice alone."""
    fit = table.filter(pa.compute.equal(table["slice"], "fit"))
    raw = np.stack([fit[feature.name].to_numpy() for feature in SCALED], axis=1)
    return Scaler.fit(raw, SCALED, winsor_sd)


def _write(table: pa.Table, made: slices.Cut, dropped: Mapping[str, int], params: Params, length_s: int) -> None:
    bars = Counter[str](table["slice"].to_pylist())
    pairs = table.group_by(["slice", "event_id"]).aggregate([])
    events = Counter[str](pairs["slice"].to_pylist())
    scaler = fit_scaler(table, params.features.winsor_sd)
    with replaced_folder(FEATURES) as folder:
        pq.write_table(table, folder / "features.parquet", compression="zstd")
        write_json(folder / "slices.json", slices.document(made, bars, events, dropped) | {"length_s": length_s})
        write_json(folder / "scaler.json", scaler.document())
    log.get("featurize").info("features", bars=table.num_rows, mode=made.mode, events=dict(events), **dropped)
