"""Which listed markets are followed, and what is said of the others."""

from collections import Counter
from dataclasses import replace

import pytest
from pydantic import ValidationError
from serving_desk import make_market

from pipelines.core.sections import MarketsParams
from pipelines.venue import listing_facts
from pipelines.venue.wanted import unwanted
from serving.market.selection import choose, not_followed, to_read

NOW = 1_000_000


def market(number, hours=None, topic=""):
    """A listed market that ends in so many hours."""
    end_s = None if hours is None else NOW + int(hours * 3_600)
    return replace(make_market(number), end_s=end_s, topic=topic)


@pytest.mark.parametrize(
    ("rules", "followed"),
    [
        ({}, [1, 2, 3]),
        ({"allow": ["topic:Politics"]}, [1, 3]),
        ({"allow": ["topic:politics"], "deny": ["event:EVENT-3"]}, [1]),
        ({"allow": ["question:be [23]"]}, [2, 3]),
        ({"deny": ["question:WILL IT"]}, []),
        ({"allow": [f"id:0x{2:064X}"]}, [2]),
        ({"min_hours_to_end": 3.0}, [2, 3]),
        ({"max_hours_to_end": 5.0}, [1, 2]),
    ],
)
def test_patterns_and_hours_choose_markets(rules, followed):
    """Allow, deny and the time to the end decide, in any case of letters; every market that is left out says why."""
    listed = [market(1, 2, "politics"), market(2, 4, "sport"), market(3, 9, "politics")]
    wanted = MarketsParams(**rules)
    why = {one.market_id: unwanted(one, wanted, NOW, is_followed=False) for one in listed}
    chosen = choose([one for one in listed if not why[one.market_id]], [], [], NOW, 10)
    left = not_followed(listed, chosen, why, NOW)

    assert [one.market_id for one in chosen] == [make_market(number).market_id for number in followed]
    assert len(left) == 3 - len(followed)
    assert all(str(why).startswith(("markets.", "not in markets", "ends ")) for _, why in left.values())


ROW = {
    "slug": "btc-up-or-down-12pm",
    "category": "Crypto",
    "tags": [{"slug": "bitcoin", "label": "Bitcoin"}, {"label": "Up or Down"}, "odd"],
    "events": [{"seriesSlug": "btc-hourly", "series": [{"slug": "btc-hourly", "title": "BTC, every hour"}]}],
    "volume24hr": 1500.5,
    "liquidityClob": "820.25",
    "bestBid": 0.41,
    "bestAsk": 0.46,
    "spread": 0.09,
    "lastTradePrice": 0.7,
}
"""A row as Gamma has it."""


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"allow": ["slug:btc-up-or-down-12pm"]}, ""),
        ({"allow": ["slug:BTC-up*"]}, ""),
        ({"allow": ["slug:btc-up"]}, "not in markets.allow"),
        ({"allow": ["category:crypto"]}, ""),
        ({"allow": ["tag:up or down"]}, ""),
        ({"deny": ["tag:Bitcoin"]}, "markets.deny: tag:Bitcoin"),
        ({"allow": ["series:btc-*"]}, ""),
        ({"deny": ["series:BTC, every hour"]}, "markets.deny: series:BTC, every hour"),
        ({"min_volume_24h_pusd": 1500.0}, ""),
        ({"min_volume_24h_pusd": 1501.0}, "markets.min_volume_24h_pusd: 1,500.5, at least 1501"),
        ({"min_depth_pusd": 900.0}, "markets.min_depth_pusd: 820.25, at least 900"),
        ({"max_spread": 0.05}, ""),
        ({"max_spread": 0.04}, "markets.max_spread: 0.05, at most 0.04"),
        ({"min_price": 0.44}, "markets.min_price: 0.435, at least 0.44"),
        ({"max_price": 0.43}, "markets.max_price: 0.435, at most 0.43"),
        ({"min_price": 0.4, "max_price": 0.5}, ""),
    ],
)
def test_a_market_is_chosen_by_what_the_listing_says(rules, reason):
    """Slug, tag, category and series by name or with a star, volume, depth, spread and price by the listing's figures;
    what is left out says the bound and the figure."""
    why = unwanted(market(1), MarketsParams(**rules), NOW, listing_facts.read(ROW), is_followed=False)

    assert (str(why) if why else "") == reason


