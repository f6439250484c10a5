"""What a backtest of one's own plays: market histories of a slice of the last pull, of a recording or a CSV file."""

import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.backtest.stage import prepared
from pipelines.core.artifacts import sha256_path
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError, ParameterError
from pipelines.core.params import Params
from pipelines.core.products import FEATURES, FORECASTS
from pipelines.core.raw_tables import Bars
from pipelines.features.scale import Scaler
from pipelines.features.spec import SCALED
from pipelines.gate.forecasts import forecast_rows
from pipelines.inference.bundle import Bundle
from pipelines.inference.predictor import Forecasts, Predictor
from pipelines.pull import grid, import_recording, recording
from pipelines.reference.board import Board
from pipelines.replay import market_history
from pipelines.replay.market_history import History, Series
from pipelines.replay.signals import sizing_table
from pipelines.rows.event import context
from pipelines.rows.market import MarketBars, features
from pipelines.study import choice
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable

SLICES = ("selection", "agent")
"""Slices of the last pull that may be played. The gate's is read once per candidate, by the gate alone."""

NEUTRAL = "none: price and features alone"
COLUMNS = ("ts_s", "mid_units", "volume_micro", "spread_units", "bid_size_micro", "ask_size_micro")


@dataclass(frozen=True, kw_only=True)
class Course:
    """Histories with what sizes and scales them. `sha256` is of the data they come from."""

    about: str
    histories: list[History]
    table: SizingTable
    scaler: MarketScaler
    length_s: int
    forecasts: str
    """What made the forecasts; NEUTRAL where nothing did."""
    sha256: str
    counted: bool = False
    """Whether the nightly choice is made on the same bars, so that what is tried here counts there."""
    notes: tuple[str, ...] = field(default=())

    @property
    def span(self) -> tuple[int, int]:
        """Market time of the first and the last bar."""
        return min(int(one.ts_s[0]) for one in self.histories), max(int(one.ts_s[-1]) for one in self.histories)

    def chosen(self, markets: Sequence[str] = (), from_s: int = 0, to_s: int = 2**62) -> "Course":
        """The same course with some markets, from a time on and before another.

        Raises:
            DataError: if nothing is left, with what there is.
        """
        wanted = [one for one in self.histories if choice.fits(one.market, markets)]
        kept = [part for one in wanted if (part := within(one, from_s, to_s)) is not None]
        if not kept:
            first, last = (f"{datetime.fromtimestamp(ts_s, UTC):%Y-%m-%dT%H:%M}" for ts_s in self.span)
            raise DataError(
                f"nothing of {self.about} is left: it has {len(self.histories)} markets from {first} to {last}, of"
                f" which {len(wanted)} fit --markets; choose other markets or dates"
            )
        return replace(self, histories=kept)


def within(history: History, from_s: int, to_s: int) -> History | None:
    """The bars of a history in [from_s, to_s); None with fewer than two. A cut end knows no payout."""
    inside = (history.ts_s >= from_s) & (history.ts_s < to_s)
    if int(inside.sum()) < 2:
        return None
    if inside.all():
        return history
    columns: dict[str, Any] = {
        name: value[inside]
        for name in history.__dataclass_fields__
        if isinstance(value := getattr(history, name), np.ndarray)
    }
    return replace(history, payout_micro=history.payout_micro if inside[-1] else None, **columns)


def of_slice(name: str, params: Params) -> Course:
    """A slice of the last pull with the forecasts of the last training.

    Raises:
        ParameterError: if the slice may not be played.
        DataError: if the stages have not been run.
    """
    if name not in SLICES:
        why = "; the gate's is read once per candidate, by `oddsmith stage gate`" if name == "gate" else ""
        raise ParameterError(f"--slice was {name!r}; give one of {', '.join(SLICES)}{why}")
    histories = market_history.read(name, params.execution)
    made = prepared(histories, params)
    notes = () if name == "selection" else ("agents and tuned rules were fitted on this slice: it flatters them",)
    return Course(
        about=f"the {name} slice of the last pull",
        histories=histories,
        table=made.table,
        scaler=made.scaler,
        length_s=made.length_s,
        forecasts="the forecaster of the last training, out of sample",
        sha256=sha256_path(FEATURES) + sha256_path(FORECASTS),
        counted=name == "selection",
        notes=notes,
    )


