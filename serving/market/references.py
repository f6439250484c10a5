"""Reference prices of the assets that followed markets settle on, as long as one of them does, and external
probabilities of markets."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from pipelines.core import log
from pipelines.core.domain import Market
from pipelines.core.errors import DataError
from pipelines.core.settings import Settings
from pipelines.reference import segments
from pipelines.reference.board import KEEP_MS, Board
from pipelines.reference.exchange import Exchange
from pipelines.reference.prices import Price, PriceSource, Silence
from pipelines.reference.rtds import Rtds
from pipelines.reference.stated_file import FILE, StatedFile
from serving import metrics

LOOK_EVERY_S = 1.0
"""Wall seconds between two looks whether a followed market needs prices."""

FORGET_EVERY = 3_600
"""Prices after which old ones are dropped."""

GEOMETRY_FROM = 20
"""Prices of one asset from which the distance of a replayed feed's prices is known."""

YIELD_EVERY = 2_000
"""Recorded prices that are taken before anything else may run."""

_log = log.get("reference")


class References:
    """The board of the live process; `on_price` hears of every price that it has taken. `wall_is_market` is false on a
    venue with a clock of its own: then a price is known at the time that its message says, and it may replay a
    recording with prices further apart than a live feed's, so silence and memory follow from their distance, as in
    training."""

    def __init__(
        self,
        settings: Settings,
        wanted: Callable[[], Iterable[Market]],
        length_s: int,
        *,
        wall_is_market: bool,
        on_price: Callable[[Price], None] = lambda _: None,
    ) -> None:
        self._length_s = length_s
        self._on_price = on_price
        self._settings = settings
        self._wanted = wanted
        self._wall_is_market = wall_is_market
        self._taken = 0
        self._is_seeded = False
        self._seeding = asyncio.Lock()
        self.board = Board()
        self._first: list[Price] | None = None if wall_is_market else []

    def fair(self, market: Market, ts_s: int) -> tuple[float | None, float | None]:
        """`Board.pair` of a market at the close of a bar."""
        return self.board.pair(market.settlement, ts_s, self._length_s)

    def now(self, market: Market, market_ms: int) -> tuple[float | None, float | None]:
        """The same at any time between two closes."""
        return self.board.pair_ms(market.settlement, market_ms, self._length_s)

    def fair_now(self, market: Market, market_ms: int) -> float | None:
        """The first of both alone."""
        return self.board.fair(market.settlement, market_ms)[0]

    def fair_before(self, market: Market, market_ms: int) -> float | None:
        """The second of both alone."""
        return self.board.fair_before(market.settlement, market_ms, self._length_s)

    def external(self, market: Market, ts_s: int) -> float | None:
        """The external probability of a market at the close of a bar."""
        return self.board.external.at(market.market_id, ts_s * 1_000)

    async def run(self) -> None:
        """Read the sources until cancelled: prices from the first market on that settles on one, external probabilities
        from the beginning."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_stated(StatedFile(self._settings.var / "landing" / FILE)))
            while True:
                if self._symbols():
                    break
                await asyncio.sleep(LOOK_EVERY_S)
            by_message = not self._wall_is_market
            tasks.create_task(self._read(Rtds(self._settings.rtds_url, by_message=by_message)))
            if self._settings.exchange_url:
                trades = Exchange(self._settings.exchange_url, self._symbols, by_message=by_message)
                tasks.create_task(trades.follow())
                tasks.create_task(self._read(trades))

    async def _read_stated(self, source: PriceSource) -> None:
        async for one in source.prices():
            if isinstance(one, Silence):
                _log.warning("no external probabilities", reason=one.reason)
            else:
                self.board.take(one)

    def _symbols(self) -> set[str]:
        return {one.settlement.symbol for one in self._wanted() if one.settlement is not None}

    async def _seed(self, first: Price) -> None:
        """Begin with what a recorder kept before the first live price, so that a range that has begun has its level.

        Its times are those at which the recorder knew each price. Nothing of after the first live price is taken, and
        nothing older than a market can need. Without a recorder the board begins empty.
        """
        async with self._seeding:
            if self._is_seeded:
                return
            self._is_seeded = True
            span = (first.known_ms - KEEP_MS, first.known_ms)
            landing = self._settings.var / "landing"
            try:
                found = await asyncio.to_thread(segments.prices, landing, *span, by_message=not self._wall_is_market)
            except (DataError, OSError) as error:
                _log.warning("recorded reference prices cannot be read", error=str(error))
                return
            # Of every asset: a market that joins later may settle on another one, and its range may have begun.
            kept = sorted(found, key=lambda one: (one.known_ms, one.ts_ms))
            for place, one in enumerate(kept):
                self._measure(one)
                self.board.take(one)
                if place % YIELD_EVERY == 0:
                    await asyncio.sleep(0)
            _log.info("began with recorded reference prices", count=len(kept))

    async def _read(self, source: PriceSource) -> None:
        async for one in source.prices():
            if isinstance(one, Silence):
                metrics.REFERENCE_SILENCES.inc()
                _log.warning("no reference prices", source=one.source, reason=one.reason)
                continue
            await self._seed(one)
            self._measure(one)
            self.board.take(one)
            self._on_price(one)
            metrics.REFERENCE_PRICES.inc()
            self._taken += 1
            if self._taken % FORGET_EVERY == 0:
                self.board.forget(one.known_ms)

    def _measure(self, one: Price) -> None:
        """Begin the board anew with the distance of the first prices, once all that came with them are there."""
        if self._first is None:
            return
        if self._first and one.known_ms > self._first[0].known_ms:
            counts = Counter((price.symbol, price.source) for price in self._first)
            if max(counts.values()) >= GEOMETRY_FROM:
                made, self._first = Board.of(self._first), None
                made.external = self.board.external
                self.board = made
                return
        self._first.append(one)
