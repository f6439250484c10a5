"""Which listed markets are followed, and what is said of the others."""

from collections import Counter
from dataclasses import replace

import pytest
from pydantic import ValidationError
from serving_desk import make_market

from pipelines.core.sections import MarketsParams
from serving.market.selection import choose, not_followed, unwanted

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
    assert all(reason.startswith(("markets.", "not in markets", "ends ")) for _, reason in left.values())


def test_what_is_held_is_followed_whatever_the_patterns_say():
    """A position can always be watched and sold."""
    assert choose([], [], [market(1)], NOW, 10) == [market(1)]


def test_a_followed_market_stays_to_its_end():
    """The least time to the end is asked of markets that would be followed anew."""
    rules = MarketsParams(min_hours_to_end=3.0)
    assert unwanted(market(1, 2), rules, NOW, is_followed=True) == ""
    assert unwanted(market(1, 2), rules, NOW, is_followed=False) != ""


def test_markets_beyond_the_limit_and_before_their_start_say_so():
    """Reasons that are not of the patterns are told apart."""
    early = replace(market(3), start_s=NOW + 60)
    listed = [market(1), market(2), early]
    left = not_followed(listed, choose(listed, [], [], NOW, 1), {}, NOW)
    assert Counter(why for _, why in left.values()) == {"beyond serving.max_markets": 1, "not started yet": 1}


@pytest.mark.parametrize("pattern", ["bitcoin", "slug:x", "question:", "question:(", "topic"])
def test_what_is_no_pattern_is_refused(pattern):
    """A pattern that would match nothing by mistake is refused when params.yaml is read."""
    with pytest.raises(ValidationError):
        MarketsParams(allow=[pattern])
