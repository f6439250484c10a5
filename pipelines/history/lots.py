"""Lots for the tax office: every disposal matched with the purchases that it disposes of, first in, first out."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from pipelines.core.domain import Market, Outcome, Side
from pipelines.core.money import MICRO
from pipelines.history.booked import fill_of

METHOD: Final = "FIFO by token; cost and proceeds in pUSD, fees included"
CENT: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A disposal of (a part of) one purchase. Amounts are exact to a base unit of pUSD."""

    asset: str
    token_id: str
    acquired_at: str
    disposed_at: str
    disposal: str
    shares: Decimal
    cost_pusd: Decimal
    proceeds_pusd: Decimal
    gain_pusd: Decimal
    method: str = METHOD


@dataclass(slots=True)
class _Held:
    ts_s: int
    shares: Decimal
    cost: Decimal


def lots(
    fills: Iterable[Mapping[str, Any]], settlements: Iterable[Mapping[str, Any]], markets: Mapping[str, Market]
) -> Iterator[Lot]:
    """Every disposal in the order of booking; the sum of the gains is what the sales and payouts earned."""
    entries = [(row["seq"], 0, row) for row in fills] + [(row["seq"], 1, row) for row in settlements]
    held: dict[tuple[str, Outcome], deque[_Held]] = {}
    for _, kind, row in sorted(entries, key=lambda entry: entry[:2]):
        if kind:
            yield from _settled(row, held, markets)
            continue
        fill = fill_of(row)
        queue = held.setdefault((fill.market_id, fill.outcome), deque())
        shares, cash = Decimal(fill.shares_micro) / MICRO, Decimal(fill.cash_micro) / MICRO
        if fill.side is Side.BUY:
            queue.append(_Held(fill.ts_s, shares, -cash))
        else:
            asset = _asset(fill.market_id, fill.outcome, markets)
            yield from _dispose(queue, shares, cash, asset, fill.token_id, fill.ts_s, row["reason"] or "sale")


def _settled(
    row: Mapping[str, Any], held: Mapping[tuple[str, Outcome], deque[_Held]], markets: Mapping[str, Market]
) -> Iterator[Lot]:
    pays = Decimal(row["payout_yes_micro"]) / MICRO
    for outcome, price in ((Outcome.YES, pays), (Outcome.NO, 1 - pays)):
        queue = held.get((row["market_id"], outcome))
        if queue:
            shares = sum((one.shares for one in queue), Decimal(0))
            market = markets.get(row["market_id"])
            token = market.token(outcome) if market else ""
            asset = _asset(row["market_id"], outcome, markets)
            yield from _dispose(queue, shares, shares * price, asset, token, row["ts_s"], "settlement")


def _dispose(
    queue: deque[_Held], shares: Decimal, proceeds: Decimal, asset: str, token: str, ts_s: int, disposal: str
) -> Iterator[Lot]:
    left, unpaid = shares, proceeds
    while left > 0 and queue:
        first = queue[0]
        part = min(first.shares, left)
        # The last part takes the rest, so that no base unit is lost.
        cost = first.cost if part == first.shares else _round(first.cost * part / first.shares)
        received = unpaid if part == left else _round(proceeds * part / shares)
        yield Lot(
            asset=asset,
            token_id=token,
            acquired_at=_time(first.ts_s),
            disposed_at=_time(ts_s),
            disposal=disposal,
            shares=part,
            cost_pusd=cost,
            proceeds_pusd=received,
            gain_pusd=received - cost,
        )
        first.shares -= part
        first.cost -= cost
        left, unpaid = left - part, unpaid - received
        if not first.shares:
            queue.popleft()


def _asset(market_id: str, outcome: Outcome, markets: Mapping[str, Market]) -> str:
    market = markets.get(market_id)
    return f"{outcome.value}: {market.question if market else market_id}"


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_EVEN)


def _time(ts_s: int) -> str:
    return datetime.fromtimestamp(ts_s, UTC).isoformat().replace("+00:00", "Z")
