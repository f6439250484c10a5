"""Levels of a market: from a recording's columns, the question or the settlement rule."""

import math

import pytest

from pipelines.core.brackets import Bracket, of
from pipelines.core.settlement import RuleKind, Settlement

RULE = Settlement(symbol="BTC", source="binance", kind=RuleKind.CANDLE, start_s=0, end_s=60, strike=90.0, upper=95.0)
PRICE = "Will the price of Bitcoin be {} on March 14?"


@pytest.mark.parametrize(
    ("question", "lower", "upper"),
    [
        (PRICE.format("between $100,000 and $102,000"), 100_000.0, 102_000.0),
        (PRICE.format("above $100k"), 100_000.0, math.inf),
        (PRICE.format("less than $76,000.50"), -math.inf, 76_000.5),
        ("Will NVIDIA (NVDA) close at $185-$190 on the final day?", 185.0, 190.0),
        ("Will the highest temperature in NYC be between 50-51°F on November 3?", 50.0, 51.0),
        ("Will the highest temperature in NYC be 52°F or higher on November 3?", 52.0, math.inf),
        ("Will the lowest temperature in Oslo be -4°C or below on March 1?", -math.inf, -4.0),
        ("Will the highest temperature in Toronto be 5°C on March 12?", 5.0, 6.0),
        ("Will Elon Musk post 400-419 tweets from November 7 to November 14?", 400.0, 419.0),
        ("Relay FDV above $1.2B one day after launch?", 1.2e9, math.inf),
        ("Ducks vs. Utah: O/U 6.5", 6.5, math.inf),
        ("Will inflation be 3.1% or more?", 3.1, math.inf),
        ("Will turnout be between 60% and 65%?", 60.0, 65.0),
    ],
)
def test_a_question_names_levels(question, lower, upper):
    """Ranges and thresholds in the venue's wordings, with thousands, units and currencies."""
    found = of(question, None, None, None)
    assert (found.lower, found.upper) == (lower, upper)


@pytest.mark.parametrize(
    "question",
    ["Will Lyon win on 2026-03-24?", "Bitcoin Up or Down - July 21, 9AM ET", "Over 20th place?",
     "Will X happen between July 4 and July 9?", "Spread: Chelsea FC (-1.5)", "Will he win in 2026?", ""],
)  # fmt: skip
def test_other_questions_name_none(question):
    """Dates, hours, ranks and spreads are no levels."""
    assert of(question, None, None, None) is None


def test_brackets_of_one_quantity_have_one_ladder():
    """Tails and ranges of one question belong together; another day, another asset and a level that has to be touched
    do not."""
    asked = [PRICE.format(text) for text in ("between $1 and $2", "less than $1", "greater than $2", "above $2")]
    assert len({of(one, None, None, None).ladder for one in asked}) == 1
    others = [
        asked[0].replace("14", "15"), asked[0].replace("Bitcoin", "Solana"),
        "Will Bitcoin reach $2 in March?", "Will Bitcoin dip to $1 in March?",
    ]  # fmt: skip
    assert len({of(one, None, None, None).ladder for one in (asked[0], *others)}) == 5


def test_columns_come_before_the_question_and_the_question_before_the_rule():
    """A recording's own levels count most; a rule without a text has its strike."""
    assert of(PRICE.format("above $7"), RULE, 1.0, 2.0) == Bracket("", 1.0, 2.0)
    assert of(PRICE.format("above $7"), RULE, None, None).lower == 7.0
    assert of("A range", RULE, None, None) == Bracket("BTC binance 60", 90.0, 95.0)
    assert of("A range", RULE, None, 2.0) == Bracket("", -math.inf, 2.0)


@pytest.mark.parametrize("levels", [(2.0, 2.0), (3.0, 2.0), (math.nan, 2.0)])
def test_levels_that_are_no_range_are_none(levels):
    """An upper level at or below the lower one, or one that is no number, names no bracket."""
    assert of(PRICE.format("above $7"), None, *levels) is None
