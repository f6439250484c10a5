"""What the world looks like now: the landing zone's newest bars, with the features and forecasts of a bundle."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from pipelines.core import brackets, raw_tables
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.sections import DriftParams
from pipelines.core.settings import Mode, Settings
from pipelines.core.settlement import Settlement
from pipelines.drift import refit
from pipelines.drift.reference import COMPARED
from pipelines.drift.residuals import IntArray, Made, Series, judged
from pipelines.features.compute import batch
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.features.spec import FEATURE_NAMES
from pipelines.features.state_space import STATES
from pipelines.features.state_space_batch import NO_END_S, Books, Columns, Rungs, contexts, states
from pipelines.inference.predictor import Predictor, Raw
from pipelines.news import decay
from pipelines.reference import recorded, segments
from pipelines.reference.board import Board
from pipelines.rows import order_flow

BARS = ("market_id", "ts_s", "mid_units", "volume_micro")
BOOKS = ("spread_units", "bid_size_micro", "ask_size_micro")
"""Columns that a landing zone of an earlier version may lack: 0, not observed."""
BEFORE_S = 7_200
"""Reference prices so long before the first bar are read: the memory of their volatility."""
LISTED = ("question", "settlement", "neg_risk", "lower", "upper")
"""What a listing says of a market's levels, where the files have it."""


def window(folder: Path, predictor: Predictor, params: DriftParams) -> pd.DataFrame:
    """The newest `window_bars` bars of every market in a landing zone (or any folder like data/raw); of more bars than
    `recent_bars` those of a draw of events.

    Columns as in the reference, without slices, and `refit.REFIT`, missing where the bundle has no filter. Bars before
    the window are read to fill features and lookback.

    Raises:
        DataError: if there are no bars.
    """
    bars, length_s = _bars(folder, params.window_bars + predictor.lookback + params.horizon_bars)
    markets = _markets(folder, bars["market_id"].unique())
    bars = _drawn(bars, markets["event_id"], params.recent_bars)
    series = Series.of(
        bars["market_id"].to_numpy(object),
        bars["ts_s"].to_numpy(np.int64),
        bars["mid_units"].to_numpy(np.int64),
        length_s,
    )
    sentiment, tone, headlines = _news(folder, series)
    features = _features(series, bars["volume_micro"].to_numpy(np.int64), markets)
    start_s = int(series.ts_s.max()) - params.window_bars * length_s
    positions = np.flatnonzero((series.place >= predictor.lookback - 1) & (series.ts_s > start_s))
    events = np.unique(markets["event_id"].reindex(series.market_id).astype(str), return_inverse=True)[1]
    left = np.zeros((len(series.ts_s), len(STATES)))
    ahead = np.full((2, len(series.ts_s)), np.nan)
    if predictor.filter is not None:
        ends = markets["end_s"].reindex(series.market_id).fillna(NO_END_S).to_numpy(np.int64)
        volume = bars["volume_micro"].to_numpy(np.int64)
        news = tone, headlines, ends
        columns = Columns.of(series.ts_s, series.mid_units, volume, *news, series.place == 0, length_s)
        left = states(predictor.filter, columns)
        horizon = params.horizon_bars
        ahead[0] = predictor.filter.forecast(left, horizon)[:, horizon - 1]
        ahead[1] = refit.ahead(columns, events, horizon)
    books = (bars[name].to_numpy(np.int64) for name in BOOKS)
    rungs, fair = _rungs(markets, series, events), _fair(folder, markets, series)
    flow = _flow(folder, series) if predictor.reads_order_flow else None
    seen = Books(events, series.place == 0, series.ts_s, series.mid_units, *books, rungs=rungs, fair=fair, flow=flow)
    context = contexts(seen)
    left = np.concatenate((left, context), axis=1)
    made = _forecasts(predictor, series, (features, sentiment, left), positions, params.horizon_bars)
    frame: pd.DataFrame = pd.DataFrame(dict(zip(FEATURE_NAMES, features.T, strict=True)) | {"sentiment": sentiment})
    frame = pd.concat([bars[["market_id", "ts_s"]], frame[list(COMPARED)]], axis=1)
    frame["event_id"] = frame["market_id"].map(markets["event_id"])
    frame = pd.concat([frame, judged(series, made, params.horizon_bars)], axis=1)
    unit = series.volatility() * np.sqrt(params.horizon_bars)
    for name, values in zip(refit.REFIT, ahead, strict=True):
        frame[name] = frame["move"] - values / unit
    return frame.iloc[positions].reset_index(drop=True)


