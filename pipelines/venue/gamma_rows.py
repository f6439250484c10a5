"""One row of Gamma's listing becomes a market, or a reason why it does not. Each row is read on its own.

Only what is known in advance is named here, so nothing else can be read. What decides an order (tokens, tick, minimum,
fees, contract) is never guessed: where it is there and cannot be read, the market is left out. What only describes
(dates, event, tags, texts) counts as absent where it cannot be read, and the row is named as odd.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from pipelines.core.domain import FeeSchedule, Market, Rewards
from pipelines.core.money import MICRO, PRICE_SCALE, SHARE_GRID
from pipelines.core.settlement import Settlement
from pipelines.venue import settlement_rules
from pipelines.venue.fees import FREE, schedule
from pipelines.venue.topics import topic_of

_DEFAULT_TICK: Final = Decimal("0.01")
_DEFAULT_MINIMUM: Final = Decimal(5)
_NAMELESS: Final = "a row without a name"
_EARLIEST_S, _LATEST_S = 1_577_836_800, 4_102_444_800
"""2020, when the venue opened, and 2100. A date outside is none: the year 1 is how an empty date is often written."""
_SHOWN: Final = 60
"""Characters of a value that a reason repeats."""


@dataclass(frozen=True, slots=True)
class Odd:
    """A row that is not as the venue documents it: what it calls itself, why, and whether its market was left out."""

    name: str
    reason: str
    left_out: bool
    raw: Any = field(default=None, compare=False)
    """The row as JSON gave it, where it was left out because it cannot be read."""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" + ("" if self.left_out else " (read without it)")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was read. `market` is None where nothing can be traded by it; `odd` says what was wrong with it."""

    name: str
    market: Market | None
    accepting: bool
    """Whether it is open and takes orders now."""
    odd: tuple[Odd, ...]


class _Unreadable(ValueError):
    """A field that decides an order is there and cannot be read."""


