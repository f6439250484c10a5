"""Titles and rule texts of series markets, in the venue's words."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from pipelines.core.settlement import RuleKind, Settlement
from simulator.series.kinds import LENGTHS_S, NAMES, Series

_ET: Final = ZoneInfo("America/New_York")
_STREAMS: Final = "https://data.chain.link/streams"
_NOTE: Final = "not according to other sources or spot markets."


def titles(series: Series, begin_s: int, level: float | None) -> tuple[str, str, str]:
    """Title of the event, question and slug. Days and times of a title are those of New York."""
    name = NAMES.get(series.symbol, series.symbol)
    moment, end = (datetime.fromtimestamp(at_s, _ET) for at_s in (begin_s, begin_s + series.length_s))
    if level is not None:
        day = f"{end:%B} {end.day}"
        return (
            f"{name} above ___ on {day}?",
            f"Will the price of {name} be above ${level:,.2f} on {day}?",
            (f"{name.lower()}-above-{level:.2f}-on-{_utc(begin_s):%Y-%m-%d-%H%M}".replace(".", "pt")),
        )
    day = f"{moment:%B} {moment.day}"
    if series.candle:
        title = f"{name} Up or Down - {day}, {_hour(moment)} ET"
        return title, title, f"{name.lower()}-up-or-down-{_utc(begin_s):%Y-%m-%d-%H}"
    title = f"{name} Up or Down - {day}, {_clock(moment)}-{_clock(end)} ET"
    return title, title, f"{series.symbol.lower()}-updown-{series.length}-{begin_s}"


def _utc(at_s: int) -> datetime:
    """For slugs: an hour of New York comes twice in a night of autumn."""
    return datetime.fromtimestamp(at_s, UTC)


def _hour(moment: datetime) -> str:
    return f"{moment.hour % 12 or 12}{'AM' if moment.hour < 12 else 'PM'}"


def _clock(moment: datetime) -> str:
    return f"{moment.hour % 12 or 12}:{moment.minute:02d}{'AM' if moment.hour < 12 else 'PM'}"


def rule_text(series: Series, begin_s: int, level: float | None) -> str:
    """The description that the listing of the window that begins at `begin_s` shows."""
    if level is not None:
        return _minute_text(series.symbol, begin_s + series.length_s, "higher than the price specified in the title")
    return _hour_text(series.symbol) if series.candle else _chainlink_text(series.symbol, series.averaged_s(begin_s))


def settlement_text(rule: Settlement) -> str:
    """The description of a market with this rule; empty where the venue has no words for it."""
    if rule.source == "chainlink" and rule.strike is None and rule.kind is not RuleKind.CANDLE:
        return _chainlink_text(rule.symbol, rule.average_s)
    if rule.source != "binance" or rule.kind is not RuleKind.CANDLE:
        return ""
    if rule.strike is None:
        return _hour_text(rule.symbol) if rule.length_s == LENGTHS_S["1h"] else ""
    where = "higher than the price" if rule.upper is None else "within the bracket"
    return _minute_text(rule.symbol, rule.start_s, f"{where} specified in the title")


def settlement_slug(rule: Settlement) -> str:
    """Slug of a window with this rule; empty for a level, and for a length that the venue does not list."""
    length = next((name for name, length_s in LENGTHS_S.items() if length_s == rule.length_s), "")
    return f"{rule.symbol.lower()}-updown-{length}-{rule.start_s}" if length and rule.strike is None else ""


def _minute_text(symbol: str, minute_s: int, condition: str) -> str:
    clock = f"{datetime.fromtimestamp(minute_s, _ET):%H:%M}"
    noon = " (noon)" if clock == "12:00" else ""
    return (
        f'This market will resolve to "Yes" if the Binance 1 minute candle for {symbol}/USDT {clock} in the ET '
        f'timezone{noon} on the date specified in the title has a final "Close" price {condition}. Otherwise, this '
        'market will resolve to "No".\n\nThe resolution source for this market is Binance, specifically the '
        f'{symbol}/USDT "Close" prices currently available at https://www.binance.com/en/trade/{symbol}_USDT with "1m" '
        'and "Candles" selected on the top bar.\n\nPrice precision is determined by the number of decimal places in '
        "the source."
    )


def _hour_text(symbol: str) -> str:
    return (
        'This market will resolve to "Up" if the close price is greater than or equal to the open price for the '
        f"{symbol}/USDT 1 hour candle that begins on the time and date specified in the title. Otherwise, this market "
        'will resolve to "Down".\n\nThe resolution source for this market is information from Binance, specifically '
        f"the {symbol}/USDT pair (https://www.binance.com/en/trade/{symbol}_USDT).\n\nPlease note that this market is "
        f"about the price according to Binance {symbol}/USDT, {_NOTE}"
    )


def _chainlink_text(symbol: str, average_s: int) -> str:
    pair, name, stream = f"{symbol}/USD", NAMES.get(symbol, symbol), f"{_STREAMS}/{symbol.lower()}-usd"
    if average_s:
        return (
            f'This market will resolve to "Up" if the time-weighted average price (TWAP) of {name}, generated by '
            "Chainlink, of the time range specified in the title is greater than or equal to the price at the "
            'beginning of that range. Otherwise, it will resolve to "Down". The resolution source for this market is '
            f"information from Chainlink, specifically the {pair} TWAP data stream available at "
            f"{stream}-twap-{average_s}s-streams. Please note that this market is about the price according to "
            f"the TWAP Chainlink data stream for the asset pair {pair}, not according to any other sources or spot "
            "markets."
        )
    return (
        f'This market will resolve to "Up" if the {name} price at the end of the time range specified in the title is '
        "greater than or equal to the price at the beginning of that range. Otherwise, it will resolve to "
        f'"Down".\nThe resolution source for this market is information from Chainlink, specifically the {pair} data '
        f"stream available at {stream}.\nPlease note that this market is about the price according to Chainlink data "
        f"stream {pair}, {_NOTE}"
    )
