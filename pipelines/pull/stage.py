"""Stage pull: data/window.json -> data/raw, data/replay, reports/pull.json."""

import asyncio
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipelines.core import artifacts, log, lookback, raw_tables
from pipelines.core.domain import Headline, Market
from pipelines.core.errors import DataError
from pipelines.core.money import PRICE_SCALE
from pipelines.core.packed import PackedBars, PackedMarkets
from pipelines.core.params import Params, load
from pipelines.core.products import RAW, REPLAY, report_json
from pipelines.core.raw_tables import Bars
from pipelines.core.settings import Settings, Source
from pipelines.pull import grid, holdout, landed, landing, recording, window
from pipelines.reference import recorded
from pipelines.reference.board import KEEP_MS
from pipelines.reference.external import EXTERNAL
from pipelines.reference.prices import Price
from pipelines.rows import order_flow

REPORT = report_json("pull")


@dataclass
class Pulled:
    """What one source gave: bars to learn from, bars to replay (recordings only), and what was left out and why."""

    markets: list[Market]
    bars: PackedBars
    length_s: int
    headlines: list[Headline] = field(default_factory=list)
    replay: Bars | None = None
    rows_dropped: dict[str, int] = field(default_factory=dict)
    payouts: dict[str, int] = field(default_factory=dict)
    disputed: set[str] = field(default_factory=set)
    """Resolved markets whose resolution was disputed; a recording does not say."""
    scoring_usd: float = 0.0
    spreads: dict[int, tuple[float, int]] = field(default_factory=dict)
    prices: list[Price] = field(default_factory=list)
    replay_prices: list[Price] = field(default_factory=list)
    """Reference prices of the replay's time too, which no stage reads."""
    asked: dict[str, int] = field(default_factory=dict)
    order_flow: PackedMarkets = field(default_factory=PackedMarkets)
    lookback_bars: int | None = None
    """What a forecast reads of these markets; None is forecast.lookback_bars."""


def run() -> None:
    """Read the window's source and replace data/raw, data/replay and reports/pull.json.

    Raises:
        DataError: if no market is long enough, with the counts.
    """
    params, chosen = load(), window.read()
    pulled = from_recording(chosen, params) if chosen.source is Source.RECORDED else _from_venue(chosen, params)
    counts, forecast = pulled.bars.counts(len(pulled.markets)), params.forecast
    read = pulled.lookback_bars or forecast.lookback_bars
    ahead = lookback.least_ahead(counts, forecast.least_ahead_bars, read, forecast.horizon_bars)
    params = lookback.with_decided(params, pulled.lookback_bars, ahead)
    needed = lookback.needed(params)
    long_enough = counts >= needed
    if not long_enough.any():
        raise DataError(
            f"none of {len(pulled.markets)} markets has {needed} bars of {pulled.length_s} s ({ahead} of them ahead)"
            f" without a gap of more than {params.bars.max_gap_bars}; the longest has {int(counts.max(initial=0))}."
            " Give a longer recording, or lower forecast.lookback_bars and forecast.horizon_bars in params.yaml"
        )
    too_short = ~long_enough & (counts > 0)
    pulled.bars = pulled.bars.only(np.flatnonzero(long_enough).tolist())
    _write(pulled, params)
    artifacts.write_json(REPORT, _report(chosen, pulled, params, int(too_short.sum())))
    bars = pulled.bars
    log.get("pull").info("done", markets=len(bars.codes), bars=len(bars), headlines=len(pulled.headlines))


def from_recording(chosen: window.Window, params: Params) -> Pulled:
    """Bars of a recording, cut at the window's end, and the bars that its replay trades."""
    assert chosen.recording is not None
    path = Path(chosen.recording)
    if recording.sha256(path) != chosen.recording_sha256:
        raise DataError(f"{path} changed since data/window.json was written; run python -m pipelines window --fresh")
    found = recording.read(path)
    length_s = grid.infer_length_s(found.points)
    bars = grid.to_bars(found.points, length_s, params.bars.max_gap_bars, grid.grid_offset_s(found.points, length_s))
    held = holdout.HoldOut(chosen.held_out_event, chosen.as_of_s)
    forecast = params.forecast
    read = lookback.fitting(bars.counts(len(found.markets)), forecast.lookback_bars, forecast.horizon_bars)
    replay = holdout.replayed(found.markets, bars, held, lookback=read, length_s=length_s)
    return Pulled(
        found.markets,
        PackedBars.of(bars.where(holdout.learned(found.markets, bars, held))),
        length_s,
        replay=bars.where(replay),
        payouts=found.payouts,
        prices=[one for one in found.prices if one.known_ms <= held.as_of_s * 1_000],
        replay_prices=[one for one in found.prices if one.source != EXTERNAL],
        lookback_bars=read,
        rows_dropped=found.dropped | {"outside_longest_run": len(found.points) - int((~bars.filled).sum())},
    )


