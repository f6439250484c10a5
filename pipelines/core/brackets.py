"""The levels between which a market pays, and the quantity they are of: from a recording's columns, else the question,
else the settlement rule.

Markets of one event whose brackets are of one quantity form a ladder (`pipelines.features.ladder`).
"""

import math
import re
from dataclasses import dataclass
from typing import Final

from pipelines.core.settlement import Settlement

_DIGITS: Final = r"\d[\d,]*(?:\.\d+)?"
_NUMBER: Final = (
    rf"[$€£]?\s?(-?{_DIGITS})\s?(k|m|b|thousand|million|billion|trillion)?(?![\w.,]*\d)"
    r"(?:\s?(?:°\s?[cf]?|%|bps))?(?!\w)"
)
_FACTORS: Final = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9, "trillion": 1e12}
_COUNTS: Final = r"(?=\s?(?:°|%|bps|tweets|posts|times|seats|votes|goals|points))"
_DASH: Final = r"\s?[-–—]\s?"
_PATTERNS: Final = tuple(
    (kind, re.compile(text, re.I))
    for kind, text in (
        ("range", rf"\bbetween\s+{_NUMBER}(?:\s+and\s+|\s+to\s+|{_DASH}){_NUMBER}"),
        ("range", rf"(?<![\w.,-])({_DIGITS})(){_DASH}({_DIGITS})(){_COUNTS}"),
        ("range", rf"[$€£]({_DIGITS})(){_DASH}{_NUMBER}"),
        ("above", rf"{_NUMBER}\s+or\s+(?:above|higher|more|greater)\b"),
        ("below", rf"{_NUMBER}\s+or\s+(?:below|lower|less|fewer)\b"),
        ("above", rf"\b(?:above|over|exceeds?|o/u|at least|(?:greater|more|higher) than)\s+{_NUMBER}"),
        ("below", rf"\b(?:below|under|at most|(?:less|fewer|lower) than)\s+{_NUMBER}"),
        ("value", r"\bbe\s+(-?\d+)()\s?°\s?[cf]?\b"),
        ("touched above", rf"\b(?:reach|hit)\s+{_NUMBER}"),
        ("touched below", rf"\b(?:dip|drop|fall) to\s+{_NUMBER}"),
    )
)
"""How questions name levels, the most telling first. A level that has to be touched is another quantity than the one
at the end: of two of them both can pay."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """A market pays YES where the quantity ends in [lower, upper); one of the two may be infinite."""

    ladder: str
    """What the levels are of: within an event, brackets with the same text are of the same quantity."""
    lower: float
    upper: float


def of(question: str, rule: Settlement | None, lower: float | None, upper: float | None) -> Bracket | None:
    """The bracket of a market; None where nothing names its levels.

    `lower` and `upper` are those of a recording's columns; one that is None is infinite, where the other is known.

    >>> of("Will the price of Bitcoin be between $100,000 and $102k on December 10?", None, None, None)
    Bracket(ladder='will the price of bitcoin be # on december 10?', lower=100000.0, upper=102000.0)
    >>> of("Will the price of Bitcoin be less than $76,000 on December 10?", None, None, None)
    Bracket(ladder='will the price of bitcoin be # on december 10?', lower=-inf, upper=76000.0)
    >>> of("Will it rain?", None, None, 5.0)
    Bracket(ladder='', lower=-inf, upper=5.0)
    """
    if lower is not None or upper is not None:
        return _made("", lower, upper)
    found = _read(question)
    if found is None and rule is not None and rule.strike is not None:
        return _made(f"{rule.symbol} {rule.source} {rule.end_s}", rule.strike, rule.upper)
    return found


def _read(question: str) -> Bracket | None:
    for kind, pattern in _PATTERNS:
        matched = pattern.search(question)
        if matched is None:
            continue
        numbers = [_amount(matched[at], matched[at + 1]) for at in range(1, len(matched.groups()), 2)]
        asked = f"{question[: matched.start()]} # {question[matched.end() :]}".replace("°F", " ").replace("°C", " ")
        ladder = " ".join([*(["touched"] if kind.startswith("touched") else []), *asked.lower().split()])
        if kind == "range":
            return _made(ladder, numbers[0], numbers[1])
        if kind == "value":
            return _made(ladder, numbers[0], numbers[0] + 1.0)
        if kind.endswith("above"):
            return _made(ladder if kind == "above" else f"{ladder} above", numbers[0], None)
        return _made(ladder if kind == "below" else f"{ladder} below", None, numbers[0])
    return None


def _amount(digits: str, factor: str | None) -> float:
    return float(digits.replace(",", "")) * _FACTORS.get((factor or "").lower(), 1.0)


def _made(ladder: str, lower: float | None, upper: float | None) -> Bracket | None:
    low, high = -math.inf if lower is None else lower, math.inf if upper is None else upper
    return Bracket(ladder, low, high) if low < high else None
