"""The settlement rule of a series market, from the listing's text.

Every sentence of a description has to be one of `rule_sentences`, and everything that the listing says has to agree:
asset, pair, stream, source and times, in title, slug, text and `resolutionSource`. A rule that the venue rewords is
refused by name, never priced like the old one. The wordings are those of the venue's listings: Chainlink at both ends
of the range (until August 2026), Chainlink's time-weighted average (since then), and Binance candles (hourly series,
daily levels).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipelines.core.settlement import RuleKind, Settlement
from pipelines.core.venue_dates import AVERAGES_S, average_s
from pipelines.venue import rule_sentences, rule_titles
from pipelines.venue.rule_sentences import KNOWN
from pipelines.venue.rule_titles import LENGTHS_S, symbol_of

_STREAM: Final = re.compile(
    r"^https://data\.chain\.link/streams/(?P<asset>[a-z0-9]+)-usd(?:-twap-(?P<seconds>\d+)s(?:-streams)?)?/?$", re.I
)
_TRADE: Final = re.compile(r"^https://www\.binance\.com/en/trade/(?P<asset>[A-Z0-9]+)_USDT(?:\?type=spot)?/?$", re.I)

Found = Mapping[str, re.Match[str]]


class UnknownRule(ValueError):
    """A series market states a rule that is not known here; the text names the sentence."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a row of the listing says; times in UTC seconds."""

    question: str
    slug: str
    source: str
    end_s: int
    begin_s: int | None


def read(raw: Mapping[str, Any], end_s: int | None, event_start_s: int | None) -> Settlement | None:
    """The rule that a row of the listing states; None for a market of no series.

    `raw` has `question`, `slug`, `description` and `resolutionSource`; `end_s` and `event_start_s` are its times.

    Raises:
        UnknownRule: if it is a series market and has no text, or a sentence, the source or a time is not known, or
            two of them contradict each other.
    """
    question, slug, source = (_text(raw.get(key)) for key in ("question", "slug", "resolutionSource"))
    description = _text(raw.get("description"))
    if not _is_series(question, slug, description):
        return None
    if not description:
        raise UnknownRule("its listing has no text that states its rule")
    found = _sentences(description)
    kind = _kind(found)
    if end_s is None:
        raise UnknownRule("it has no end")
    listed = _Listed(question, slug, source, end_s, event_start_s)
    rule = {"spot": _chainlink, "twap": _chainlink, "candle": _candle}.get(kind, _level)(kind, found, listed)
    if rule.length_s < 0 or (rule.strike is None and rule.length_s == 0):
        raise UnknownRule(f"its range ends at {rule.end_s} and begins at {rule.start_s}")
    return rule


def of_slug(slug: str, start_s: int | None = None) -> Settlement | None:
    """The rule that a market of this slug had by its date, for recordings that keep no text; None for other slugs.

    >>> of_slug("btc-updown-15m-1790586000").name
    'twap 60'
    """
    matched = rule_titles.SLUG.match(slug)
    length_s = LENGTHS_S.get(matched[2]) if matched else None
    if matched is None or length_s is None:
        return None
    begin_s = int(matched[3]) if start_s is None else start_s
    averaged_s = average_s(length_s, begin_s)
    return Settlement(
        symbol=matched[1].upper(),
        source="chainlink",
        kind=RuleKind.TWAP if averaged_s else RuleKind.SPOT,
        average_s=averaged_s,
        start_s=begin_s,
        end_s=begin_s + length_s,
    )


