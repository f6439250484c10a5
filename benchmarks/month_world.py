"""The market side of a generated month: the simulator's own markets, bar by bar, as the bot's feed shows them.

Events of five markets live a day and begin in turn, so the number of markets is the same at every moment.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.worlds import market_of
from pipelines.core.domain import Bar, Market, Quote
from pipelines.core.money import MICRO
from pipelines.features.state_space import StateSpace
from serving.loaded_model import WarmMarket
from serving.market.windows import Window
from simulator.markets.events import EPOCH_S, Family, build, paths
from simulator.markets.price_model import Model

DAY_MIN, PER_EVENT, LENGTH_S = 1_440, 5, 60
TOUCH = ("bid_units", "ask_units", "bid_size_micro", "ask_size_micro")
COLUMNS = ("mid_units", *TOUCH, "volume_micro", "n_trades")
AT_ONCE = 16
"""Events whose paths are made in one call: it takes as long as one."""


@dataclass
class Living:
    """A market that takes orders now, with its whole path: a list per column. `index` is its minute of now."""

    market: Market
    begins_min: int
    columns: dict[str, list[int]]
    pays_micro: int
    index: int = 0
    window: Window = field(init=False)
    ready: bool = True

    @property
    def mid_units(self) -> int:
        """Mid of now."""
        return self.columns["mid_units"][self.index]

    @property
    def quote(self) -> Quote:
        """Quote of now."""
        return Quote(*(self.columns[name][self.index] for name in TOUCH))

    def bar(self) -> Bar:
        """The bar that closes now."""
        bid, ask, volume, trades = (
            self.columns[name][self.index] for name in ("bid_units", "ask_units", "volume_micro", "n_trades")
        )
        return Bar(self.market.market_id, self.ts_s, self.mid_units, volume, trades, ask - bid)

    def ahead(self, bars: int) -> int:
        """The mid some bars later, or the last one: what only a generator of trades may know."""
        return self.columns["mid_units"][min(self.index + bars, DAY_MIN - 1)]

    @property
    def ts_s(self) -> int:
        """Market time of the newest bar."""
        return EPOCH_S + LENGTH_S * (self.begins_min + self.index)

    def age_s(self, ts_s: int) -> int:
        """Market seconds since the quote was confirmed."""
        return max(0, ts_s - self.ts_s)


class MonthFeed:
    """Markets of now, with the members of `serving.market.feed.Feed` that a turn and the pages read."""

    connected, late, age_s, features_ms = True, False, 0.1, 0.0

    def __init__(self, seed: int, markets: int, lookback: int) -> None:
        self._every = DAY_MIN // max(1, markets // PER_EVENT)
        self._family = Family(
            seed, Model(edge=1.0), event_length_min=DAY_MIN, event_every_min=self._every, markets_per_event=PER_EVENT
        )
        self._lookback = lookback
        self.followed: dict[str, Living] = {}
        self.closed = (0, 0.0)
        self._begun = -1
        self._made: dict[int, list[Living]] = {}

    @property
    def market_s(self) -> int:
        """Market time."""
        return self.closed[0]

    def go(self, minute: int, *, windows: bool) -> list[Living]:
        """Go to the next minute; the markets that have ended. With `windows` the model's windows are filled too."""
        ended = [one for one in self.followed.values() if minute - one.begins_min >= DAY_MIN]
        for one in ended:
            del self.followed[one.market.market_id]
        for number in range(max(0, -(-(minute - DAY_MIN + 1) // self._every)), minute // self._every + 1):
            for one in self._begin(number):
                self.followed[one.market.market_id] = one
        for one in self.followed.values():
            one.index = minute - one.begins_min
            if windows:
                one.window.push(one.bar())
        self.closed = (EPOCH_S + LENGTH_S * minute, self.closed[1])
        return ended

    def _begin(self, number: int) -> list[Living]:
        """Markets of an event that begins now; none where it has begun already."""
        if number <= self._begun:
            return []
        self._begun = number
        if number not in self._made:
            self._make(number)
        return self._made.pop(number)

    def _make(self, first: int) -> None:
        events = [build(self._family, number) for number in range(first, first + AT_ONCE)]
        made = paths(self._family, events)
        columns = {name: getattr(made, name).tolist() for name in COLUMNS}
        listings = [(one, listing) for one in events for listing in one.listings]
        for row, (event, listing) in enumerate(listings):
            path = {name: column[row] for name, column in columns.items()}
            pays = MICRO if made.resolved_yes[row] else 0
            one = Living(market_of(listing), event.number * self._every, path, pays)
            one.window = Window(self._lookback, LENGTH_S, listing.end_s)
            self._made.setdefault(event.number, []).append(one)

    def seen(self, fitted: StateSpace | None = None) -> list[WarmMarket]:
        """Markets whose window is warm."""
        warm = [one for one in self.followed.values() if one.window.warm]
        return [WarmMarket(one.market, one.window.view(fitted), one.quote, 0) for one in warm]

    def mids(self) -> dict[str, int]:
        """Market id -> mid."""
        return {key: one.mid_units for key, one in self.followed.items()}

    def quotes(self) -> dict[str, Quote]:
        """Market id -> quote."""
        return {key: one.quote for key, one in self.followed.items()}

    def bars(self) -> Iterator[tuple[Bar, Quote]]:
        """The bars that close now, as a gateway of paper hears them."""
        return ((one.bar(), one.quote) for one in self.followed.values())

    def quote(self, market_id: str) -> tuple[Quote, int] | None:
        """The newest quote of a market that takes orders."""
        one = self.followed.get(market_id)
        return None if one is None else (one.quote, one.ts_s)
