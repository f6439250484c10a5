"""Events of synthetic markets: their times, questions, and the news that moves their markets together.

Event k starts at EPOCH_S + k x every. Headlines belong to the event: one draw of time and sentiment, which a signed
loading passes to each market. The loadings sum to zero, so news that helps some markets hurts others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from pipelines.core.domain import FloatArray, Headline
from simulator.markets.dynamics import simulate
from simulator.markets.exclusive import combine
from simulator.markets.hard_sentences import Styles, irrelevant, reworded
from simulator.markets.price_grid import BoolArray
from simulator.markets.price_model import Model, Paths, draw, stack
from simulator.markets.questions import listing, subjects, topic_of
from simulator.markets.random_streams import COMMON, EVENTS, EXCLUSIVE, STYLES, generator
from simulator.markets.sentences import sentence
from simulator.markets.source import Listing

EPOCH_S: Final = 1_767_225_600
"""2026-01-01T00:00Z: event 0 starts here."""

STEP_S: Final = 60
"""Market seconds of a step."""

MARKETS_LIMIT: Final = 64
"""Market numbers reserved for each event."""


@dataclass(frozen=True, slots=True)
class Family:
    """Everything that decides the numbers of a synthetic source: the same family gives the same markets."""

    seed: int = 1
    model: Model = field(default_factory=Model)
    event_length_min: int = 1440
    event_every_min: int = 240
    markets_per_event: int = 5
    exclusive_share: float = 0.0
    """Share of events of whose markets exactly one resolves to YES (negative risk)."""
    styles: Styles = field(default_factory=Styles)
    """Wording of headlines. It changes texts and adds headlines without news; no price depends on it."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event with its markets and its news; seed and number decide all of it."""

    number: int
    start_s: int
    listings: tuple[Listing, ...]
    minute: FloatArray
    """(T,) minutes of market time since the epoch."""
    news: BoolArray
    """(T,) whether a headline falls into the minute."""
    sentiment: FloatArray
    """(n, T) sentiment for each market in [-1, 1]; read only where `news`."""
    headlines: tuple[Headline, ...]
    """In order of `known_s`."""
    common: FloatArray = field(default_factory=lambda: np.zeros(0))
    """(T,) standard normals that all markets of the event share, in the world `lead_lag`; else empty."""
    rounding: FloatArray | None = None
    """(n, T) uniforms that round the quotes of exclusive markets; None if the markets are not exclusive."""


def market_number(event: int, index: int) -> int:
    """Number of a market. It depends only on event and index, so it never changes with the other options."""
    return event * MARKETS_LIMIT + index


def loadings(count: int, source: np.random.Generator) -> FloatArray:
    """Signed loadings with sum zero and mean square one, in random order; a single market has loading 1."""
    if count == 1:
        return np.ones(1)
    many = (count + 1) // 2
    raw = np.where(np.arange(count) < many, -(count - many) / many, 1.0)
    raw *= np.sign(source.random() - 0.5) / np.sqrt(np.mean(raw**2))
    ordered: FloatArray = source.permutation(raw)
    return ordered


def build(family: Family, number: int) -> Event:
    """Event `number` of a family: its markets, its news and the sentiment of each market."""
    count, minutes = family.markets_per_event, family.event_length_min
    start_s = EPOCH_S + number * family.event_every_min * STEP_S
    source = generator(family.seed, EVENTS | number)
    weights, minute = loadings(count, source), number * family.event_every_min + np.arange(minutes, dtype=np.float64)
    news = source.random(minutes) < _headline_rate(family.model, minute)
    news[0] = False
    tone = np.where(source.random(minutes) < 0.5, -1.0, 1.0) * source.beta(1.5, 1.5, minutes)
    sentiment = np.clip(weights[:, None] * tone, -1.0, 1.0)
    names = subjects(topic_of(number), count, source)
    life_s = (start_s, start_s + minutes * STEP_S)
    listings = tuple(
        listing(family.seed, (number, index), names[index], life_s, family.model.fine_tick_share)
        for index in range(count)
    )
    event = Event(number, start_s, listings, minute, news, sentiment, ())
    if family.model.world == "lead_lag":
        event = replace(event, common=generator(family.seed, COMMON | number).standard_normal(minutes))
    if count > 1 and family.exclusive_share:
        event = _excluded(family, event, names)
    event = replace(event, headlines=_headlines(event, names, source))
    return event if family.styles.plain else _reworded(family, event, names)