def of_recording(names: Iterable[str | None], first_s: int) -> Settlement | None:
    """The rule of a recorded market, from whatever names it has: a slug of the venue, or the title of an hourly market
    (`Bitcoin Up or Down - July 21, 9AM ET`), which is the hour of its first row, `first_s`. None for other names."""
    for name in filter(None, names):
        found = of_slug(name)
        titled = rule_titles.UP_DOWN.match(name)
        if found is not None:
            return found
        if titled is not None and rule_titles.HOUR.search(name):
            begin_s = first_s // 3_600 * 3_600
            return Settlement(
                symbol=symbol_of(titled["asset"]),
                source="binance",
                kind=RuleKind.CANDLE,
                start_s=begin_s,
                end_s=begin_s + 3_600,
            )
    return None


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _is_series(question: str, slug: str, description: str) -> bool:
    """Whether title, slug or text is that of a series that settles on a reference price."""
    if rule_titles.is_series(question, slug):
        return True
    stated = {found[0] for words in rule_sentences.pieces(description) if (found := rule_sentences.named(words))}
    # The open ends of a ladder of ranges ("less than $40") have the text of the ranges and no rule here.
    return bool(stated & (KNOWN.keys() - ({"range"} if rule_titles.OPEN_RANGE.match(question) else set())))


def _sentences(description: str) -> Found:
    """Every sentence by what it is. Raises UnknownRule for one that is not known, and for two that differ."""
    found: dict[str, re.Match[str]] = {}
    for words in rule_sentences.pieces(description):
        one = rule_sentences.named(words)
        if one is None:
            raise UnknownRule(f"its rule says {words[:240]!r}, which is not known")
        before = found.setdefault(*one)
        if before[0].lower() != words.lower():
            raise UnknownRule(f"its rule says both {before[0][:240]!r} and {words[:240]!r}")
    return found


def _kind(found: Found) -> str:
    """The one rule that the sentences state, each of which belongs to it."""
    rules = [name for name in KNOWN if name in found]
    if len(rules) != 1:
        raise UnknownRule("its text states no settlement rule" if not rules else f"its text states {len(rules)} rules")
    kind = rules[0]
    foreign = found.keys() - KNOWN[kind] - {kind, "otherwise"}
    if foreign:
        words = found[min(foreign)][0]
        raise UnknownRule(f"its rule ({kind}) comes with {words[:240]!r}, which is not known of such a rule")
    other = "no" if kind in ("level", "range") else "down"
    said = found["otherwise"]["other"].lower() if "otherwise" in found else "nothing"
    if said != other:
        raise UnknownRule(f"its rule ({kind}) says {said!r} of the other outcome, where {other!r} is known")
    return kind


def _chainlink(kind: str, found: Found, listed: _Listed) -> Settlement:
    if "chainlink" not in found:
        raise UnknownRule("its text names no Chainlink stream")
    addresses = [found["chainlink"]["url"], *([listed.source] if listed.source else [])]
    streams = [_STREAM.match(address) for address in addresses]
    seconds = {int(one["seconds"] or 0) if one else None for one in streams}
    averaged = {bool(found[name]["twap"]) for name in ("chainlink", "chainlink note") if name in found}
    average = seconds.pop() if len(seconds) == 1 else None
    if average is None or averaged != {kind == "twap"} or (average > 0) != (kind == "twap"):
        raise UnknownRule(f"its rule ({kind}) and its streams ({', '.join(addresses)}) do not agree")
    if average and average not in AVERAGES_S:
        raise UnknownRule(f"its average is {average} s long, where {' and '.join(map(str, AVERAGES_S))} s are known")
    begin_s = _begin(listed)
    _fits_title(listed, begin_s, up_down=True)
    return Settlement(
        symbol=_symbol(found, listed, streams),
        source="chainlink",
        kind=RuleKind(kind),
        average_s=average,
        start_s=begin_s,
        end_s=listed.end_s,
    )


def _candle(_kind: str, found: Found, listed: _Listed) -> Settlement:
    begin_s = listed.end_s - LENGTHS_S["1h"]
    if (rule_titles.SLUG.match(listed.slug) and _begin(listed) != begin_s) or listed.begin_s not in (None, begin_s):
        raise UnknownRule(f"its candle of an hour does not fit its range from {listed.begin_s} to {listed.end_s}")
    _fits_title(listed, begin_s, up_down=True)
    return Settlement(
        symbol=_symbol(found, listed, _pages(found, listed)),
        source="binance",
        kind=RuleKind.CANDLE,
        start_s=begin_s,
        end_s=listed.end_s,
    )


