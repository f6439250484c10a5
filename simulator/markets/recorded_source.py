"""Source of replayed markets: recorded bars, step by step like synthetic ones. The first `warm_bars` are history.

Recorded book events become whole books. In a gap the last quote stays. Without recorded spreads the quote has the
smallest spread that the tick allows; without recorded sizes they are drawn as in synthetic markets. A recording does
not say how a market ended. One whose last price is at least 0.95 (at most 0.05) resolves to YES (NO); others only end.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from pipelines.core.errors import DataError, ParameterError
from pipelines.core.money import MICRO, PRICE_SCALE, SHARE_GRID
from pipelines.core.settlement import Settlement
from simulator.markets import recorded_markets, recorded_prices
from simulator.markets.dynamics import sizes
from simulator.markets.price_grid import IntArray, quotes
from simulator.markets.price_model import Model
from simulator.markets.random_streams import SIZES, generator
from simulator.markets.recorded_markets import RecordedMarket
from simulator.markets.recorded_prices import PricePath
from simulator.markets.source import Listing, SourceOptions
from simulator.markets.timeline import MarketLife, Timeline, TimelineMarkets
from simulator.series.texts import settlement_slug, settlement_text

DECIDED_UNITS: Final = 9_500
"""Last mid in price units from which a market resolves to YES; NO at the mirrored price."""
_USUAL_LENGTHS_S: Final = (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)


class ReplayedMarkets(TimelineMarkets):
    """Source of recorded markets on one grid of steps.

    Args:
        markets: the recorded markets.
        step_s: bar length in seconds; None infers it from the usual distance of rows.
        warm_bars: bars that lie in the past at the start.
        seed: decides the sizes and the split of volume into trades.
        begins_s: market time at which the warm bars end; None keeps the recording's own time.
        resume_s: market time to start at instead, rounded down to the grid; ignored if the recording has no bar there.
        prices: reference prices of the recording, at its own time.

    Raises:
        ParameterError: if all bars of the recording are warm.
    """

    def __init__(
        self,
        markets: Sequence[RecordedMarket],
        *,
        step_s: int | None = None,
        warm_bars: int = 0,
        seed: int = 1,
        begins_s: int | None = None,
        resume_s: int | None = None,
        prices: Sequence[PricePath] = (),
    ) -> None:
        self.prices = prices
        self.step_s = step_s or usual_step(markets)
        lives = [_life(market, number, self.step_s, seed) for number, market in enumerate(markets)]
        first_s = min(life.listing.start_s for life in lives)
        last_s = max(life.listing.end_s for life in lives)
        start_s = first_s + (max(1, warm_bars) - 1) * self.step_s
        if start_s >= last_s:
            raise ParameterError(
                f"{warm_bars} warm bars of {self.step_s} s reach the recording's end; give fewer or a longer recording"
            )
        shift_s = 0 if begins_s is None else begins_s - start_s
        start_s += shift_s
        resumed = resume_s is not None and start_s <= resume_s < last_s + shift_s
        self.now_s = resume_s - (resume_s - start_s) % self.step_s if resumed and resume_s is not None else start_s
        self._timeline = Timeline(self.step_s)
        self._timeline.accept((_shifted(life, shift_s) for life in lives), ())
        self._timeline.reveal(self.now_s)


def open_source(options: SourceOptions) -> ReplayedMarkets:
    """The replay that the options describe.

    Raises:
        DataError: if the recording is missing, unreadable or empty.
        ParameterError: if no recording is named or its bars are all warm.
    """
    if options.replay is None:
        raise ParameterError("no recording was named; give --replay FILE (a parquet file or a folder of them)")
    return ReplayedMarkets(
        recorded_markets.read(options.replay, options.replay_event),
        step_s=options.bar_length_s,
        warm_bars=options.warm_bars,
        seed=options.seed,
        resume_s=options.resume_s,
        prices=recorded_prices.read(options.replay),
    )


def _shifted(life: MarketLife, shift_s: int) -> MarketLife:
    if not shift_s:
        return life
    listing = life.listing
    # At another time the rule and its reference prices are another market's.
    moved = replace(
        listing, start_s=listing.start_s + shift_s, end_s=listing.end_s + shift_s, description="", event_start_s=None
    )
    return replace(life, listing=moved)


def usual_step(markets: Sequence[RecordedMarket]) -> int:
    """The usual bar length nearest to the median distance of rows, in seconds.

    Raises:
        DataError: if no market has two rows at different times.
    """
    distances = np.concatenate([np.diff(market.ts_s) for market in markets])
    distances = distances[distances > 0]
    if not len(distances):
        raise DataError("no market of the recording has two rows at different times; give --bar-length-s or more data")
    ratio = np.abs(np.log(np.array(_USUAL_LENGTHS_S) / np.median(distances)))
    return _USUAL_LENGTHS_S[int(np.argmin(ratio))]


def _life(market: RecordedMarket, number: int, step_s: int, seed: int) -> MarketLife:
    """A recorded market on the grid: a bar has the quote of its last row, or else that of the bar before."""
    closes = -(-market.ts_s // step_s) * step_s
    start_s, bars = int(closes[0]), int((closes[-1] - closes[0]) // step_s) + 1
    at = (closes - start_s) // step_s
    row = np.searchsorted(at, np.arange(bars), side="right") - 1
    tick = market.tick_units or usual_tick(market)
    bid, ask = touch(market, tick)
    volume = np.bincount(at, market.volume_micro, bars).astype(np.int64) // SHARE_GRID * SHARE_GRID
    count = np.bincount(at, market.n_trades, bars).astype(np.int64)
    count = np.minimum(np.maximum(count, volume > 0), volume // SHARE_GRID)
    bid_size, ask_size = _sizes(market, row, (seed, number))
    end_s = max(market.end_s or 0, start_s + bars * step_s)
    return MarketLife(
        listing=_ruled(_listing(market, tick, start_s, -(-end_s // step_s) * step_s), market.settlement),
        stream=(seed, number),
        payout_micro=_payout(int(bid[-1] + ask[-1]) // 2),
        bid=bid[row].astype(np.int16),
        ask=ask[row].astype(np.int16),
        bid_size=(np.where(bid[row] > 0, bid_size, 0) // SHARE_GRID).astype(np.int32),
        ask_size=(np.where(ask[row] < PRICE_SCALE, ask_size, 0) // SHARE_GRID).astype(np.int32),
        volume_micro=volume,
        n_trades=count.astype(np.int16),
        depth=None if market.depth is None else market.depth.take(row),
    )


def usual_tick(market: RecordedMarket) -> int:
    """Tick in price units that the recorded mids need: 0.01 if nearly all those in [0.04, 0.96] are on half a cent."""
    inner = market.mid_units[(market.mid_units >= 400) & (market.mid_units <= 9_600)]
    on_grid = np.abs(inner / 50.0 - np.rint(inner / 50.0)) < 1e-6
    return 100 if len(inner) and on_grid.mean() > 0.95 else 10


def touch(market: RecordedMarket, tick: int) -> tuple[IntArray, IntArray]:
    """Bid and ask on the tick grid: the recorded ones rounded outwards, else the smallest spread around the mid."""
    fine = (market.mid_units < 400) | (market.mid_units > 9_600)
    step = np.where(fine, min(tick, 10), tick).astype(np.int64)
    half_steps = np.clip(np.rint(market.mid_units * 2.0 / step), 1, 2 * PRICE_SCALE // step - 1).astype(np.int64)
    model_bid, model_ask = quotes(half_steps * step // 2, np.full(len(step), tick), np.zeros(len(step), dtype=np.int64))
    recorded = (market.bid_units > 0) & (market.ask_units > market.bid_units) & (market.ask_units < PRICE_SCALE)
    # A tenth of a unit of tolerance: recorded prices are floats.
    bid = np.floor((market.bid_units + 0.1) / step).astype(np.int64) * step
    ask = np.ceil((market.ask_units - 0.1) / step).astype(np.int64) * step
    return np.where(recorded, bid, model_bid), np.where(recorded, ask, model_ask)


def _sizes(market: RecordedMarket, row: IntArray, stream: tuple[int, int]) -> tuple[IntArray, IntArray]:
    random = generator(stream[0], SIZES | stream[1])
    drawn = sizes(Model(), random.standard_normal((2, len(row))))
    limit = 200_000 * MICRO
    recorded = (np.minimum(market.bid_size_micro, limit)[row], np.minimum(market.ask_size_micro, limit)[row])
    return np.where(recorded[0] > 0, recorded[0], drawn[0]), np.where(recorded[1] > 0, recorded[1], drawn[1])


def _payout(mid_units: int) -> int | None:
    if mid_units >= DECIDED_UNITS:
        return MICRO
    return 0 if mid_units <= PRICE_SCALE - DECIDED_UNITS else None


def _listing(market: RecordedMarket, tick: int, start_s: int, end_s: int) -> Listing:
    """Static data of a market. Recorded ids that do not have the venue's form are replaced by their hashes."""
    token_yes, token_no = (
        token if token.isdecimal() else str(int.from_bytes(_hash(market.market_id, name), "big"))
        for name, token in zip(("yes", "no"), market.tokens, strict=True)
    )
    return Listing(
        market_id=_condition(market.market_id),
        event_id=market.event_id,
        event_title=market.event_id.replace("-", " ").capitalize(),
        question=market.question,
        slug="".join(letter if letter.isalnum() else "-" for letter in market.question.lower()).strip("-"),
        token_yes=token_yes,
        token_no=token_no,
        tick_units=tick,
        min_size_micro=market.min_size_micro,
        fee=market.fee,
        category=market.category,
        start_s=start_s,
        end_s=end_s,
        neg_risk=market.neg_risk,
    )


def _ruled(listing: Listing, rule: Settlement | None) -> Listing:
    """The listing with the text, the slug and the times of its rule, as the venue would show them."""
    text = "" if rule is None else settlement_text(rule)
    if rule is None or not text:
        return listing
    if rule.strike is not None:  # the candle begins at the listed end
        return replace(listing, description=text, end_s=rule.start_s)
    return replace(
        listing,
        description=text,
        slug=settlement_slug(rule) or listing.slug,
        end_s=rule.end_s,
        event_start_s=rule.start_s,
        labels=("Up", "Down"),
    )


def _condition(market_id: str) -> str:
    digits = market_id.removeprefix("0x")
    valid = len(digits) == 64 and all(letter in "0123456789abcdef" for letter in digits)
    return market_id if valid and market_id != digits else f"0x{_hash(market_id, 'condition').hex()}"


def _hash(market_id: str, what: str) -> bytes:
    return hashlib.sha256(f"oddsmith replay {what} {market_id}".encode()).digest()
