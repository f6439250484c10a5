"""Which listed markets params.yaml wants: by patterns, by their end, and by the figures of the listing."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from math import inf
from typing import NamedTuple

from pipelines.core.domain import Market
from pipelines.core.sections import MarketsParams
from pipelines.venue.listing_facts import UNKNOWN, ListingFacts


class Why(NamedTuple):
    """Why a market is not followed: a reason of a small set, and the figure behind it."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


def unwanted(
    market: Market, wanted: MarketsParams, now_s: int, facts: ListingFacts = UNKNOWN, *, is_followed: bool
) -> Why | None:
    """Why params.yaml does not want a market followed; None where it does. A market that is followed already is asked
    for patterns and its latest end alone: figures move, and a market that comes and goes has no whole window."""
    denied = next((pattern for pattern in wanted.deny if matches(pattern, market, facts)), None)
    if denied is not None:
        return Why(f"markets.deny: {denied}")
    if wanted.allow and not any(matches(pattern, market, facts) for pattern in wanted.allow):
        return Why("not in markets.allow")
    left_h = None if market.end_s is None else (market.end_s - now_s) / 3_600
    if left_h is not None and 0 < wanted.max_hours_to_end < left_h:
        return Why("ends after markets.max_hours_to_end", f"{left_h:,.1f} h left, at most {wanted.max_hours_to_end:g}")
    if is_followed:
        return None
    if left_h is not None and left_h < wanted.min_hours_to_end:
        return Why(
            "ends before markets.min_hours_to_end", f"{left_h:,.1f} h left, at least {wanted.min_hours_to_end:g}"
        )
    return _unfit(wanted, facts)


def _unfit(wanted: MarketsParams, facts: ListingFacts) -> Why | None:
    """The first figure of the listing that is not within the bounds."""
    bounds: tuple[tuple[str, bool, float | None, float, float], ...] = (
        ("min_volume_24h_pusd", wanted.min_volume_24h_pusd > 0, facts.volume_24h_pusd, wanted.min_volume_24h_pusd, inf),
        ("min_depth_pusd", wanted.min_depth_pusd > 0, facts.depth_pusd, wanted.min_depth_pusd, inf),
        ("max_spread", wanted.max_spread > 0, facts.spread, 0.0, wanted.max_spread),
        ("min_price", wanted.min_price > 0, facts.price, wanted.min_price, inf),
        ("max_price", wanted.max_price < 1, facts.price, 0.0, wanted.max_price),
    )
    for name, is_on, value, low, high in bounds:
        if not is_on or (value is not None and low <= value <= high):
            continue
        bound = f"at least {low:g}" if name.startswith("min") else f"at most {high:g}"
        shown = "the listing does not say" if value is None else f"{value:,.6g}"
        return Why(f"markets.{name}", f"{shown}, {bound}")
    return None


def matches(pattern: str, market: Market, facts: ListingFacts) -> bool:
    """Whether a pattern of `markets.allow`, `markets.deny` or `pull.allow` names a market."""
    kind, _, text = pattern.partition(":")
    if kind == "question":
        return re.search(text, market.question, flags=re.IGNORECASE) is not None
    values: Mapping[str, Iterable[str]] = {
        "event": (market.event_id,),
        "topic": (market.topic,),
        "id": (market.market_id,),
        "slug": (facts.slug,),
        "category": (facts.category,),
        "tag": facts.tags,
        "series": facts.series,
    }
    wanted = text.strip().casefold()
    return any(fnmatchcase(value.casefold(), wanted) for value in values[kind] if value)
