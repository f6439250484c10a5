"""A folded book equals the venue's: sizes are totals, stale messages are left out, a contradiction ends trust."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.domain import Quote
from pipelines.venue.book import OrderBook
from pipelines.venue.wire import Book, Level, PriceLevelChange


def snapshot(bids: dict[str, str], asks: dict[str, str], ts_ms: int = 1_000) -> Book:
    """A book as the venue sends it."""
    return Book(
        market="0xm",
        asset_id="11",
        timestamp=str(ts_ms),
        bids=[Level(p, s) for p, s in bids.items()],
        asks=[Level(p, s) for p, s in asks.items()],
    )


def change(price: str, size: str, side: str = "BUY", **stated: Any) -> PriceLevelChange:
    """One level's new total."""
    return PriceLevelChange(asset_id="11", price=price, size=size, side=side, **stated)


def fresh() -> OrderBook:
    """A trusted book with a touch of 0.48 / 0.52."""
    book = OrderBook("11")
    book.snapshot(snapshot({".01": "9", ".48": "30"}, {"0.99": "9", "0.52": "25"}))
    return book


def test_the_touch_is_found_whatever_the_order() -> None:
    """Best bid and ask are the highest and the lowest, not a position in a list; prices may lack the zero."""
    assert fresh().quote() == Quote(4_800, 5_200, 30_000_000, 25_000_000)


def test_sizes_are_totals_and_zero_removes() -> None:
    """A change sets a level; size 0 takes it away."""
    book = fresh()
    book.fold(change("0.49", "7"), 1_001)
    book.fold(change("0.52", "0", "SELL"), 1_001)

    assert book.quote() == Quote(4_900, 9_900, 7_000_000, 9_000_000)


def test_repeats_change_nothing() -> None:
    """The same message twice is the same book."""
    once, twice = fresh(), fresh()
    for book, times in ((once, 1), (twice, 2)):
        for _ in range(times):
            book.fold(change("0.49", "7"), 1_001)

    assert once.levels() == twice.levels()


def test_what_is_older_than_the_snapshot_is_in_it() -> None:
    """A change or a snapshot from before the book does not touch it, and costs no trust."""
    book = fresh()
    book.fold(change("0.51", "7"), 999)

    assert book.settle()
    assert not book.snapshot(snapshot({"0.10": "1"}, {}, 999))
    assert book.quote().bid_units == 4_800


def test_a_late_change_is_a_missed_one() -> None:
    """A change that comes behind a newer one cannot be put in order: the book waits for a snapshot."""
    book = fresh()
    book.fold(change("0.47", "7"), 1_002)
    book.fold(change("0.46", "7"), 1_001)

    assert not book.settle()
    assert book.snapshot(snapshot({"0.49": "5"}, {"0.52": "25"}, 1_003))
    assert book.settle()


def test_a_contradicted_touch_ends_trust() -> None:
    """When the message states another touch than the folded one, a level was missed: the book waits for a snapshot."""
    book = fresh()
    book.fold(change("0.10", "5", best_bid="0.49", best_ask="0.52"), 1_001)

    assert not book.settle()
    assert not book.trusted
    assert book.snapshot(snapshot({"0.49": "5"}, {"0.52": "25"}, 900))
    assert book.trusted


def test_an_empty_side_may_be_stated_at_either_edge() -> None:
    """No asks: the venue writes 1 or 0; both agree with an empty side."""
    for stated in ("1", "0"):
        book = OrderBook("11")
        book.snapshot(snapshot({"0.48": "30"}, {"0.52": "25"}))
        book.fold(change("0.52", "0", "SELL", best_bid="0.48", best_ask=stated), 1_001)

        assert book.settle()
        assert book.quote() == Quote(4_800, 10_000, 30_000_000, 0)


def test_nothing_is_folded_before_a_snapshot() -> None:
    """Changes without a book make no book."""
    book = OrderBook("11")
    book.fold(change("0.48", "30"), 1_001)

    assert not book.settle()
    assert book.quote() == Quote(0, 10_000, 0, 0)


levels = st.dictionaries(st.integers(1, 49), st.integers(1, 1_000), max_size=8)


@given(levels, levels, st.lists(st.tuples(st.integers(1, 49), st.integers(0, 1_000), st.booleans()), max_size=30))
def test_folding_equals_the_last_state(
    bids: dict[int, int], asks: dict[int, int], moves: list[tuple[int, int, bool]]
) -> None:
    """Whatever the changes, the folded levels are those that a snapshot of the last state would give."""
    book = OrderBook("11")
    book.snapshot(snapshot({f"{p / 100}": str(s) for p, s in bids.items()}, {f"{(p + 50) / 100}": str(s) for p, s in asks.items()}))  # fmt: skip  # noqa: E501
    for price, size, is_bid in moves:
        side = bids if is_bid else asks
        side[price] = size
        book.fold(change(f"{(price if is_bid else price + 50) / 100}", str(size), "BUY" if is_bid else "SELL"), 1_001)

    folded_bids, folded_asks = book.levels()

    assert folded_bids == sorted(((p * 100, s * 1_000_000) for p, s in bids.items() if s), reverse=True)
    assert folded_asks == sorted(((p + 50) * 100, s * 1_000_000) for p, s in asks.items() if s)


@pytest.mark.parametrize(("bid", "ask"), [("0.60", "0.40"), ("0.50", "0.50")])
def test_a_crossed_book_is_never_trusted(bid: str, ask: str) -> None:
    """A bid that reaches the ask is no market: neither a snapshot nor a change makes such a book trusted."""
    crossed = OrderBook("11")
    assert not crossed.snapshot(snapshot({bid: "5"}, {ask: "5"}))
    assert not crossed.trusted

    folded = fresh()
    folded.fold(change("0.53", "7", best_bid="0.53", best_ask="0.52"), 1_001)
    assert not folded.settle()
    assert folded.snapshot(snapshot({"0.48": "5"}, {"0.52": "5"}, 1_002))


@pytest.mark.parametrize("price", ["0", "1", "1.5", "-0.1", "NaN", "inf", "x"])
def test_a_level_outside_of_the_market_is_refused(price: str) -> None:
    """A price that is none cannot enter a book by a snapshot or by a change; the book stays what it was."""
    book = fresh()
    for attempt in (lambda: book.fold(change(price, "7"), 1_001), lambda: book.snapshot(snapshot({price: "7"}, {}))):
        with pytest.raises((ValueError, ArithmeticError)):
            attempt()

    assert book.quote() == Quote(4_800, 5_200, 30_000_000, 25_000_000)
