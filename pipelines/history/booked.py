"""Trades and realised profit: the journal booked again, with the ledger's own arithmetic."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from pipelines.core.domain import Fill, Market, Outcome, Side
from pipelines.core.errors import DataError
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.trading.ledger import Closed, Ledger

Row = Mapping[str, Any]
Key = tuple[str, Outcome, int]
"""(market, outcome, market time of the first purchase) of a position."""

TAKEN_BACK = "void"
"""How ids of bookings begin that take a trade back whose settlement failed; their row keeps the order's reason."""

SETTLEMENT_FAILED = "settlement_failed"
"""The exit reason of a position that ended because its purchase was taken back."""

UNMEASURED = ("adopted", TAKEN_BACK, "redo")
"""How ids of bookings begin that no trade of the venue is behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One position from its first purchase to the end. Money in pUSD, times in market seconds; the proceeds and the
    cost hold the fees. `slippage_pusd` is what all its fills were worse than the mid of that moment,
    `model_slippage_pusd` what they cost more than the fills of the backtest's model; None where it is not known."""

    market_id: str
    question: str
    event: str
    topic: str
    outcome: str
    opened_s: int
    closed_s: int
    shares: float
    entry_price: float
    exit_price: float
    cost_pusd: float
    proceeds_pusd: float
    fees_pusd: float
    slippage_pusd: float
    model_slippage_pusd: float | None
    pnl_pusd: float
    reason: str
    policy: str
    model: str


class Realised(NamedTuple):
    """A sale or settlement: which position it closed a part of, and what that brought."""

    key: Key
    part: Closed


class Charge(NamedTuple):
    """What a fill cost beside its price: the fee, and what it was worse than the mid."""

    key: Key
    ts_s: int
    order_id: str
    fee: Decimal
    slippage: Decimal


@dataclass(slots=True)
class _Sums:
    bought: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)
    received: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    slippage: Decimal = Decimal(0)


