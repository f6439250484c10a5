"""Questions of synthetic markets: topics, names, and a market's static data."""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipelines.core.domain import FeeSchedule
from pipelines.core.money import MICRO
from simulator.markets.price_grid import FINE_TICK
from simulator.markets.source import Listing


@dataclass(frozen=True, slots=True)
class Topic:
    """Topic of a series of events. The taker fee rates are those of the venue in autumn 2026."""

    category: str
    fee_rate: float
    title: str
    question: str
    subjects: tuple[str, ...]
    kinds: tuple[str, ...]


_FIRST: Final = ("Alden", "Berit", "Corin", "Dalia", "Emeric", "Farah", "Goran", "Hedda", "Ilan", "Jorun", "Kasimir")
_LAST: Final = ("Marsh", "Okafor", "Lindqvist", "Tanaka", "Varga", "Moreau", "Castell", "Dumont", "Ashby")
_TOWNS: Final = ("Aldport", "Brenholm", "Corvane", "Dunmere", "Eskford", "Farrow Bay", "Gilwick", "Hollin", "Istrand")

TOPICS: Final = (
    Topic("Politics", 0.04, "{place} council vote", "Will {s} take a seat in the {place} council vote?", _FIRST, _LAST),
    Topic(
        "Sports", 0.05, "{place} cup, round of the day", "Will {s} reach the next round of the {place} cup?",
        _TOWNS, ("Rovers", "Harriers", "Wanderers", "Athletic", "Mariners", "Foxes", "Rangers"),
    ),
    Topic(
        "Economics", 0.05, "{place} business survey", "Will {s} report higher orders in the {place} survey?",
        _LAST, ("Mills", "Rail", "Foods", "Shipping", "Textiles", "Optics", "Ceramics"),
    ),
    Topic(
        "Culture", 0.05, "{place} film week", "Will {s} pass the jury at the {place} film week?",
        ("The Glass", "The Quiet", "The Northern", "A Second", "The Paper", "One Late", "The Long", "Our"),
        ("Harbour", "Orchard", "Meridian", "Letter", "Winter", "Corridor", "Tide"),
    ),
)  # fmt: skip


def topic_of(event: int) -> Topic:
    """Topic of event number `event`; consecutive events take the topics in turn."""
    return TOPICS[event % len(TOPICS)]


def subjects(topic: Topic, count: int, source: np.random.Generator) -> tuple[str, ...]:
    """Different names, one for each market of an event."""
    names = [f"{first} {last}" for first in topic.subjects for last in topic.kinds]
    chosen = source.permutation(len(names))[:count]
    return tuple(names[index] for index in chosen)


def listing(seed: int, number: tuple[int, int], subject: str, life_s: tuple[int, int], fine_share: float) -> Listing:
    """Static data of market `number` = (event, index); ids are hashes of the seed and the number.

    Args:
        seed: the source's seed.
        number: event and index of the market within it.
        subject: the name that the question and the headlines are about.
        life_s: market times of the opening quote and of the resolution.
        fine_share: share of markets whose tick is 0.001.
    """
    event, topic = number[0], topic_of(number[0])
    place = _TOWNS[event // len(TOPICS) % len(_TOWNS)]
    title = f"{topic.title.format(place=place)} {event + 1}"
    slug = title.lower().replace(",", "").replace(" ", "-")
    return Listing(
        market_id=f"0x{_hash(seed, number, 'condition').hex()}",
        event_id=slug,
        event_title=title,
        question=topic.question.format(s=subject, place=place),
        slug=f"{slug}-{subject.lower().replace(' ', '-')}",
        token_yes=str(int.from_bytes(_hash(seed, number, "yes"), "big")),
        token_no=str(int.from_bytes(_hash(seed, number, "no"), "big")),
        tick_units=FINE_TICK if _hash(seed, number, "tick")[0] / 256.0 < fine_share else 100,
        min_size_micro=5 * MICRO,
        fee=FeeSchedule(topic.fee_rate),
        category=topic.category,
        start_s=life_s[0],
        end_s=life_s[1],
    )


def _hash(seed: int, number: tuple[int, int], what: str) -> bytes:
    return hashlib.sha256(f"oddsmith {what} {seed} {number[0]} {number[1]}".encode()).digest()
