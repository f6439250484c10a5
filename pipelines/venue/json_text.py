"""JSON as venues send it: one value that JSON forbids must not cost the other rows of a page, nor any text the process.

Collectors and proxies write NaN, half of a surrogate pair, control characters, a BOM or bytes that are no UTF-8. A text
that the fast reader refuses is read once more by the lenient one of the standard library: what is no number becomes
text, what is no character becomes a replacement character. So the field is read as odd and its row is judged alone.
"""

import json
import math
import re
from itertools import accumulate
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

DEEPEST: Final = 500
"""Lists and objects inside each other; the venue's answers have less than ten."""
_HARMLESS: Final = 5_000
"""So many opened ones cannot overflow the stack, even one in the other."""

_HALF_PAIR: Final = re.compile(r"[\ud800-\udfff]")
_NO_BRACKET: Final = bytes(set(range(256)) - set(b"[]{}"))


def read(content: bytes | str, kind: type[T]) -> T:
    """The value of a JSON text, as `kind`.

    Raises:
        ValueError: if it is no JSON even when read leniently, is nested too deeply, or has another shape.
    """
    refuse_bomb(content)
    try:
        return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError) as error:
        try:
            return msgspec.json.decode(_repaired(content), type=kind)
        except (ValueError, RecursionError):
            raise ValueError(str(error)) from None


def refuse_bomb(content: bytes | str) -> None:
    """Refuse a text that is nested so deeply that a reader could overflow the stack and end the process.

    Readers have Python's recursion limit alone, which a library of the signer raises a hundredfold.

    Raises:
        ValueError: if it is.
    """
    raw = content.encode("utf-8", errors="replace") if isinstance(content, str) else content
    if raw.count(b"[") + raw.count(b"{") <= _HARMLESS:
        return
    brackets = raw.translate(None, _NO_BRACKET)
    if max(accumulate(1 if one in b"[{" else -1 for one in brackets)) > DEEPEST:
        raise ValueError("it is nested too deeply")


def _repaired(content: bytes | str) -> bytes:
    text = content if isinstance(content, str) else content.decode("utf-8", errors="replace")
    found: Any = json.loads(text.removeprefix("\ufeff"), strict=False, parse_constant=str, parse_float=_number)
    plain = _HALF_PAIR.sub("\ufffd", json.dumps(found, ensure_ascii=False))
    return plain.encode()


def _number(text: str) -> float | str:
    """A finite number; the text itself where no float holds it, so that nothing takes it for one."""
    found = float(text)
    return found if math.isfinite(found) else text