@dataclass(slots=True)
class Booked:
    """Everything that was booked: realised parts in order, and the positions that are open still.

    `models` are (market time, bundle) of the bars in order, `policies` maps a bundle to the kind of its policy.
    """

    markets: Mapping[str, Market]
    models: Sequence[tuple[int, str]] = ()
    policies: Mapping[str, str] = field(default_factory=dict)
    realised: list[Realised] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _ledger: Ledger = field(default_factory=lambda: Ledger(0))
    _sums: dict[Key, _Sums] = field(default_factory=dict)

    def book(self, fills: Iterable[Row], settlements: Iterable[Row]) -> None:
        """Book rows of the journal's fills and settlements, in the order of booking."""
        entries = [(row["seq"], 0, row) for row in fills] + [(row["seq"], 1, row) for row in settlements]
        for _, kind, row in sorted(entries, key=lambda entry: entry[:2]):
            if kind:
                self._settle(row)
            else:
                self._fill(row)

    def _fill(self, row: Row) -> None:
        fill = fill_of(row)
        market = self.markets.get(fill.market_id)
        held = self._ledger.holdings.get((fill.market_id, fill.outcome))
        dust = (held.opened_s, held.shares, held.cost) if held else None
        key = self._key(fill) if fill.side is Side.SELL else None
        before = len(self._ledger.closed)
        reason = SETTLEMENT_FAILED if fill.fill_id.startswith(TAKEN_BACK) else row["reason"]
        try:
            self._ledger.apply(fill, row["yes_mid_units"], reason, market.min_size_micro if market else 0)
        except DataError as error:
            self.left_out.append(str(error))
            return
        key = key or self._key(fill)
        fee, slip = Decimal(fill.fee_micro) / MICRO, slippage(fill, row["yes_mid_units"])
        sums = self._sums.setdefault(key, _Sums())
        if dust is not None and dust[0] != key[2]:
            # A purchase on top of dust opens a new position, which takes the dust over with its cost.
            old = self._sums[(*key[:2], dust[0])]
            old.bought, old.paid = old.bought - dust[1], old.paid - dust[2]
            sums.bought, sums.paid = sums.bought + dust[1], sums.paid + dust[2]
        shares, cash = Decimal(fill.shares_micro) / MICRO, Decimal(fill.cash_micro) / MICRO
        sums.fees += fee
        sums.slippage += slip
        if fill.side is Side.BUY:
            sums.bought += shares
            sums.paid -= cash
        else:
            sums.sold += shares
            sums.received += cash
        self.charges.append(Charge(key, fill.ts_s, fill.order_id, fee, slip))
        self.realised += [Realised(key, part) for part in self._ledger.closed[before:]]

    def _settle(self, row: Row) -> None:
        held = {outcome: one for (name, outcome), one in self._ledger.holdings.items() if name == row["market_id"]}
        before = len(self._ledger.closed)
        self._ledger.settle(row["market_id"], row["payout_yes_micro"], row["ts_s"])
        for part in self._ledger.closed[before:]:
            key = (part.market_id, part.outcome, part.opened_s)
            sums = self._sums.setdefault(key, _Sums())
            pays = Decimal(row["payout_yes_micro"]) / MICRO
            sums.sold += part.shares
            sums.received += held[part.outcome].shares * (pays if part.outcome is Outcome.YES else 1 - pays)
            self.realised.append(Realised(key, part))

    def _key(self, fill: Fill) -> Key:
        holding = self._ledger.holdings.get((fill.market_id, fill.outcome))
        return (fill.market_id, fill.outcome, holding.opened_s if holding else fill.ts_s)

    # What comes out

    def trades(self, modelled: Mapping[str, float] | None = None) -> Iterator[Trade]:
        """Positions that are gone, in the order of their end. `modelled` is order id -> slippage against the model."""
        against = self._against_model(modelled or {})
        open_still = {(name, outcome, one.opened_s) for (name, outcome), one in self._ledger.holdings.items()}
        parts: dict[Key, list[Closed]] = {}
        for one in self.realised:
            if one.key not in open_still:
                parts.setdefault(one.key, []).append(one.part)
        for key, closed in sorted(parts.items(), key=lambda pair: (pair[1][-1].closed_s, pair[0])):
            yield self._trade(key, closed, against.get(key))

    def _against_model(self, modelled: Mapping[str, float]) -> dict[Key, float]:
        found: dict[Key, dict[str, float]] = {}
        for one in self.charges:
            if one.order_id in modelled:
                found.setdefault(one.key, {})[one.order_id] = modelled[one.order_id]
        return {key: round(sum(orders.values()), 6) for key, orders in found.items()}

    def ends(self) -> dict[Key, str]:
        """Position -> why it ended last, in part or whole."""
        return {one.key: one.part.reason or "settled" for one in self.realised}

    def _trade(self, key: Key, parts: Sequence[Closed], against_model: float | None) -> Trade:
        sums, (market_id, outcome, opened_s) = self._sums[key], key
        model = self.model_at(opened_s)
        market = self.markets.get(market_id)
        return Trade(
            market_id=market_id,
            question=market.question if market else market_id,
            event=market.event_id if market else "",
            topic=market.topic if market else "",
            outcome=outcome.value,
            opened_s=opened_s,
            closed_s=parts[-1].closed_s,
            shares=float(sums.bought),
            entry_price=_ratio(sums.paid, sums.bought),
            exit_price=_ratio(sums.received, sums.sold),
            cost_pusd=float(sums.paid),
            proceeds_pusd=float(sums.received),
            fees_pusd=float(sums.fees),
            slippage_pusd=float(sums.slippage),
            model_slippage_pusd=against_model,
            pnl_pusd=float(sum((part.pnl for part in parts), Decimal(0))),
            reason=parts[-1].reason or "settled",
            policy=self.policies.get(model, ""),
            model=model,
        )

    def model_at(self, ts_s: int) -> str:
        """The bundle that decided at a market time; empty before the first bar."""
        place = bisect_right(self.models, ts_s, key=lambda pair: pair[0])
        return self.models[place - 1][1][:12] if place else ""


def fill_of(row: Row) -> Fill:
    """A row of the journal's fills."""
    names = ("market_id", "token_id", "price_units", "shares_micro", "fee_micro", "ts_s", "order_id")
    values = {name: row[name] for name in names}
    fill_id = f"{row['fill_id']}/{row['order_id']}"
    return Fill(fill_id=fill_id, outcome=Outcome(row["outcome"]), side=Side(row["side"]), **values)


def slippage(fill: Fill, yes_mid_units: int) -> Decimal:
    """What a fill was worse than the mid of its token, in pUSD; bookings without a trade behind them have none."""
    if fill.fill_id.startswith(UNMEASURED):
        return Decimal(0)
    mid = yes_mid_units if fill.outcome is Outcome.YES else PRICE_SCALE - yes_mid_units
    worse = fill.price_units - mid if fill.side is Side.BUY else mid - fill.price_units
    return Decimal(worse * fill.shares_micro) / (PRICE_SCALE * MICRO)


def _ratio(amount: Decimal, shares: Decimal) -> float:
    return float(amount / shares) if shares else 0.0
