"""Titles and slugs of series markets: which asset, level and time they name."""

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

ASSETS: Final = {
    "bitcoin": "BTC", "ethereum": "ETH", "solana": "SOL", "xrp": "XRP", "dogecoin": "DOGE", "bnb": "BNB",
    "hyperliquid": "HYPE", "cardano": "ADA", "litecoin": "LTC", "chainlink": "LINK", "avalanche": "AVAX",
}  # fmt: skip
LENGTHS_S: Final = {"5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400}
ET: Final = ZoneInfo("America/New_York")

_NAMES: Final = "|".join(sorted({*ASSETS, *(symbol.lower() for symbol in ASSETS.values())}, key=len, reverse=True))
_ASSET: Final = rf"(?:will )?(?:the )?(?:price of )?(?P<asset>{_NAMES})"
_AMOUNT: Final = r"\$?([\d,]+(?:\.\d+)?)(k?)"
SLUG: Final = re.compile(r"^([a-z0-9]+)-updown-(\d+[mh])-(\d{9,11})$")
UP_DOWN: Final = re.compile(rf"^{_ASSET} up or down\b", re.I)
LEVEL: Final = re.compile(rf"^{_ASSET} (?:be )?above {_AMOUNT} on\b", re.I)
RANGE: Final = re.compile(rf"^{_ASSET} (?:be )?between {_AMOUNT} and {_AMOUNT}", re.I)
OPEN_RANGE: Final = re.compile(rf"^{_ASSET} (?:be )?(?:less|greater) than\b", re.I)
HOUR: Final = re.compile(r",\s*\d{1,2}\s*[ap]m et$", re.I)

_TITLED: Final = re.compile(rf"^{_ASSET}\b", re.I)
_OTHER_TITLED: Final = re.compile(r"^([a-z0-9]+) up or down\b", re.I)
_WORD_SLUG: Final = re.compile(rf"^(?:will-)?(?:the-price-of-)?({_NAMES})-", re.I)
_UP_DOWN_SLUG: Final = re.compile(rf"^({_NAMES})-up-or-down-", re.I)
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAY: Final = re.compile(rf"(?:\bon|-) ({'|'.join(_MONTHS)}) (\d{{1,2}})\b", re.I)
_CLOCK: Final = r"(\d{1,2})(?::(\d\d))?\s*([ap]m)"
_TIMES: Final = re.compile(rf",\s*{_CLOCK}(?:\s*-\s*{_CLOCK})?\s*et\??$", re.I)
_ONE_DAY: Final = re.compile(rf"^\s*(?:on\s+)?(?:{'|'.join(_MONTHS)}) \d{{1,2}}(?:,\s*{_CLOCK}\s*et)?\s*\??$", re.I)


def symbol_of(asset: str) -> str:
    """The asset in capitals, of its name or its ticker."""
    return ASSETS.get(asset.strip().lower(), asset.strip().upper())


def is_series(question: str, slug: str) -> bool:
    """Whether a market looks like one of the series that settle on a reference price."""
    slugs = SLUG.match(slug) or _UP_DOWN_SLUG.match(slug)
    return bool(slugs) or any(pattern.match(question) for pattern in (UP_DOWN, LEVEL, RANGE))


def is_level(question: str) -> bool:
    """Whether a title asks for a level, a range or the open end of one."""
    return any(pattern.match(question) for pattern in (LEVEL, RANGE, OPEN_RANGE))


def is_of_one_day(words: str) -> bool:
    """Whether what a title says after its level is one day, or a time of it, and nothing else: a level on any of
    several days is another rule.

    >>> is_of_one_day(" on March 14?"), is_of_one_day(" March 14, 3PM ET?"), is_of_one_day(" any day of March?")
    (True, True, False)
    """
    return _ONE_DAY.match(words) is not None


def assets(question: str, slug: str) -> set[str]:
    """What a title and a slug call their asset; a part that names none adds nothing."""
    titled = _TITLED.match(question)
    other = _OTHER_TITLED.match(question)
    slugged = SLUG.match(slug) or _WORD_SLUG.match(slug)
    found = {titled["asset"]} if titled else {other[1]} if other else set()
    return found | ({slugged[1]} if slugged else set())


def clock(at_s: int) -> str:
    """The time of day in New York, such as 12:00; with seconds where it is no whole minute."""
    moment = datetime.fromtimestamp(at_s, ET)
    return f"{moment:%H:%M}" if moment.second == 0 else f"{moment:%H:%M:%S}"


def times_fit(question: str, begin_s: int, end_s: int) -> bool:
    """Whether the day and the times in New York that a title names are those of a range. A title without any fits."""
    day = _DAY.search(question)
    began = datetime.fromtimestamp(begin_s, ET)
    if day and (_MONTHS[began.month - 1].lower(), began.day) != (day[1].lower(), int(day[2])):
        return False
    times = _TIMES.search(question)
    if times is None:
        return True
    stated = [_of_day(*times.groups()[at : at + 3]) for at in (0, 3) if times[at + 1]]
    return stated == [clock(begin_s), clock(end_s)][: len(stated)]


def _of_day(hour: str, minute: str | None, half: str) -> str:
    return f"{int(hour) % 12 + (12 if half.lower() == 'pm' else 0):02d}:{minute or '00'}"