def _bars(folder: Path, bars: int) -> tuple[pd.DataFrame, int]:
    """The newest bars of every market, sorted by market and time, and their length. Only the days that hold them are
    read: a landing zone keeps what it was given for ever."""
    if not (folder / "bars").is_dir():
        raise DataError(f"{folder / 'bars'} does not exist; run the ingest flow (python -m flows ingest) first")
    days = raw_tables.day_folders(folder / "bars")
    newest = _read(days[-2:], ["market_id", "ts_s"])
    if newest.empty:
        raise DataError(f"{folder / 'bars'} holds no bars; run the ingest flow (python -m flows ingest) first")
    pace = _pace(newest) or _pace(_read(days, ["market_id", "ts_s"]))
    if pace is None:
        raise DataError(f"no market in {folder / 'bars'} has two bars; run the ingest flow again later")
    newest_s, length_s = pace
    start_s = newest_s - bars * length_s
    table = _read(raw_tables.day_folders(folder / "bars", start_s, newest_s), [*BARS, *BOOKS], start_s)
    table = table.fillna(dict.fromkeys(BOOKS, 0)).drop_duplicates(["market_id", "ts_s"], keep="last")
    return table.sort_values(["market_id", "ts_s"], ignore_index=True), length_s


def _read(days: Sequence[Path], columns: list[str], after_s: int = 0) -> pd.DataFrame:
    """Columns of the bars of some days that lie after a time, in the order of the files; 0 in a column that the files
    lack. Each market's id is in memory once."""
    files = [str(path) for day in days for path in sorted(day.glob("*.parquet"))]
    if not files:
        return pd.DataFrame({name: pd.Series(dtype=object if name == "market_id" else np.int64) for name in columns})
    texts = ds.ParquetFileFormat(read_options={"dictionary_columns": ["market_id"]})
    found = ds.dataset(files, format=texts)
    known = [name for name in columns if name in found.schema.names]
    table: pd.DataFrame = found.to_table(columns=known, filter=ds.field("ts_s") > after_s).to_pandas()
    table["market_id"] = table["market_id"].astype(object)
    return table.assign(**dict.fromkeys((name for name in columns if name not in known), 0))


def _pace(table: pd.DataFrame) -> tuple[int, int] | None:
    """The newest time and the usual step between two bars of a market; None where no market has two."""
    ordered = table.drop_duplicates().sort_values(["market_id", "ts_s"])
    same = ordered["market_id"].to_numpy()[1:] == ordered["market_id"].to_numpy()[:-1]
    steps = np.diff(ordered["ts_s"].to_numpy(np.int64))[same]
    return (int(ordered["ts_s"].max()), int(np.bincount(steps).argmax())) if len(steps) else None


def _drawn(bars: pd.DataFrame, event_of: "pd.Series[Any]", most: int) -> pd.DataFrame:
    """The bars; of more than `most` those of randomly drawn events, as many events as fit and at least one. A sample of
    a large venue is enough for the verdict."""
    if len(bars) <= most:
        return bars
    event = bars["market_id"].map(event_of)
    counts = event.value_counts().sort_index()
    order = np.random.default_rng(0).permutation(len(counts))
    kept = counts.index[order][: max(int((counts.to_numpy()[order].cumsum() <= most).sum()), 1)]
    return bars[event.isin(kept)].reset_index(drop=True)


def _rungs(markets: pd.DataFrame, series: Series, events: IntArray) -> Rungs:
    """The brackets of every bar's market. What the files do not say is absent."""
    _, place, counts = np.unique(series.market_id.astype(str), return_index=True, return_counts=True)
    known, exclusive = [], []
    for row in _listed(markets, series):
        known.append(brackets.of(row.question or "", Settlement.parse(row.settlement), row.lower, row.upper))
        exclusive.append(bool(row.neg_risk))
    return Rungs.of(known, exclusive, events[place].tolist(), counts.tolist())


def _fair(folder: Path, markets: pd.DataFrame, series: Series) -> FloatArray:
    """Fair values of every bar, (n, 2) as `Board.series`: NaN where no reference price was recorded."""
    rules = [Settlement.parse(row.settlement) for row in _listed(markets, series)]
    if not any(rules):
        return np.full((len(series.ts_s), 2), np.nan)
    from_ms, to_ms = (int(series.ts_s.min()) - BEFORE_S) * 1_000, int(series.ts_s.max()) * 1_000
    by_message = Settings().mode is Mode.SIMULATED
    kept = segments.prices(folder, from_ms, to_ms, by_message=by_message)
    board = Board.of([*recorded.read(folder / "reference.parquet"), *kept])
    edges = np.unique(series.market_id.astype(str), return_index=True)[1].tolist()
    parts = zip(rules, np.split(series.ts_s, edges[1:]), strict=True)
    return np.concatenate([board.series(rule, ts_s, series.length_s) for rule, ts_s in parts])