def of_file(path: Path, params: Params, bundle: Path | None = None) -> Course:
    """Every market of a recording (Parquet) or of what `oddsmith data import` reads (CSV, JSON).

    Args:
        path: a file, or a folder of Parquet files.
        bundle: folder of a bundle whose forecaster, sizes and scaler are used; without one forecasts are neutral.

    Raises:
        DataError: if the file cannot be read, or no market has enough bars.
    """
    with _recording(path) as parquet:
        found = recording.read(parquet)
    length_s = grid.infer_length_s(found.points)
    bars = grid.to_bars(found.points, length_s, params.bars.max_gap_bars, grid.grid_offset_s(found.points, length_s))
    opened = None if bundle is None else Bundle.open(bundle)
    predictor = None if opened is None else opened.predictor()
    lookback = params.forecast.lookback_bars if predictor is None else predictor.lookback
    every = list(_series(found, bars, length_s))
    made = [_history(predictor, one, lookback, params) for one in every]
    histories = [one for one in made if one is not None]
    if not histories:
        hint = "; play it with shorter windows: --set forecast.lookback_bars=30" if predictor is None else ""
        raise DataError(
            f"none of {len(every)} markets of {path} has {lookback + 1} bars of {length_s} s without a gap{hint}"
        )
    table = sizing_table(histories, params) if bundle is None else SizingTable.read(bundle / "sizing.json")
    return Course(
        about=str(path),
        histories=histories,
        table=table,
        scaler=_scaler(histories) if opened is None else MarketScaler(opened.scaler()),
        length_s=length_s,
        forecasts=NEUTRAL if opened is None else f"bundle {opened.hash[:12]}",
        sha256=sha256_path(path),
        notes=_notes(opened, histories),
    )


@contextlib.contextmanager
def _recording(path: Path) -> Iterator[Path]:
    """The recording itself, or one made of another file, which is gone afterwards."""
    if path.is_dir() or path.suffix in (".parquet", ".pq"):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "recording.parquet"
        with contextlib.redirect_stdout(io.StringIO()):
            import_recording.run(path, target, (), replace=False)
        yield target


def _series(found: recording.Recording, bars: Bars, length_s: int) -> Iterator[Series]:
    board = Board.of(found.prices)
    codes = np.unique(bars.code)
    parts = [bars.where(bars.code == code) for code in codes]
    markets = [
        MarketBars(
            one.market_id, one.event_id, one.end_s, **{name: getattr(part, name) for name in COLUMNS},
            settlement=one.settlement, bracket=one.bracket, exclusive=one.neg_risk,
        )
        for one, part in zip((found.markets[code] for code in codes), parts, strict=True)
    ]  # fmt: skip
    stated = [board.stated(one.market_id, one.settlement, one.ts_s, length_s) for one in markets]
    around = context(markets, length_s, stated)
    for code, one, near, said in zip(codes, markets, around, stated, strict=True):
        fair, external = np.split(said, [2], axis=1)
        market = found.markets[code]
        yield Series(
            market,
            ts_s=one.ts_s,
            mid_units=one.mid_units,
            volume_micro=one.volume_micro,
            spread_units=one.spread_units,
            sentiment=np.zeros(len(one.ts_s)),
            features=features(one, length_s),
            slices=np.full(len(one.ts_s), "own"),
            payout_micro=found.payouts.get(market.market_id),
            fair=fair if np.isfinite(fair).any() else None,
            external=external[:, 0] if np.isfinite(external).any() else None,
            context=near,
            sizes_micro=np.column_stack([one.bid_size_micro, one.ask_size_micro]),
        )


def _history(predictor: Predictor | None, series: Series, lookback: int, params: Params) -> History | None:
    rows = np.arange(lookback - 1, len(series.ts_s))
    if predictor is not None:
        return forecast_rows(predictor, series, rows, params.execution)
    step = int(np.median(np.diff(series.ts_s))) if len(series.ts_s) > 1 else 0
    rows = rows[series.ts_s[rows] - series.ts_s[rows - lookback + 1] == (lookback - 1) * step]
    if len(rows) < 2:
        return None
    nothing = np.zeros((len(rows), params.forecast.horizon_bars))
    neutral = Forecasts(nothing, nothing, nothing, np.full(len(rows), 0.5))
    return market_history.join(series, rows, neutral, params.execution)


def _scaler(histories: Iterable[History]) -> MarketScaler:
    raw: FloatArray = np.concatenate([np.column_stack((one.features, one.sentiment)) for one in histories])
    return MarketScaler(Scaler.fit(raw, SCALED, 8.0))


def _notes(bundle: Bundle | None, histories: Sequence[History]) -> tuple[str, ...]:
    """What a reader has to know of the forecasts."""
    if bundle is None:
        return ("no forecaster was asked: forecasts are flat and confidences 0.5",)
    known_s = int(bundle.manifest["created_s"])
    early = sum(int(one.ts_s[0]) <= known_s for one in histories)
    if not early:
        return ()
    return (
        f"{early} of {len(histories)} markets begin before the bundle was made: its forecaster may have learned from"
        " them, so its forecasts look better than they are",
    )