def _from_venue(chosen: window.Window, params: Params) -> Pulled:
    from pipelines.pull import live  # noqa: PLC0415 - recordings need no HTTP client

    settings, span = Settings().for_source(chosen.source), (chosen.start_s, chosen.as_of_s)
    # An ingest may have run since the window was written; only a zone later than the venue's time is another world's.
    now_s = asyncio.run(live.market_time_s(settings))
    known = landed.read(settings.var / "landing", *span, params.news.scorer, now_s)
    recorded = landing.recorder_of(settings, params, *span)
    history = asyncio.run(live.history(settings, params, *span, known=known, recorded=recorded))
    return Pulled(
        history.markets,
        history.bars,
        params.bars.length_s,
        history.headlines,
        rows_dropped=history.dropped,
        payouts=history.payouts,
        disputed=history.disputed,
        scoring_usd=history.scoring_usd,
        spreads=history.spreads,
        prices=landing.prices(settings, *span),
        asked=history.asked,
        order_flow=history.order_flow,
    )


def _write(pulled: Pulled, params: Params) -> None:
    bars = pulled.bars
    ids = [m.market_id for m in pulled.markets]
    used = [pulled.markets[code] for code in bars.codes]
    with artifacts.replaced_folder(RAW) as folder:
        raw_tables.write_raw(
            folder,
            raw_tables.markets_table(used),
            ids,
            bars.parts(sorted(bars.codes, key=lambda code: ids[code])),
            raw_tables.headlines_table(pulled.headlines),
        )
        names = {market.market_id for market in used}
        paid = {name: payout for name, payout in pulled.payouts.items() if name in names}
        pq.write_table(raw_tables.payouts_table(paid, pulled.disputed), folder / "payouts.parquet")
        pq.write_table(raw_tables.spreads_table(pulled.spreads), folder / "spreads.parquet")
        pq.write_table(recorded.table(pulled.prices), folder / raw_tables.REFERENCE)
        flow = pulled.order_flow
        order_flow.write(folder / order_flow.FILE, ((name, flow[name]) for name in sorted(names & flow.keys())))
        lookback.write(folder, params)
    replay = pulled.replay if pulled.replay is not None else Bars.empty()
    replayed = [pulled.markets[code] for code in np.unique(replay.code)]
    with artifacts.replaced_folder(REPLAY) as folder:
        first_ms = int(replay.ts_s.min()) * 1_000 - KEEP_MS if len(replay) else math.inf
        shown = recorded.table(one for one in pulled.replay_prices if one.known_ms >= first_ms)
        raw_tables.write_replay(folder, raw_tables.markets_table(replayed), raw_tables.bars_table(ids, replay), shown)


def _share(bars: PackedBars, markets: list[bool]) -> float:
    """Share of the bars whose market is one of those that are marked."""
    return float(bars.counts(len(markets))[np.array(markets, bool)].sum() / len(bars))


def _observed(bars: PackedBars) -> dict[str, float]:
    """How many bars repeat the one before, the shares whose spread and sizes were seen, and the volume."""
    filled = spread = sizes = volume = 0
    for part in bars.parts():
        filled += int(part.filled.sum())
        spread += int((part.spread_units > 0).sum())
        sizes += int((part.bid_size_micro + part.ask_size_micro > 0).sum())
        volume += int(part.volume_micro.sum())
    return {
        "bars_filled": filled,
        "spread_observed_share": spread / len(bars),
        "sizes_observed_share": sizes / len(bars),
        "volume_shares": volume / 1e6,
    }


def _report(chosen: window.Window, pulled: Pulled, params: Params, too_short: int) -> dict[str, object]:
    bars, replay = pulled.bars, pulled.replay
    return {
        "source": chosen.source.value,
        "length_s": pulled.length_s,
        "lookback_bars": params.forecast.lookback_bars,
        "ahead_bars": params.forecast.least_ahead_bars,
        "start_s": chosen.start_s,
        "as_of_s": chosen.as_of_s,
        "held_out_event": chosen.held_out_event,
        "markets": len(bars.codes),
        "events": len({pulled.markets[code].event_id for code in bars.codes}),
        "bars": len(bars),
        **_observed(bars),
        "brackets_observed_share": _share(bars, [one.bracket is not None for one in pulled.markets]),
        "exclusive_share": _share(bars, [one.neg_risk for one in pulled.markets]),
        "spread_of_open_books_by_tick": {str(tick): mean / PRICE_SCALE for tick, (mean, _) in pulled.spreads.items()},
        "headlines": len(pulled.headlines),
        "reference_prices": sum(one.source != EXTERNAL for one in pulled.prices),
        "external_probabilities": sum(one.source == EXTERNAL for one in pulled.prices),
        "markets_with_settlement": sum(one.settlement is not None for one in pulled.markets),
        "landing": pulled.asked,
        "order_flow_markets": len(pulled.order_flow),
        "headline_scoring_usd": round(pulled.scoring_usd, 6),
        "dropped": {"markets_too_short": too_short, **pulled.rows_dropped},
        "replay": {
            "markets": 0 if replay is None else len(np.unique(replay.code)),
            "bars": 0 if replay is None else len(replay),
        },
    }