def _flow(folder: Path, series: Series) -> FloatArray:
    """`ORDER_FLOW` of every bar, 0 where none was recorded."""
    span = int(series.ts_s.min()) - 1, int(series.ts_s.max())
    found = order_flow.read(list(folder.glob(order_flow.FILE)), span=span)
    found |= order_flow.read_landed(folder / "order_flow", span)
    made = np.zeros((len(series.ts_s), len(ORDER_FLOW)))
    for run in series.runs():
        known = order_flow.at(series.ts_s[run], found.get(str(series.market_id[run.start])))
        made[run] = 0.0 if known is None else known
    return made


def _listed(markets: pd.DataFrame, series: Series) -> list[Any]:
    """What the listing says of each market, in the order of the bars."""
    rows = markets.reindex(np.unique(series.market_id.astype(str))).reindex(columns=LISTED).astype(object)
    return list(rows.where(rows.notna(), None).itertuples())


def _markets(folder: Path, wanted: Any) -> pd.DataFrame:
    files = [folder / "markets.parquet"] if (folder / "markets.parquet").is_file() else folder / "markets"
    found = ds.dataset(files, format="parquet")
    there = [name for name in LISTED if name in found.schema.names]
    table: pd.DataFrame = found.to_table(columns=["market_id", "event_id", "end_s", *there]).to_pandas()
    table = table.drop_duplicates("market_id", keep="last").set_index("market_id")
    if missing := set(wanted) - set(table.index):
        raise DataError(f"{folder} has bars of {min(missing)} but does not list that market; ingest again")
    return table


def _features(series: Series, volume_micro: IntArray, markets: pd.DataFrame) -> FloatArray:
    made = []
    for run in series.runs():
        end = markets["end_s"].get(series.market_id[run.start])
        end_s = None if end is None or pd.isna(end) else int(end)
        made.append(batch(series.ts_s[run], series.mid_units[run], volume_micro[run], end_s))
    return np.concatenate(made)


def _news(folder: Path, series: Series) -> tuple[FloatArray, FloatArray, IntArray]:
    """Decayed sentiment of every row, tone and number of the headlines that became known in it; 0 without headlines."""
    values, tone = np.zeros(len(series.ts_s)), np.zeros(len(series.ts_s))
    headlines = np.zeros(len(series.ts_s), dtype=np.int64)
    source = folder / "headlines" if (folder / "headlines").is_dir() else folder / "headlines.parquet"
    if not source.exists():
        return values, tone, headlines
    table = ds.dataset(source, format="parquet").to_table(columns=["market_ids", "known_s", "sentiment"]).to_pandas()
    rows = table.dropna(subset="sentiment").explode("market_ids").drop_duplicates()
    by_market = {name: part.sort_values("known_s") for name, part in rows.groupby("market_ids")}
    for run in series.runs():
        found = by_market.get(series.market_id[run.start])
        if found is not None:
            known, scores = found["known_s"].to_numpy(np.int64), found["sentiment"].to_numpy(np.float64)
            values[run] = decay.batch(series.ts_s[run], known, scores)
            tone[run], headlines[run] = decay.impulses(series.ts_s[run], known, scores, series.length_s)
    return values, tone, headlines


def _forecasts(
    predictor: Predictor,
    series: Series,
    seen: tuple[FloatArray, FloatArray, FloatArray],
    positions: IntArray,
    horizon: int,
) -> Made:
    """Forecasts at the horizon, missing where a window is not full; `seen`: features, sentiment, filter's states."""
    features, sentiment, left = seen

    def windows(chosen: IntArray) -> Raw:
        index = chosen[:, None] + np.arange(1 - predictor.lookback, 1)
        return features[index], series.mid_units[index], sentiment[index], left[index]

    columns = tuple(np.full(len(series.ts_s), np.nan) for _ in range(4))
    if len(positions):
        made = predictor.forecast_many(windows, positions)
        at = (made.mean[:, horizon - 1], made.lower[:, horizon - 1], made.upper[:, horizon - 1], made.confidence)
        for column, values in zip(columns, at, strict=True):
            column[positions] = values
    return Made(*columns)
