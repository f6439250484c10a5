"""The interface between the venue and its markets: listings, history, and the next step.

A source owns market time. The venue calls `advance()` once per step, posts the quotes of the step as orders of its
market maker, sends the trades of the step as orders of noise traders, and serves everything before the start from
`history()`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FeeSchedule, Headline, Side
from simulator.markets.hard_sentences import Styles
from simulator.markets.price_model import World

IntArray = NDArray[np.int64]

TradePrint = tuple[int, Side, int, int]
"""Trade of a noise trader in the YES token: ts_s, taker side, price_units, shares_micro."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Static data of a market. `market_id` is 0x and 64 hex digits; tokens are decimal strings of uint256."""

    market_id: str
    event_id: str
    """Slug of the event."""
    event_title: str
    question: str
    slug: str
    token_yes: str
    token_no: str
    tick_units: int
    min_size_micro: int
    fee: FeeSchedule
    category: str
    start_s: int
    end_s: int
    """Scheduled end in market time; the market resolves in the step that reaches it."""
    neg_risk: bool = False
    labels: tuple[str, str] | None = None
    """Names of the outcomes where the series gives them (Up and Down)."""
    description: str = ""
    """The rule's text; empty where the venue makes one."""
    event_start_s: int | None = None
    """Beginning of the range that the market is about."""
    series: str = ""
    """Slug of the series that the market is a window of."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Top of the YES book of one market at the end of a step, and the trades of noise traders within the step.

    A missing side has price 0 (bid) or 10,000 (ask) and size 0. The venue adds the levels behind the best prices. The
    shares of the trades sum to the step's volume in `History`; their number is `n_trades`.
    """

    market_id: str
    bid_units: int
    ask_units: int
    bid_size_micro: int
    ask_size_micro: int
    trades: tuple[TradePrint, ...] = ()
    informed: tuple[TradePrint, ...] = ()
    """Orders of the informed trader at the end of the step, after the new quote: filled at once or dropped. Their
    limits are strictly inside the spread, so they meet only outside orders and are not part of `trades`."""
    levels: tuple[tuple[bool, int, int], ...] = ()
    """The whole book, if it was recorded: (is a bid, price units, base units). If empty, the venue adds depth."""


@dataclass(frozen=True, slots=True)
class Step:
    """Everything that changes at market time `ts_s`, a multiple of the step."""

    ts_s: int
    rows: list[Tick]
    """Markets that are open at `ts_s`."""
    headlines: list[Headline] = field(default_factory=list)
    """Headlines whose `known_s` lies in this step."""
    resolved: list[tuple[str, int]] = field(default_factory=list)
    """market_id and payout of one YES share in base units: 1,000,000, 0, or 500,000 for 50-50."""
    listed: list[Listing] = field(default_factory=list)
    """Markets that open in this step; they are in `listings()` from now on."""


@dataclass(frozen=True, slots=True)
class History:
    """One market's steps up to now, oldest first; six int64 arrays of equal length.

    Row k covers (ts_s[k] - step_s, ts_s[k]]; `mid_units` is the YES mid at ts_s[k].
    """

    ts_s: IntArray
    mid_units: IntArray
    volume_micro: IntArray
    n_trades: IntArray
    bid_units: IntArray
    ask_units: IntArray


class Prints(Protocol):
    """One market's trades up to now, oldest first; arrays of equal length."""

    @property
    def ts_s(self) -> IntArray:
        """Market time of each trade."""
        ...

    @property
    def buys(self) -> NDArray[np.bool_]:
        """Whether the taker bought YES."""
        ...

    @property
    def price_units(self) -> IntArray:
        """Price of the YES token."""
        ...

    @property
    def shares_micro(self) -> IntArray:
        """Shares of each trade."""
        ...


class MarketSource(Protocol):
    """A deterministic stream of markets."""

    step_s: int
    """Length of a step in market seconds."""
    now_s: int
    """Market time: the end of the last step."""

    def listings(self) -> Sequence[Listing]:
        """All markets up to now, resolved ones included. May grow with `advance`."""
        ...

    def resolutions(self) -> Sequence[tuple[str, int, int]]:
        """Markets resolved up to now: market_id, payout of a YES share in base units, time in seconds."""
        ...

    def headlines(self) -> Sequence[Headline]:
        """Headlines known up to now, oldest first."""
        ...

    def history(self, market_id: str) -> History:
        """A market's steps up to now, the last step included.

        Raises:
            KeyError: if the market was never listed.
        """
        ...

    def trades(self, market_id: str) -> Prints:
        """A market's trades up to now, the same as in the steps: their shares sum to the volume in `history`.

        Raises:
            KeyError: if the market was never listed.
        """
        ...

    def advance(self) -> Step:
        """Move market time by one step. A source that has ended returns steps without rows."""
        ...


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Options of the markets, for `open_source` of `synthetic`, `recorded_source` and `mixed`."""

    seed: int = 1
    edge: float = 1.0
    world: World = "reversion"
    """Which errors the quotes make."""
    size_lean: float = 0.0
    """How much displayed sizes tell of the quote's error; 0 tells no direction."""
    large_account: float = 0.0
    """Share of the minutes with a clear error of the quote in which a large informed account trades; 0: none."""
    history_days: int = 16
    event_length_min: int = 1440
    event_every_min: int = 240
    markets_per_event: int = 5
    exclusive_share: float = 0.0
    """Share of synthetic events of whose markets exactly one resolves to YES (negative risk)."""
    styles: Styles = field(default_factory=Styles)
    """Wording of the headlines of synthetic markets."""
    bar_length_s: int | None = None
    """Step in seconds; None means 60, or the replayed recording's own grid."""
    replay: Path | None = None
    replay_event: str | None = None
    warm_bars: int = 0
    """Bars of a replay that are history at the start."""
    mix: bool = False
    """With a replay: add synthetic markets; both use the synthetic markets' clock."""
    drift_at_min: float | None = None
    """Minute of market time since the epoch at which synthetic markets change their regime; None means never."""
    drift_rel: float = 0.0
    """How much of the relation between news, flow and later moves breaks then, 0 to 1."""
    drift_feat: float = 0.0
    """How much volume, headline rate and spread shift then, 0 to 1."""
    series: str = ""
    """Series markets instead of events, such as `5m,15m,eth-1h,ladder`; empty: none."""
    series_lag_s: int = 0
    """How late the quotes of series markets follow the reference price."""
    series_misquotes_h: float = 0.0
    """How often an hour the maker of each series market errs; 0: never."""
    resume_s: int | None = None
    """Market time to resume at; None means the first start: 2026-01-01T00:00Z plus the history."""


class SourceFactory(Protocol):
    """Signature of `simulator.markets.synthetic.open_source` and `simulator.markets.recorded_source.open_source`."""

    def __call__(self, options: SourceOptions) -> MarketSource:
        """A source at its first market time, with its history."""
        ...
