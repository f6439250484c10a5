"""The books in Decimal: cash, holdings, cost, fees, realised P&L. Fills come in as base units and leave as such.

Every fill is booked once (its id decides); the sum of all bookings equals the venue's account to the base unit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal

from pipelines.core.domain import Fill, Outcome, Position, Side
from pipelines.core.errors import DataError
from pipelines.core.money import MICRO, PRICE_SCALE, SHARE_GRID, from_micro
from pipelines.trading import kernel

_BASE = Decimal(1) / MICRO


@dataclass(slots=True)
class Holding:
    """Shares of one token, what they cost with fees, and when and at which YES mid they were first bought."""

    shares: Decimal
    cost: Decimal
    entry_units: int
    peak_units: int
    opened_s: int


@dataclass(frozen=True, slots=True)
class Closed:
    """A sale or settlement: what came in less what the sold shares cost."""

    market_id: str
    outcome: Outcome
    opened_s: int
    closed_s: int
    shares: Decimal
    pnl: Decimal
    reason: str


def round_trips(closed: Iterable[Closed], held: Mapping[str, Position]) -> list[Closed]:
    """Every position that was opened and is gone, in the order of its first sale: its sales and settlement added up.

    What was sold of a position that is still `held` (by market id) is no round trip yet.
    """
    trips: dict[tuple[str, Outcome, int], Closed] = {}
    for part in closed:
        key = (part.market_id, part.outcome, part.opened_s)
        if key in trips:
            trips[key] = replace(part, shares=trips[key].shares + part.shares, pnl=trips[key].pnl + part.pnl)
        else:
            trips[key] = part
    still = {(market_id, one.outcome, one.opened_s) for market_id, one in held.items()}
    return [trip for key, trip in trips.items() if key not in still]


def _token_units(outcome: Outcome, yes_units: int) -> int:
    return yes_units if outcome is Outcome.YES else PRICE_SCALE - yes_units


class Ledger:
    """One cash account. Amounts are exact Decimals in pUSD and shares; `*_micro` properties give base units."""

    def __init__(self, cash_micro: int) -> None:
        self.cash = from_micro(cash_micro)
        self.fees = Decimal(0)
        self.holdings: dict[tuple[str, Outcome], Holding] = {}
        self.closed: list[Closed] = []
        self.redeemable: dict[str, int] = {}
        """Market id -> what a YES share pays, of decided markets whose payout has not come in."""
        self._positions: dict[str, Position] = {}
        self._booked: set[str] = set()

    @property
    def cash_micro(self) -> int:
        """Cash in base units."""
        return int(self.cash * MICRO)

    @property
    def positions(self) -> Mapping[str, Position]:
        """Market id -> position; the larger one where both tokens are held. What can be redeemed is no position."""
        return self._positions

    def apply(self, fill: Fill, yes_mid_units: int, reason: str = "", min_size_micro: int = 0) -> bool:
        """Book a fill; False when it was booked before. `yes_mid_units` is the mid at the time of the fill.

        A purchase opens a position where less than `min_size_micro` was held: the dust takes its entry, mid and time.

        Raises:
            DataError: if more is sold than is held.
        """
        # The user stream, the trade list and a restart all report the same fill; its id decides.
        if fill.fill_id in self._booked:
            return False
        if fill.side is Side.BUY:
            self._bought(fill, yes_mid_units, min_size_micro)
        else:
            self._sold(fill, reason)
        self._booked.add(fill.fill_id)
        self.cash += from_micro(fill.cash_micro)
        self.fees += from_micro(fill.fee_micro)
        self._refresh(fill.market_id)
        return True

    def _bought(self, fill: Fill, yes_mid_units: int, min_size_micro: int) -> None:
        key = (fill.market_id, fill.outcome)
        held = int(self._held(key) * MICRO)
        if held and kernel.sellable_micro(held) < max(min_size_micro, SHARE_GRID):
            self.holdings[key] = replace(
                self.holdings[key],
                entry_units=yes_mid_units,
                peak_units=_token_units(key[1], yes_mid_units),
                opened_s=fill.ts_s,
            )
        self._add(key, from_micro(fill.shares_micro), -from_micro(fill.cash_micro), yes_mid_units, fill.ts_s)

    def _add(self, key: tuple[str, Outcome], shares: Decimal, cost: Decimal, yes_mid_units: int, ts_s: int) -> None:
        holding = self.holdings.get(key)
        if holding is None:
            holding = Holding(Decimal(0), Decimal(0), yes_mid_units, _token_units(key[1], yes_mid_units), ts_s)
            self.holdings[key] = holding
        holding.shares += shares
        holding.cost += cost

    def _sold(self, fill: Fill, reason: str) -> None:
        key = (fill.market_id, fill.outcome)
        shares = from_micro(fill.shares_micro)
        if shares > self._held(key):
            raise DataError(
                f"fill {fill.fill_id} sells {shares} {fill.outcome} shares of {fill.market_id}, the ledger holds"
                f" {self._held(key)}; reconcile with the venue's trades before trading on"
            )
        self._reduce(key, shares, from_micro(fill.cash_micro), fill.ts_s, reason)

    def _held(self, key: tuple[str, Outcome]) -> Decimal:
        return self.holdings[key].shares if key in self.holdings else Decimal(0)

    def _reduce(
        self, key: tuple[str, Outcome], shares: Decimal, received: Decimal | None, ts_s: int, reason: str
    ) -> None:
        """Take shares out with their part of the cost; `received` None means: for what they cost."""
        holding = self.holdings[key]
        left = holding.shares - shares
        # The part that stays is floored and the sold part takes the rest, so that no base unit of cost is lost.
        cost_left = (holding.cost * left / holding.shares).quantize(_BASE, rounding=ROUND_FLOOR)
        cost = holding.cost - cost_left
        pnl = Decimal(0) if received is None else received - cost
        self.closed.append(Closed(key[0], key[1], holding.opened_s, ts_s, shares, pnl, reason))
        self._keep(key, holding, left, cost_left)

    def _keep(self, key: tuple[str, Outcome], holding: Holding, shares: Decimal, cost: Decimal) -> None:
        if shares == 0:
            del self.holdings[key]
        else:
            holding.shares, holding.cost = shares, cost

    def split(self, market_id: str, shares_micro: int, yes_mid_units: int, ts_s: int) -> None:
        """Turn pUSD into as many YES and NO shares; each side costs its price at the mid.

        Raises:
            DataError: if there is not enough cash.
        """
        shares = from_micro(shares_micro)
        if shares > self.cash:
            raise DataError(
                f"{shares} pUSD of {market_id} were to be split, the ledger holds {self.cash}; split less or deposit"
            )
        yes = (shares * yes_mid_units / PRICE_SCALE).quantize(_BASE, rounding=ROUND_FLOOR)
        self.cash -= shares
        for outcome, cost in ((Outcome.YES, yes), (Outcome.NO, shares - yes)):
            self._add((market_id, outcome), shares, cost, yes_mid_units, ts_s)
        self._refresh(market_id)

    def earn(self, micro: int) -> None:
        """Base units of pUSD that the venue pays for orders that rested."""
        self.cash += from_micro(micro)

    def pairs_micro(self, market_id: str) -> int:
        """Base units of which both YES and NO are held."""
        return int(min(self._held((market_id, outcome)) for outcome in Outcome) * MICRO)

    def merge(self, market_id: str, shares_micro: int, ts_s: int) -> None:
        """Turn pairs of YES and NO shares back into one pUSD each, before the market is resolved.

        The YES side books the profit of the pair, the NO side leaves for what it cost.

        Raises:
            DataError: if fewer pairs are held.
        """
        shares = from_micro(shares_micro)
        yes, no = ((market_id, outcome) for outcome in (Outcome.YES, Outcome.NO))
        pairs = min(self._held(yes), self._held(no))
        if shares > pairs:
            raise DataError(f"{shares} pairs of {market_id} were to be merged, the ledger holds {pairs}; merge fewer")
        before = self.holdings[no].cost
        self._reduce(no, shares, None, ts_s, "merged")
        cost = before - (self.holdings[no].cost if no in self.holdings else Decimal(0))
        self._reduce(yes, shares, shares - cost, ts_s, "merged")
        self.cash += shares
        self._refresh(market_id)

    def decide(self, market_id: str, payout_yes_micro: int) -> None:
        """A market is decided and its payout is not in yet: holdings are worth it, are no position and no cash."""
        if any(key[0] == market_id for key in self.holdings):
            self.redeemable[market_id] = payout_yes_micro
            self._refresh(market_id)

    def settle(self, market_id: str, payout_yes_micro: int, ts_s: int) -> int:
        """Redeem what is held of a resolved market; base units of pUSD that came in. 500,000 means 50-50."""
        received = 0
        self.redeemable.pop(market_id, None)
        for key in [key for key in self.holdings if key[0] == market_id]:
            holding = self.holdings.pop(key)
            direction = 1 if key[1] is Outcome.YES else -1
            paid = kernel.settlement_micro(int(holding.shares * MICRO), payout_yes_micro, direction)
            received += paid
            pnl = from_micro(paid) - holding.cost
            self.closed.append(Closed(market_id, key[1], holding.opened_s, ts_s, holding.shares, pnl, "settled"))
        self.cash += from_micro(received)
        self._refresh(market_id)
        return received

    def mark(self, market_id: str, yes_mid_units: int) -> None:
        """Remember the best mid that a position has seen, in its token's price."""
        position = self._positions.get(market_id)
        if position is None:
            return
        now = _token_units(position.outcome, yes_mid_units)
        if now > position.peak_units:
            self.holdings[market_id, position.outcome].peak_units = now
            self._refresh(market_id)

    def equity_micro(self, yes_mids: Mapping[str, int]) -> int:
        """Cash and every holding marked at its token's mid, floored to base units; mids by market id."""
        total = self.cash_micro
        for (market_id, outcome), holding in self.holdings.items():
            direction, shares = 1 if outcome is Outcome.YES else -1, int(holding.shares * MICRO)
            if market_id in self.redeemable:
                total += kernel.settlement_micro(shares, self.redeemable[market_id], direction)
            else:
                total += kernel.equity_micro(0, shares, yes_mids[market_id], direction)
        return total

    def _refresh(self, market_id: str) -> None:
        held = [
            (self.holdings[key].shares, key[1])
            for outcome in Outcome
            # Less than 0.01 share, which a market buy leaves, can never be sold: it is paid at the end.
            if (key := (market_id, outcome)) in self.holdings and self.holdings[key].shares * MICRO >= SHARE_GRID
        ]
        if not held or market_id in self.redeemable:
            self._positions.pop(market_id, None)
            return
        # A policy sees one position per market; a person may hold both tokens.
        outcome = max(held)[1]
        holding = self.holdings[market_id, outcome]
        self._positions[market_id] = Position(
            market_id=market_id,
            outcome=outcome,
            shares_micro=int(holding.shares * MICRO),
            entry_units=holding.entry_units,
            peak_units=holding.peak_units,
            cost_micro=int(holding.cost * MICRO),
            opened_s=holding.opened_s,
        )