class _Fields:
    """The fields of one row, with notes about those that could not be read."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self.notes: list[str] = []

    def essential(self, key: str, kind: str) -> _Unreadable:
        return _Unreadable(f"{key} was {_shown(self._raw.get(key))}, {kind} expected")

    def note(self, key: str, kind: str) -> None:
        self.notes.append(f"{key} was {_shown(self._raw.get(key))}, {kind} expected")

    def get(self, key: str) -> Any:
        return self._raw.get(key)

    def has(self, key: str) -> bool:
        return key in self._raw

    def text(self, key: str) -> str:
        """A describing text; empty where it is absent or none."""
        value = self._raw.get(key)
        if value is None or isinstance(value, str):
            return (value or "").strip()
        self.note(key, "text")
        return ""

    def flag(self, key: str) -> bool | None:
        """A truth value, also as text; None where it is absent."""
        value = self._raw.get(key)
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
        if value is None or isinstance(value, bool):
            return value
        raise self.essential(key, "true or false")

    def number(self, key: str, of: Mapping[str, Any] | None = None) -> Decimal | None:
        """A finite number, also as text; None where it is absent."""
        value = (self._raw if of is None else of).get(key)
        if value is None:
            return None
        found = decimal(value)
        if found is None:
            raise _Unreadable(f"{key} was {_shown(value)}, a number expected")
        return found

    def time_s(self, key: str) -> int | None:
        """UTC seconds of a date; None where it is absent or none."""
        value = self._raw.get(key)
        found = seconds(value) if isinstance(value, str) else None
        found = found if found is not None and _EARLIEST_S <= found <= _LATEST_S else None
        if found is None and value not in (None, ""):
            self.note(key, "a date")
        return found

    def objects(self, key: str) -> list[Mapping[str, Any]]:
        """The objects of a list; what is no object is noted."""
        value = self._raw.get(key)
        if value is None:
            return []
        found = [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
        if not isinstance(value, list) or len(found) < len(value):
            self.note(key, "a list of objects")
        return found


def read(raw: Any) -> Row:
    """The market of a row, with what was odd about it.

    A row without an order book is no market for us and not odd. One that says it has a book and is open has two tokens.
    """
    if not isinstance(raw, Mapping):
        odd = Odd(_NAMELESS, f"was {_shown(raw)}, an object expected", left_out=True, raw=raw)
        return Row(_NAMELESS, None, accepting=False, odd=(odd,))
    fields = _Fields(raw)
    name = _name(raw)
    try:
        market = _market(fields)
        accepting = fields.flag("acceptingOrders") is not False and not fields.flag("closed")
    except _Unreadable as error:
        return Row(name, None, accepting=False, odd=(Odd(name, str(error), left_out=True, raw=raw),))
    notes = tuple(Odd(name, note, left_out=market is None) for note in fields.notes)
    return Row(name, market, accepting, notes)


def _market(fields: _Fields) -> Market | None:
    if fields.flag("enableOrderBook") is False:
        return None
    condition = fields.get("conditionId")
    if not isinstance(condition, str) or not re.fullmatch(r"0x[0-9a-fA-F]{62,64}", condition):
        raise fields.essential("conditionId", "a condition id")
    version = fields.get("version")
    if version not in (None, "v1", "v2"):
        raise fields.essential("version", "v1 or v2")
    tokens = _tokens(fields, version)
    if tokens is None:
        return None
    start_s, end_s = fields.time_s("startDate"), fields.time_s("endDate")
    question = fields.text("question") or fields.text("slug") or condition
    topic = _topic(fields, question)
    rule = _settlement(fields, end_s)
    return Market(
        market_id=condition,
        event_id=_event(fields) or condition,
        question=question,
        token_yes=tokens[0],
        token_no=tokens[1],
        tick_units=_tick(fields),
        min_size_micro=_minimum(fields),
        fee=_fee(fields, topic, start_s, end_s),
        start_s=start_s,
        end_s=end_s,
        topic=topic,
        neg_risk=bool(fields.flag("negRisk")),
        version=version or "v1",
        settlement=rule,
        taker_delay_ms=_taker_delay_ms(fields),
        rewards=_rewards(fields),
    )


def _rewards(fields: _Fields) -> Rewards:
    """What the market pays to makers; what cannot be read pays nothing."""
    own = fields.get("feeSchedule")
    rebate = decimal(own.get("rebateRate")) if isinstance(own, Mapping) else None
    share = float(rebate) if rebate is not None and 0 <= rebate <= 1 else 0.0
    listed, rate = fields.get("clobRewards"), Decimal(0)
    for one in listed if isinstance(listed, list) else ():
        found = decimal(one.get("rewardsDailyRate")) if isinstance(one, Mapping) else None
        rate += found if found is not None and 0 < found < 10**6 else Decimal(0)
    shares, cents = decimal(fields.get("rewardsMinSize")), decimal(fields.get("rewardsMaxSpread"))
    if not rate or shares is None or cents is None or not (0 <= shares < 10**9 and 0 < cents < 100):
        return Rewards(rebate_share=share)
    return Rewards(int(rate * MICRO), int(shares * MICRO), int(cents * 100), share)


def _settlement(fields: _Fields, end_s: int | None) -> Settlement | None:
    """The rule of a series market. One that is not known here keeps the market out: it would be priced wrongly."""
    names = ("question", "slug", "description", "resolutionSource")
    try:
        return settlement_rules.read({name: fields.get(name) for name in names}, end_s, fields.time_s("eventStartTime"))
    except settlement_rules.UnknownRule as error:
        raise _Unreadable(f"unknown settlement rule: {error}") from None


def _taker_delay_ms(fields: _Fields) -> int:
    """How long a crossing order is held: `takerDelayMs` where it is listed, else `secondsDelay`."""
    found, seconds_delay = fields.number("takerDelayMs"), fields.number("secondsDelay")
    delay_ms = found if found is not None else (seconds_delay or Decimal(0)) * 1_000
    if not 0 <= delay_ms <= 600_000:
        raise fields.essential("secondsDelay", "a delay from 0 to 600 seconds")
    return int(delay_ms)


def _tokens(fields: _Fields, version: str | None) -> tuple[str, str] | None:
    """Ids of the Yes and the No token: JSON text of a list, or a list.

    None where there are not two and nothing says that the market has a book and is open.
    """
    key = "positionIds" if version == "v2" else "clobTokenIds"
    value = fields.get(key)
    traded = fields.flag("enableOrderBook") is True and not fields.flag("closed")
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (ValueError, RecursionError):
            raise fields.essential(key, "JSON text of a list") from None
        if value is None:
            raise fields.essential(key, "JSON text of a list")
    if value is None:
        if traded:
            raise fields.essential(key, "two token ids (the market has an order book)")
        return None
    if not isinstance(value, list) or not all(map(_is_token, value)):
        raise fields.essential(key, "a list of decimal token ids of 256 bits")
    if len(value) != len(set(value)):
        raise fields.essential(key, "two different token ids")
    if len(value) != 2 and traded:
        raise fields.essential(key, "two token ids (the market has an order book)")
    return (value[0], value[1]) if len(value) == 2 else None


def _is_token(value: Any) -> bool:
    """Whether a value is an id that an order can be signed for: a decimal uint256, not 0."""
    return isinstance(value, str) and re.fullmatch(r"[0-9]{1,78}", value) is not None and 0 < int(value) < 2**256


def _tick(fields: _Fields) -> int:
    key = "orderPriceMinTickSize"
    found = fields.number(key)
    units = (_DEFAULT_TICK if found is None else found) * PRICE_SCALE
    if units != units.to_integral_value() or not 1 <= units <= PRICE_SCALE // 10 or PRICE_SCALE % int(units):
        raise fields.essential(key, "a tick from 0.0001 to 0.1 that divides 1")
    return int(units)


def _minimum(fields: _Fields) -> int:
    key = "orderMinSize"
    found = fields.number(key)
    shares = _DEFAULT_MINIMUM if found is None else found
    if not 0 <= shares <= 1_000_000:
        raise fields.essential(key, "a number of shares")
    return max(math.ceil(shares * MICRO), SHARE_GRID)


def _fee(fields: _Fields, topic: str, start_s: int | None, end_s: int | None) -> FeeSchedule:
    """The market's own schedule; without one the venue's table.

    A market that says it has fees and whose schedule is null is not guessed; a collector that kept no such column gets
    the table's fee where there is one. The fee of a fill is what the venue took, in either case.
    """
    own, enabled = fields.get("feeSchedule"), fields.flag("feesEnabled")
    if own is not None:
        if not isinstance(own, Mapping):
            raise fields.essential("feeSchedule", "an object")
        rate, exponent = fields.number("rate", own), fields.number("exponent", own)
        if rate is None and enabled:
            raise fields.essential("feeSchedule", "a rate (the market has fees)")
        if not 0 <= (rate or 0) <= 1 or not 0 <= (1 if exponent is None else exponent) <= 10:
            raise fields.essential("feeSchedule", "a rate in [0, 1] and an exponent in [0, 10]")
        return FeeSchedule(float(rate or 0), 1.0 if exponent is None else float(exponent))
    if enabled is False:
        return FREE
    usual = schedule(topic, start_s, end_s - start_s if start_s is not None and end_s is not None else None)
    if enabled and (fields.has("feeSchedule") or not usual.rate):
        raise fields.essential("feeSchedule", "a schedule (the market has fees)")
    if enabled:
        fields.note("feeSchedule", "a schedule (the market has fees; the venue's table is used)")
    return usual


def _event(fields: _Fields) -> str:
    for event in fields.objects("events")[:1]:
        slug, number = event.get("slug"), event.get("id")
        if isinstance(slug, str) and slug:
            return slug
        fields.note("events", "an event with a slug")
        if isinstance(number, str | int) and not isinstance(number, bool):
            return str(number)
    return ""


def _topic(fields: _Fields, question: str) -> str:
    named = [fields.text("category"), fields.text("feeType")]
    for tag in fields.objects("tags"):
        words = [tag[key] for key in ("slug", "label") if isinstance(tag.get(key), str)]
        if words:
            named.append(words[0] or words[-1])
        else:
            fields.note("tags", "tags with a slug or a label")
    topic = topic_of(named)
    return topic if topic != "other" else topic_of([question])


def _name(raw: Mapping[str, Any]) -> str:
    """What a person finds the row by: its slug or question, and its condition id or number."""
    words = [_word(raw.get(key)) for key in ("slug", "question", "conditionId", "id")]
    label, number = words[0] or words[1], words[2] or words[3]
    return f"{label} ({number})" if label and number else label or number or _NAMELESS


def _word(value: Any) -> str:
    return str(value)[:80] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def decimal(value: Any) -> Decimal | None:
    """A finite number, as a number or as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def seconds(text: str | None) -> int | None:
    """UTC seconds of ISO-8601 with `Z`, or of `YYYY-MM-DD HH:MM:SS+00`; None when absent or unreadable."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    try:
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (OverflowError, ValueError):
        return None