def _excluded(family: Family, event: Event, names: Sequence[str]) -> Event:
    """The event; with probability `exclusive_share` its markets are made exclusive, each with its own sentiment."""
    source = generator(family.seed, EXCLUSIVE | event.number)
    if source.random() >= family.exclusive_share:
        return event
    tone = np.where(source.random(event.sentiment.shape) < 0.5, -1.0, 1.0) * source.beta(
        1.5, 1.5, event.sentiment.shape
    )
    listings = tuple(
        replace(market, neg_risk=True, question=f"{market.event_title}: will it be {name}?")
        for market, name in zip(event.listings, names, strict=True)
    )
    return replace(event, sentiment=tone, listings=listings, rounding=source.random(tone.shape))


def _reworded(family: Family, event: Event, names: Sequence[str]) -> Event:
    """The event with headlines in the family's styles, and headlines about something else between them."""
    source = generator(family.seed, STYLES | event.number)
    name_of = {market.market_id: (index, names[index]) for index, market in enumerate(event.listings)}
    made = []
    for headline in event.headlines:
        index, name = name_of[headline.market_ids[0]]
        minute = (headline.known_s - event.start_s) // STEP_S
        text = reworded(float(event.sentiment[index, minute]), name, family.styles, source)
        made.append(headline if text is None else replace(headline, text=text))
    quiet = np.flatnonzero(~event.news[1:]) + 1
    for number in range(int(source.poisson(family.styles.irrelevant * len(event.headlines)))):
        index, minute = int(source.integers(len(names))), int(source.choice(quiet))
        known_s = event.start_s + minute * STEP_S
        identity, text = f"{event.number}-{minute}-{index}-{number}-none", irrelevant(names[index], source)
        market_ids = (event.listings[index].market_id,)
        made.append(Headline(identity, market_ids, known_s - int(source.integers(1, 50)), known_s, text))
    return replace(event, headlines=tuple(sorted(made, key=lambda one: (one.known_s, one.headline_id))))


def paths(family: Family, events: Sequence[Event]) -> Paths:
    """Paths of the events' markets in order, with the true values: (events x markets, minutes)."""
    rows = []
    for event in events:
        for index, market in enumerate(event.listings):
            source = generator(family.seed, market_number(event.number, index))
            row = draw(source, family.event_length_min) | {"tick_units": market.tick_units, "minute": event.minute}
            common = event.common if len(event.common) else np.zeros(family.event_length_min)
            row |= {"common": common, "place": float(index)}
            rows.append(row | {"news": event.news, "sentiment": event.sentiment[index]})
    draws = stack(rows)
    made = simulate(family.model, draws)
    first = 0
    for event in events:
        part = slice(first, first + len(event.listings))
        if event.rounding is not None:
            combine(family.model, draws, made, part, event.rounding)
        first = part.stop
    return made


def _headline_rate(model: Model, minute: FloatArray) -> FloatArray:
    return model.headline_rate * np.where(model.changed(minute), 1.0 + 2.0 * model.drift_feat, 1.0)


def _headlines(event: Event, names: Sequence[str], source: np.random.Generator) -> tuple[Headline, ...]:
    """One headline for each market in each minute of news. It is known before the bar that it moves closes."""
    picks, delays = source.random(event.sentiment.shape), source.integers(1, 50, len(event.news))
    made = []
    for minute in np.flatnonzero(event.news).tolist():
        known_s = event.start_s + minute * STEP_S
        for index, market in enumerate(event.listings):
            text = sentence(float(event.sentiment[index, minute]), names[index], float(picks[index, minute]))
            identity, published_s = f"{event.number}-{minute}-{index}", known_s - int(delays[minute])
            made.append(Headline(identity, (market.market_id,), published_s, known_s, text))
    return tuple(made)
