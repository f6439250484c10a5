"""The objects that travel from the wire to an order. Frozen; integers for money (see `money`); UTC seconds for time.

Market time (`ts_s`) is the venue's: bar closes, resolution, trading days. Wall time never appears in these objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from pipelines.core import brackets
from pipelines.core.brackets import Bracket
from pipelines.core.settlement import Settlement

FloatArray = NDArray[np.float64]


class Outcome(StrEnum):
    """Which of a market's two tokens."""

    YES = "YES"
    NO = "NO"

    @property
    def other(self) -> "Outcome":
        """The opposite token.

        >>> Outcome.YES.other
        <Outcome.NO: 'NO'>
        """
        return Outcome.NO if self is Outcome.YES else Outcome.YES


class Side(StrEnum):
    """Side of an order, as on the wire."""

    BUY = "BUY"
    SELL = "SELL"


class Direction(IntEnum):
    """What a policy wants to be: the NO token, flat, or the YES token. There is no negative position."""

    SHORT = -1
    FLAT = 0
    LONG = 1

    @property
    def outcome(self) -> Outcome | None:
        """The token that this direction holds; None when flat.

        >>> Direction.SHORT.outcome
        <Outcome.NO: 'NO'>
        """
        return {1: Outcome.YES, -1: Outcome.NO}.get(self.value)


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Taker fee of one market: rate and exponent of shares x rate x (p (1 - p))^exponent."""

    rate: float
    exponent: float = 1.0


@dataclass(frozen=True, slots=True)
class Rewards:
    """Rebates and liquidity rewards of a market for makers."""

    day_micro: int = 0
    """pUSD a day for orders that rest near the middle, to all makers together."""
    min_size_micro: int = 0
    """Fewest shares of an order that counts for it."""
    max_spread_units: int = 0
    """Largest distance from the middle of an order that counts, in price units."""
    rebate_share: float = 0.0
    """Part of the taker's fee that the maker of a fill gets back."""


NO_REWARDS = Rewards()


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A binary market. `end_s` is the scheduled end, None when unknown; `tick_units` is the tick in 1e-4."""

    market_id: str
    event_id: str
    question: str
    token_yes: str
    token_no: str
    tick_units: int
    min_size_micro: int
    fee: FeeSchedule
    start_s: int | None
    end_s: int | None
    topic: str
    neg_risk: bool = False
    version: str = "v1"
    settlement: Settlement | None = None
    """How a market of a reference price is settled; None for every other market."""
    taker_delay_ms: int = 0
    """How long the venue holds an order that takes, as the listing says."""
    rewards: Rewards = NO_REWARDS
    """Rebates and rewards for makers, as the listing states them."""
    lower: float | None = None
    """Levels between which it pays, where a recording has columns of them; None where it has not."""
    upper: float | None = None

    @property
    def bracket(self) -> Bracket | None:
        """The levels between which it pays; None where nothing names them."""
        return brackets.of(self.question, self.settlement, self.lower, self.upper)

    def token(self, outcome: Outcome) -> str:
        """Token id of an outcome."""
        return self.token_yes if outcome is Outcome.YES else self.token_no


@dataclass(frozen=True, slots=True)
class Bar:
    """One closed bar of the YES token. `mid_units` may lie on half a tick; `spread_units` 0 means not observed."""

    market_id: str
    ts_s: int
    """Close of the bar: the bar covers (ts_s - length, ts_s] and is known at ts_s."""
    mid_units: int
    volume_micro: int
    n_trades: int
    spread_units: int
    bid_size_micro: int = 0
    """Displayed at the best bid at the close, like `ask_size_micro` at the best ask; both 0 where no book was seen."""
    ask_size_micro: int = 0


@dataclass(frozen=True, slots=True)
class Quote:
    """Top of the YES book. A missing side has size 0 and price 0 (bid) or 10,000 (ask)."""

    bid_units: int
    ask_units: int
    bid_size_micro: int
    ask_size_micro: int

    @property
    def spread_units(self) -> int:
        """Ask minus bid in price units."""
        return self.ask_units - self.bid_units

    @property
    def two_sided(self) -> bool:
        """Whether somebody bids and somebody asks, one below the other: only then is `mid_units` a price."""
        return 0 < self.bid_units < self.ask_units < 10_000

    @property
    def mid_units(self) -> int:
        """Middle of bid and ask, floored to a unit (ticks are at least 1 unit, a mid may lie on half a tick).

        >>> Quote(bid_units=4_800, ask_units=4_900, bid_size_micro=0, ask_size_micro=0).mid_units
        4850
        """
        return (self.bid_units + self.ask_units) // 2

    def of(self, outcome: Outcome) -> "Quote":
        """The same book seen from a token: the NO book mirrors the YES book exactly.

        >>> yes = Quote(bid_units=4_800, ask_units=4_900, bid_size_micro=7_000_000, ask_size_micro=2_000_000)
        >>> yes.of(Outcome.NO)
        Quote(bid_units=5100, ask_units=5200, bid_size_micro=2000000, ask_size_micro=7000000)
        """
        if outcome is Outcome.YES:
            return self
        return Quote(10_000 - self.ask_units, 10_000 - self.bid_units, self.ask_size_micro, self.bid_size_micro)


@dataclass(frozen=True, slots=True)
class Tape:
    """Public trades of one market, oldest first, (n,) each. Both tokens' trades are told as those of the YES token."""

    ts_s: NDArray[np.int64]
    price_units: NDArray[np.int64]
    shares_micro: NDArray[np.int64]
    buys: NDArray[np.bool_]
    """Whether the taker bought YES, or sold NO."""
    account: NDArray[np.int64]
    """Hash of the taker's wallet; 0 where it is not known."""

    def __len__(self) -> int:
        return len(self.ts_s)

    def where(self, mask: NDArray[np.bool_]) -> "Tape":
        """The trades that a mask keeps."""
        return Tape(*(getattr(self, name)[mask] for name in Tape.__dataclass_fields__))

    @classmethod
    def empty(cls) -> "Tape":
        """No trades."""
        none = np.empty(0, np.int64)
        return cls(none, none, none, np.empty(0, bool), none)

    @classmethod
    def joined(cls, parts: "Sequence[Tape]") -> "Tape":
        """The trades of all parts, in the order of time."""
        if not parts:
            return cls.empty()
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__]
        order = np.argsort(columns[0], kind="stable")
        return cls(*(column[order] for column in columns))


