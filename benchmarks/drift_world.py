"""A small synthetic world for drift: the simulator's markets as data/raw, and a linear forecaster of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper

from pipelines.core import raw_tables
from pipelines.core.artifacts import write_json
from pipelines.core.domain import FeeSchedule, Headline, Market
from pipelines.core.raw_tables import Bars
from pipelines.drift.residuals import Series
from pipelines.features.scale import Scaler, log_odds
from pipelines.features.spec import FEATURE_NAMES, FEATURE_VERSION, SCALED
from pipelines.inference.bundle import seal
from pipelines.inference.calibration import Confidence, Conformal
from pipelines.inference.inputs import Inputs, InputScaler, scale_free
from pipelines.inference.predictor import Predictor
from simulator.markets.events import EPOCH_S, STEP_S, Event, Family, build
from simulator.markets.price_model import Model
from simulator.markets.source import History, Listing
from simulator.markets.synthetic import SyntheticMarkets

LOOKBACK, HORIZON, LENGTH_S = 60, 24, 60


def source(days: float, *, seed: int = 11, **model: Any) -> SyntheticMarkets:
    """Markets of a lively world at edge 1, from the epoch to `days` later."""
    family = Family(seed, Model(edge=1.0, **model), event_length_min=720, event_every_min=120, markets_per_event=5)
    return SyntheticMarkets(family, EPOCH_S + int(days * 1440) * STEP_S)


class Markets(Protocol):
    """Markets up to a time that have a history and may have ended."""

    def listings(self) -> Sequence[Listing]:
        """Every market that was listed."""
        ...

    def history(self, market_id: str) -> History:
        """The bars of a market."""
        ...

    def resolutions(self) -> Sequence[tuple[str, int, int]]:
        """Market, payout in micro-units and time of the end of each that has ended."""
        ...


def events(family: Family, now_s: int) -> list[Event]:
    """Every event of a family that has begun, with its headlines and their true tone."""
    return [build(family, number) for number in range((now_s - EPOCH_S) // (family.event_every_min * STEP_S) + 1)]


def write_raw(markets: Markets, begun: Sequence[Event], folder: Path, start_s: int, end_s: int) -> None:
    """Bars in (start_s, end_s] of all markets, in the tables of data/raw, headlines of their events with the true
    sentiment."""
    listed: list[Market] = []
    columns = []
    for listing in markets.listings():
        history = markets.history(listing.market_id)
        inside = (history.ts_s > start_s) & (history.ts_s <= end_s)
        if inside.any():
            code = np.full(int(inside.sum()), len(listed))
            spread = (history.ask_units - history.bid_units)[inside]
            none = np.zeros(len(code), np.int64)
            columns.append((code, history.ts_s[inside], history.mid_units[inside], history.volume_micro[inside],
                            history.n_trades[inside], spread, none > 0, none, none))  # fmt: skip
            listed.append(_market(listing))
    bars = Bars(*(np.concatenate(column) for column in zip(*columns, strict=True)))
    folder.mkdir(parents=True, exist_ok=True)
    ids = [market.market_id for market in listed]
    news = [headline for headline in _headlines(begun, end_s) if start_s - 3_600 < headline.known_s <= end_s]
    raw_tables.write_raw(folder, raw_tables.markets_table(listed), ids, bars, raw_tables.headlines_table(news))
    paid = {name: payout for name, payout, ended_s in markets.resolutions() if ended_s <= end_s and name in set(ids)}
    pq.write_table(raw_tables.payouts_table(paid), folder / "payouts.parquet")
    pq.write_table(raw_tables.spreads_table({}), folder / "spreads.parquet")


def _market(listing: Any) -> Market:
    names = ("market_id", "event_id", "question", "token_yes", "token_no", "tick_units", "min_size_micro")
    known = {name: getattr(listing, name) for name in names}
    return Market(**known, fee=FeeSchedule(0.0), start_s=listing.start_s, end_s=listing.end_s, topic="other",
                  neg_risk=False, version="v1")  # fmt: skip


def _headlines(begun: Sequence[Event], end_s: int) -> list[Headline]:
    made = []
    for event in begun:
        for minute in np.flatnonzero(event.news).tolist():
            known_s = event.start_s + minute * STEP_S
            for index, market in enumerate(event.listings if known_s <= end_s else ()):
                tone = float(event.sentiment[index, minute])
                made.append(
                    Headline(f"{event.number}-{minute}-{index}", (market.market_id,), known_s, known_s, "news", tone)
                )
    return made


def seal_linear_bundle(
    folder: Path, features: np.ndarray, mid: np.ndarray, sentiment: np.ndarray, positions: np.ndarray
) -> str:
    """Fit a ridge regression on windows that end at the positions, and seal it as a bundle; its hash."""
    index = positions[:, None] + np.arange(1 - LOOKBACK, 1)
    raw, mids = features[index], mid[index]
    scaler = InputScaler.fit(scale_free(raw, mids)[0], winsor_sd=8.0)
    inputs, volatility = Inputs(scaler, sentiment=True).of(raw, mids, sentiment[index])
    ahead = positions[:, None] + np.arange(1, HORIZON + 1)
    unit = volatility[:, None] * np.sqrt(np.arange(1, HORIZON + 1))
    target = np.clip((log_odds(mid[ahead]) - log_odds(mid[positions])[:, None]) / unit, -4.0, 4.0)
    flat = inputs.reshape(len(inputs), -1).astype(np.float64)
    read = np.zeros(inputs.shape[1:], bool)
    read[-3:, len(FEATURE_NAMES) :] = True  # what is derived from moves and volume, and the sentiment
    chosen = flat[:, read.ravel()]
    weight = np.zeros((flat.shape[1], HORIZON))
    weight[read.ravel()] = np.linalg.solve(chosen.T @ chosen + 300.0 * np.eye(chosen.shape[1]), chosen.T @ target)
    band = np.quantile(target - flat @ weight, (0.05, 0.5, 0.95), axis=0)
    folder.mkdir(parents=True)
    _network(folder / "forecaster.onnx", weight, band, inputs.shape[2])
    write_json(folder / "scaler.json", scaler.document())
    write_json(folder / "conformal.json", Conformal.neutral(0.9, HORIZON).document())
    write_json(folder / "confidence.json", Confidence(np.ones(HORIZON - 1), np.ones(HORIZON - 1)).document())
    write_json(folder / "meta.json", {"kind": "linear", "lookback": LOOKBACK, "horizon": HORIZON, "sentiment": True})
    sixteen = np.concatenate((features[positions], np.zeros((len(positions), 1))), axis=1)
    write_json(folder / "observation.json", Scaler.fit(sixteen, SCALED, 8.0).document())
    write_json(folder / "sizing.json", {})
    about = {"feature_version": FEATURE_VERSION, "features": list(FEATURE_NAMES), "bar_length_s": LENGTH_S,
             "created_s": 0, "lookback_bars": LOOKBACK, "horizon_bars": HORIZON}  # fmt: skip
    return seal(folder, about)


def _network(path: Path, weight: np.ndarray, band: np.ndarray, width: int) -> None:
    """(n, 60, width) -> (n, 24, 4): mean, and the mean shifted by the quantiles of the residuals."""
    wide = np.repeat(weight, 4, axis=1).astype(np.float32)
    shift = np.stack((np.zeros(HORIZON), *band), axis=1).reshape(-1).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], ["wide"]),
            helper.make_node("Reshape", ["wide", "shape"], ["y"]),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, LOOKBACK, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, HORIZON, 4])],
        [
            numpy_helper.from_array(wide, "w"),
            numpy_helper.from_array(shift, "b"),
            numpy_helper.from_array(np.array([-1, HORIZON, 4], np.int64), "shape"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)


def forecast() -> None:
    """Seal a bundle in models/bundle from data/features, and write its forecasts as the stage does."""
    table = pq.read_table("data/features/features.parquet").to_pandas()
    mid, sentiment = table["mid_units"].to_numpy(np.int64), table["sentiment"].to_numpy()
    features = table[list(FEATURE_NAMES)].to_numpy()
    series = Series.of(table["market_id"].to_numpy(object), table["ts_s"].to_numpy(np.int64), mid, LENGTH_S)
    full = series.place >= LOOKBACK - 1
    taught = full & (table["slice"] == "fit").to_numpy() & (series.later(HORIZON) >= 0)
    taught &= (mid > 200) & (mid < 9_800)
    chosen = np.random.default_rng(0).choice(np.flatnonzero(taught), 10_000, replace=False)
    bundle = Path("models/bundle")
    seal_linear_bundle(bundle, features, mid, sentiment, chosen)

    def windows(at: np.ndarray) -> Any:
        index = at[:, None] + np.arange(1 - LOOKBACK, 1)
        return features[index], mid[index], sentiment[index], None

    told = np.flatnonzero(full & table["slice"].isin(["agent", "selection", "gate"]).to_numpy())
    made = Predictor(bundle).forecast_many(windows, told)
    columns = {name: pa.array(list(getattr(made, name).astype(np.float32))) for name in ("mean", "lower", "upper")}
    keys = {name: table[name].to_numpy()[told] for name in ("market_id", "ts_s", "slice")}
    Path("data/forecasts").mkdir()
    pq.write_table(pa.table({**keys, **columns, "confidence": made.confidence}), "data/forecasts/forecasts.parquet")