@pytest.mark.parametrize("raw", [None, [], {}, {"tags": "x", "events": [7], "volume24hr": "much", "bestBid": True}])
@pytest.mark.parametrize("rules", [{"min_volume_24h_pusd": 1.0}, {"max_spread": 0.5}, {"min_price": 0.1}])
def test_a_figure_that_the_listing_does_not_have_is_not_guessed(raw, rules):
    """A market without the figure is left out and says so, whatever its row looks like; else it is wanted."""
    facts = listing_facts.read(raw)

    assert "the listing does not say" in str(unwanted(market(1), MarketsParams(**rules), NOW, facts, is_followed=False))
    assert unwanted(market(1), MarketsParams(), NOW, facts, is_followed=False) is None


@pytest.mark.parametrize(
    ("bid", "ask", "last", "price", "spread"),
    [(0.4, 0.5, 0.9, 0.45, 0.1), (None, 0.5, 0.9, 0.9, 0.2), (0.5, 0.4, 0.9, 0.9, 0.2), (None, None, None, None, 0.2)],
)
def test_a_price_is_the_middle_of_both_sides_or_the_last_trade(bid, ask, last, price, spread):
    """A side that is missing or crossed gives no middle; the listing's own spread counts then."""
    facts = listing_facts.read({"bestBid": bid, "bestAsk": ask, "lastTradePrice": last, "spread": 0.2})

    assert facts.price == (None if price is None else pytest.approx(price))
    assert facts.spread == pytest.approx(spread)


@pytest.mark.parametrize(
    "rules", [{"min_price": 0.6, "max_price": 0.4}, {"min_hours_to_end": 5, "max_hours_to_end": 2}, {"max_spread": 2}]
)
def test_bounds_that_no_market_fits_are_refused(rules):
    """A band without an inside is a mistake, and is refused when params.yaml is read."""
    with pytest.raises(ValidationError):
        MarketsParams(**rules)


@pytest.mark.parametrize(("rules", "read"), [({}, 300), ({"deny": ["tag:x"]}, 300), ({"allow": ["tag:x"]}, 2_000)])
def test_more_of_the_listing_is_read_where_one_chooses(rules, read):
    """What is wanted may be among the least traded markets."""
    assert to_read(MarketsParams(**rules), 80) == read


def test_what_is_held_is_followed_whatever_the_patterns_say():
    """A position can always be watched and sold."""
    assert choose([], [], [market(1)], NOW, 10) == [market(1)]


def test_a_followed_market_stays_to_its_end():
    """The least time to the end is asked of markets that would be followed anew."""
    rules = MarketsParams(min_hours_to_end=3.0)
    assert unwanted(market(1, 2), rules, NOW, is_followed=True) is None
    assert unwanted(market(1, 2), rules, NOW, is_followed=False) is not None
    wide = MarketsParams(max_spread=0.02, min_price=0.9)
    assert unwanted(market(1), wide, NOW, listing_facts.read(ROW), is_followed=True) is None


def test_markets_beyond_the_limit_and_before_their_start_say_so():
    """Reasons that are not of the patterns are told apart."""
    early = replace(market(3), start_s=NOW + 60)
    listed = [market(1), market(2), early]
    left = not_followed(listed, choose(listed, [], [], NOW, 1), {}, NOW)
    assert Counter(why.reason for _, why in left.values()) == {"beyond serving.max_markets": 1, "not started yet": 1}


@pytest.mark.parametrize("pattern", ["bitcoin", "sluggish:x", "question:", "question:(", "topic", "tag: "])
def test_what_is_no_pattern_is_refused(pattern):
    """A pattern that would match nothing by mistake is refused when params.yaml is read."""
    with pytest.raises(ValidationError):
        MarketsParams(allow=[pattern])
