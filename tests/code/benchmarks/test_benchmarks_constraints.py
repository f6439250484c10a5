"""Episodes of baskets are counted by the bars on which every leg is offered."""

from dataclasses import replace

from benchmarks import constraints
from pipelines.core.domain import FeeSchedule, Market, Quote

MARKET = Market(
    market_id="m", event_id="e", question="?", token_yes="1", token_no="2", tick_units=100, min_size_micro=5_000_000,
    fee=FeeSchedule(0.0), start_s=0, end_s=100, topic="",
)  # fmt: skip
SHARES = 100_000_000


def event(*bids):
    """Two markets of an event by their bids; one without a bid offers no NO."""
    return [
        (replace(MARKET, market_id=str(place)), Quote(bid, bid + 100, SHARES if bid else 0, SHARES))
        for place, bid in enumerate(bids)
    ]


def test_a_bar_without_an_offer_ends_an_episode():
    """Bids that sum to 1.10 on two bars, with a bar between them on which one book has no bid, are two episodes of one
    bar; the bar without the offer is none of the basket's."""
    books = {0: event(5_500, 5_500), 1: event(5_500, 0), 2: event(5_500, 5_500), 3: event(4_000, 4_000)}

    found = constraints._summed([constraints._counted(books, nested=False)], 60)

    assert found == {
        "bars": 3, "episodes": 2, "median_life_s": 60, "median_shares": 100.0, "small_share": 0.0,
        "median_gain_pusd": 10.0, "gain_pusd": 20.0, "best_pusd": 10.0,
    }  # fmt: skip