def _level(kind: str, found: Found, listed: _Listed) -> Settlement:
    """The close of the minute that begins at the listed end."""
    matched = (rule_titles.LEVEL if kind == "level" else rule_titles.RANGE).match(listed.question)
    if matched is None:
        raise UnknownRule(f"its question {listed.question[:80]!r} names no {kind}")
    if not rule_titles.is_of_one_day(listed.question[matched.end() :]):
        raise UnknownRule(f"its question {listed.question[:80]!r} names more than a {kind} and its day")
    clock, noon = found[kind]["clock"], bool(found[kind]["noon"])
    if noon != (clock == "12:00") or clock != rule_titles.clock(listed.end_s):
        said = f"{clock} ET{' (noon)' if noon else ''}"
        raise UnknownRule(f"its rule takes the minute of {said}, and its end is {rule_titles.clock(listed.end_s)} ET")
    _fits_title(listed, listed.end_s, up_down=False)
    levels = [_amount(matched[at], matched[at + 1]) for at in range(2, len(matched.groups()) + 1, 2)]
    return Settlement(
        symbol=_symbol(found, listed, _pages(found, listed)),
        source="binance",
        kind=RuleKind.CANDLE,
        start_s=listed.end_s,
        end_s=listed.end_s + 60,
        strike=levels[0],
        upper=levels[1] if kind == "range" else None,
    )


def _amount(digits: str, thousands: str) -> float:
    return float(digits.replace(",", "")) * (1_000.0 if thousands else 1.0)


def _pages(found: Found, listed: _Listed) -> list[re.Match[str] | None]:
    """The pages of Binance that text and listing name as their source. A rule without a named source is not known."""
    named = [match for name, match in found.items() if name in ("binance pair", "binance closes")]
    addresses = [address for address in (*(one["url"] for one in named), listed.source) if address]
    pages = [_TRADE.match(address) for address in addresses]
    if None in pages:
        raise UnknownRule(f"its rule is about a pair of Binance and its source is {', '.join(addresses)}")
    if not named and not pages:
        raise UnknownRule("its text names no source")
    return list(pages)


def _symbol(found: Found, listed: _Listed, addresses: Iterable[re.Match[str] | None]) -> str:
    """The asset, which every sentence, address and name has to be about."""
    told = [(one[key], one[0]) for one in found.values() for key in ("asset", "pair") if key in one.re.groupindex]
    told += [(one["asset"], one[0]) for one in addresses if one is not None]
    told += [(name, name) for name in rule_titles.assets(listed.question, listed.slug)]
    symbols = {symbol_of(asset) for asset, _ in told}
    if len(symbols) != 1:
        raise UnknownRule(f"its title, text and source are about different assets: {', '.join(sorted(symbols))}")
    return symbols.pop()


def _begin(listed: _Listed) -> int:
    matched = rule_titles.SLUG.match(listed.slug)
    if matched is None:
        if listed.begin_s is None:
            raise UnknownRule("neither its slug nor eventStartTime says when its range begins")
        return listed.begin_s
    start_s, length_s = int(matched[3]), LENGTHS_S.get(matched[2])
    if length_s is None or listed.end_s != start_s + length_s or listed.begin_s not in (None, start_s):
        raise UnknownRule(f"its slug {listed.slug} does not fit its range from {listed.begin_s} to {listed.end_s}")
    return start_s


def _fits_title(listed: _Listed, begin_s: int, *, up_down: bool) -> None:
    """The text leaves the time to the title. Where the slug does not say it, title and listing have to agree on it."""
    title = repr(listed.question[:80])
    if up_down and rule_titles.is_level(listed.question):
        raise UnknownRule(f"its rule compares two ends of a range and its title {title} names a level")
    pinned = rule_titles.SLUG.match(listed.slug)
    if not pinned and not rule_titles.times_fit(listed.question, begin_s, listed.end_s):
        raise UnknownRule(f"its title {title} does not fit its range from {begin_s} to {listed.end_s}")
