"""The journal's bookings against the account's cash at the venue, day by day: what was paid and never booked shows."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pipelines.core.money import MICRO
from pipelines.history.booked import fill_of

Row = Mapping[str, Any]

MERGED: Final = "merged"
"""The order id of bookings of pairs that were merged into pUSD."""
SHOWN_DAYS: Final = 31
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def compare(
    facts: Mapping[str, int], fills: Iterable[Row], settlements: Iterable[Row], flows: Iterable[Row]
) -> dict[str, Any]:
    """Per day the cash with which it began, what was booked in it, what that makes and what the venue had, in pUSD.

    A day ends with the last comparison of books and venue in it, and begins where the one before ended; the first one
    with the account's first cash. `gap_pusd` is what the venue has more than the bookings of the day explain, and the
    document's `gap_pusd` the same of all days together: a booking that came a day late is 0 there, one that is missing
    stays. None where no comparison was journaled yet.
    """
    booked = _booked(fills, settlements, flows)
    seqs = [seq for seq, _, _ in booked]
    days, first = sorted(int(name.rpartition("_")[2]) for name in facts if name.startswith("venue_cash_")), 0
    start, adopted, total, found = facts.get("first_cash_micro", 0), 0, 0, []
    for day in days:
        cash, seq, adopted_now = (facts[f"venue_{name}_{day}"] for name in ("cash", "seq", "adopted"))
        last = bisect_right(seqs, seq)
        moved = Counter[str](adopted=adopted_now - adopted)
        for _, kind, micro in booked[first:last]:
            moved[kind] += micro
        expected = start + sum(moved.values())
        found.append(
            {
                "day": f"{EPOCH + timedelta(days=day):%Y-%m-%d}",
                "start_pusd": start / MICRO,
                "booked_pusd": {kind: micro / MICRO for kind, micro in sorted(moved.items()) if micro},
                "expected_pusd": expected / MICRO,
                "venue_pusd": cash / MICRO,
                "gap_pusd": (cash - expected) / MICRO,
            }
        )
        start, adopted, first, total = cash, adopted_now, last, total + cash - expected
    return {"days": found[-SHOWN_DAYS:], "gap_pusd": total / MICRO if days else None}


def _booked(fills: Iterable[Row], settlements: Iterable[Row], flows: Iterable[Row]) -> list[tuple[int, str, int]]:
    """(time of booking in ns, kind, base units) of everything that moved cash, in the order of booking."""
    made = [(row["seq"], "merges" if row["order_id"] == MERGED else "fills", fill_of(row).cash_micro) for row in fills]
    made += [(row["seq"], "payouts", row["cash_micro"]) for row in settlements]
    made += [(row["booked_ms"] * 1_000_000, row["kind"].lower(), row["cash_micro"]) for row in flows]
    return sorted(made)


def lines(document: Mapping[str, Any]) -> list[str]:
    """The comparison in sentences for people: the whole gap, and every day that has one."""
    gap, days = document.get("gap_pusd"), document.get("days", ())
    if gap is None:
        return ["cash: no comparison of books and venue was journaled yet"]
    first = f"cash: the venue has {gap:+,.2f} pUSD more than was booked, {len(days):,} days compared"
    uneven = [one for one in days if abs(one["gap_pusd"]) >= 0.005]
    return [
        first,
        *(
            f"cash on {one['day']}: {one['expected_pusd']:,.2f} pUSD by the bookings, {one['venue_pusd']:,.2f} at the"
            f" venue, {one['gap_pusd']:+,.2f}"
            for one in uneven
        ),
    ]
