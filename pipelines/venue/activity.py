"""What an account was paid or paid without a trade, from the Data API: rewards, rebates, deposits, redemptions."""

from collections import Counter
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from pipelines.core import log
from pipelines.core.money import MICRO
from pipelines.venue import stamps
from pipelines.venue.http import VenueHttp

SIGNS: Final = {
    "REWARD": 1, "MAKER_REBATE": 1, "TAKER_REBATE": 1, "REFERRAL": 1, "YIELD": 1, "REDEEM": 1, "DEPOSIT": 1, "MERGE": 1,
    "CONVERSION": 1, "WITHDRAWAL": -1, "SPLIT": -1,
}  # fmt: skip
"""Kinds of activity (polymarket-api 2.4) and what they do to the cash; trades are read from their own route."""

ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class Payment:
    """One row. `payment_id` is stable, also for equal rows of one transaction."""

    payment_id: str
    kind: str
    cash_micro: int
    market_id: str
    ts_s: int


class _ActivityPage(msgspec.Struct):
    data: list[Any] | None = None


async def payments(http: VenueHttp, account: str) -> list[Payment]:
    """The newest payments of an account, newest first. Rows that cannot be read, or of another kind, are left out.

    Raises:
        VenueError: if the Data API refuses or does not answer.
    """
    kinds = ",".join(kind for kind in SIGNS if kind != "YIELD")  # not in the list that the page gives
    page = await http.get("/v2/activity", _ActivityPage, {"user": account, "type": kinds, "limit": ROWS})
    found, seen = [], Counter[str]()
    for row in page.data or []:
        payment = _payment(row)
        if payment is None:
            log.get("activity").warning("row left out", row=str(row)[:200])
            continue
        seen[payment.payment_id] += 1
        times = seen[payment.payment_id]
        found.append(payment if times == 1 else _numbered(payment, times))
    return found


def _payment(row: Any) -> Payment | None:
    try:
        kind = str(row["type"]).upper()
        amount = Decimal(str(row["usdc_size"])) * MICRO
        micro = int(amount.to_integral_value(rounding=ROUND_HALF_EVEN)) * SIGNS[kind]
        ts_s = stamps.seconds(row["timestamp"])
        name = f"{row.get('transaction_hash') or ''}/{kind}/{ts_s}/{micro}"
        return Payment(name, kind, micro, str(row.get("condition_id") or ""), ts_s)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation, OverflowError):
        return None


def _numbered(payment: Payment, times: int) -> Payment:
    name = f"{payment.payment_id}/{times}"
    return Payment(name, payment.kind, payment.cash_micro, payment.market_id, payment.ts_s)
