"""A small synthetic world for drift: the simulator's markets as data/raw, and a state-space filter of them."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow.parquet as pq

from benchmarks import stage_runs
from flows.edit_params import change
from pipelines.core import raw_tables
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.domain import FeeSchedule, Headline, Market
from pipelines.core.products import BUNDLE, FORECASTER, report_json
from pipelines.core.raw_tables import Bars
from pipelines.features.spec import FEATURE_NAMES, FEATURE_VERSION
from pipelines.inference.bundle import seal
from pipelines.package.stage import FORECASTER_FILES
from simulator.markets.events import EPOCH_S, STEP_S, Event, Family, build
from simulator.markets.price_model import Model
from simulator.markets.source import History, Listing
from simulator.markets.synthetic import SyntheticMarkets

LENGTH_S = 60
SETTINGS = ("forecast.kind=ssm", "conformal.windows=5000")


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
    parts: list[Bars] = []
    for listing in sorted(markets.listings(), key=lambda one: one.market_id):
        history = markets.history(listing.market_id)
        inside = (history.ts_s > start_s) & (history.ts_s <= end_s)
        if inside.any():
            code = np.full(int(inside.sum()), len(listed))
            spread = (history.ask_units - history.bid_units)[inside]
            none = np.zeros(len(code), np.int64)
            parts.append(Bars(code, history.ts_s[inside], history.mid_units[inside], history.volume_micro[inside],
                              history.n_trades[inside], spread, none > 0, none, none))  # fmt: skip
            listed.append(_market(listing))
    folder.mkdir(parents=True, exist_ok=True)
    ids = [market.market_id for market in listed]
    news = [headline for headline in _headlines(begun, end_s) if start_s - 3_600 < headline.known_s <= end_s]
    raw_tables.write_raw(folder, raw_tables.markets_table(listed), ids, parts, raw_tables.headlines_table(news))
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


def train() -> None:
    """Features and a filter of data/raw in the working folder, and its bundle in models/bundle."""
    change(SETTINGS, Path("params.yaml"))
    write_json(report_json("pull"), {"length_s": LENGTH_S, "as_of_s": 0, "source": "simulated"})
    for stage in ("featurize", "forecast"):
        stage_runs.run(Path.cwd(), stage)
    shutil.rmtree(BUNDLE, ignore_errors=True)
    BUNDLE.mkdir(parents=True)
    for name in FORECASTER_FILES:
        shutil.copyfile(FORECASTER / name, BUNDLE / name)
    write_json(BUNDLE / "sizing.json", {})
    meta = read_json(FORECASTER / "meta.json")
    about = {"feature_version": FEATURE_VERSION, "features": list(FEATURE_NAMES), "bar_length_s": LENGTH_S,
             "created_s": 0, "lookback_bars": meta["lookback"], "horizon_bars": meta["horizon"]}  # fmt: skip
    seal(BUNDLE, about)
