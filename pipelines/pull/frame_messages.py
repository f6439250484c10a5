"""Messages inside the lines of an archive: plain, several in a list, or wrapped by a recorder with the time of arrival.

A message of the market channel has an `event_type`, one of the socket of reference prices a `topic`, a trade of an
exchange an `e`. The lines of `oddsmith data record` also tell of listed and ended markets, and of gaps.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from pipelines.reference.rtds import TOPICS
from pipelines.venue import stamps

WRAPPERS: Final = ("frame", "raw_data", "raw", "message", "msg", "data", "payload")
"""Keys under which recorders keep a message."""
ARRIVAL: Final = ("recv_ms", "received_ms", "recv_s", "recv_ts", "received_at", "local_timestamp", "ts", "timestamp")
"""Keys under which they keep the time of its arrival."""
TRADES: Final = ("trade", "aggTrade")
"""What an exchange calls its trades."""
UNREADABLE: Final = "an unreadable line"
_DEEPEST: Final = 3

Message = Mapping[str, Any]


def messages(text: str | None, arrived_ms: int | None) -> Iterator[tuple[Message | str, int | None]]:
    """Each message of a line with its time of arrival in ms, if one is written; what is none, as what it is."""
    yield from _opened(_decoded(text), arrived_ms, "", _DEEPEST)


def are_messages(text: str | None) -> bool:
    """Whether a line holds a message of a kind that is known here."""
    return any(isinstance(found, Mapping) for found, _ in messages(text, None))


def is_reference(message: Message) -> bool:
    """Whether a message brings reference prices."""
    return message.get("topic") in TOPICS or message.get("e") in TRADES


def time_ms(value: Any) -> int | None:
    """Milliseconds since 1970 of a time in s, ms, us or ns, as number, text or date; None for anything else.

    >>> time_ms("1790000000"), time_ms(1790000000123456), time_ms("2026-09-21T14:13:20Z"), time_ms("soon")
    (1790000000000, 1790000000123, 1790000000000, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | datetime):
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and _dated(value) else value
        if isinstance(moment, datetime):
            return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
        return stamps.milliseconds(value)
    except (ValueError, OverflowError):
        return None


def _dated(text: str) -> bool:
    return "-" in text[1:] and "e" not in text.lower()


def _decoded(text: str | None) -> Any:
    try:
        return msgspec.json.decode(text or "")
    except (ValueError, RecursionError):
        return None


def _opened(value: Any, arrived_ms: int | None, source: str, depth: int) -> Iterator[tuple[Message | str, int | None]]:
    if isinstance(value, list):
        for one in value:
            yield from _opened(one, arrived_ms, source, depth)
    elif not isinstance(value, dict):
        yield f"a line of {source}" if source else UNREADABLE, None
    elif "gap" in value:
        yield "a gap", None
    elif "event_type" in value or is_reference(value) or value.get("source") == "listing":
        yield value, arrived_ms
    elif "topic" in value:
        yield f"a message of {str(value['topic'])[:40]}", None
    else:
        yield from _unwrapped(value, arrived_ms, source, depth)


def _unwrapped(
    value: Message, arrived_ms: int | None, source: str, depth: int
) -> Iterator[tuple[Message | str, int | None]]:
    name = str(value.get("source") or source)[:40]
    key = next((key for key in WRAPPERS if isinstance(value.get(key), dict | list | str)), None)
    if key is None or depth == 0:
        yield f"a line of {name}" if name else "a line of another kind", None
        return
    stamp = next((value[key] for key in ARRIVAL if key in value), None)
    inner = value[key]
    told = _decoded(inner) if isinstance(inner, str) else inner
    yield from _opened(told, arrived_ms if stamp is None else time_ms(stamp), name, depth - 1)