@dataclass(frozen=True, slots=True)
class Headline:
    """A headline about markets. Readable by features from `known_s` on; `sentiment` in [-1, 1], None until scored."""

    headline_id: str
    market_ids: tuple[str, ...]
    published_s: int
    known_s: int
    text: str
    sentiment: float | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Change of log-odds from the bar's close at horizons 1..H: mean and conformal 90 % interval, shape (H,) each.

    `confidence` is the largest calibrated probability, over horizons, that the sign of the move from the next bar
    on is right; in [0.5, 1].
    """

    mean: FloatArray
    lower: FloatArray
    upper: FloatArray
    confidence: float

    def move_from_next(self, steps: int) -> float:
        """Expected change of log-odds from bar t+1 to t+1+steps (the last horizon caps it): what can be traded.

        >>> mean = np.array([0.25, 0.5, 1.0])
        >>> Forecast(mean, mean - 0.5, mean + 0.5, confidence=0.8).move_from_next(2)
        0.75
        """
        return float(self.mean[min(steps, len(self.mean) - 1)] - self.mean[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Holding in one market: shares of one token. `entry_units` is the YES mid at entry, `peak_units` the best
    mid seen since, in the token's own price; `cost_micro` is what the shares cost with fees."""

    market_id: str
    outcome: Outcome
    shares_micro: int
    entry_units: int
    peak_units: int
    cost_micro: int
    opened_s: int
    provisional_micro: int = 0
    """Of the shares, those whose trade the venue has matched and not yet confirmed."""


class FillState(StrEnum):
    """How far the settlement of a trade has come; CONFIRMED alone cannot be undone."""

    MATCHED = "matched"
    MINED = "mined"
    CONFIRMED = "confirmed"
    RETRYING = "retrying"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of ours. `cash_micro` is the signed change of cash with the fee in it."""

    fill_id: str
    order_id: str
    market_id: str
    token_id: str
    outcome: Outcome
    side: Side
    price_units: int
    shares_micro: int
    fee_micro: int
    ts_s: int
    state: FillState = field(default=FillState.MATCHED, compare=False)

    @property
    def cash_micro(self) -> int:
        """Change of cash in pUSD base units: a buy pays notional + fee, a sale receives notional - fee."""
        notional = self.shares_micro * self.price_units // 10_000
        return -notional - self.fee_micro if self.side is Side.BUY else notional - self.fee_micro
