"""Code that all HTTP routes use: answers, errors, parameters, pages."""

import base64
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from simulator.api.formats import encode
from simulator.engine.refusals import Refused

Handler = Callable[[Request], Awaitable[Response]]

MAX_BODY = 2 * 1024 * 1024

MAX_NESTING = 2_000
"""Most opening brackets in a body. The largest body that the venue accepts has 501."""


def answer(document: Any, status: int = 200) -> Response:
    """A JSON response."""
    return Response(encode(document), status, media_type="application/json")


def raw(content: bytes) -> Response:
    """A response of encoded JSON."""
    return Response(content, media_type="application/json")


def refusal(text: str, status: int) -> Response:
    """The venue's error body."""
    return answer({"error": text}, status)


def guarded(handler: Handler) -> Handler:
    """A handler that turns refusals into the venue's error bodies.

    Headers that it left in `request.state.headers` go out with either.
    """

    @wraps(handler)
    async def run(request: Request) -> Response:
        try:
            response = await handler(request)
        except Refused as refused:
            response = refusal(refused.text, refused.status)
        response.headers.update(getattr(request.state, "headers", {}))
        return response

    return run


def decode(content: bytes) -> Any:
    """Parsed JSON from outside.

    Nesting is bounded before parsing: the parser recurses, and a process whose recursion limit was raised by some
    library would overflow its stack.

    Raises:
        ValueError: if it is not JSON or nested beyond anything that the venue takes.
    """
    if content.count(b"[") + content.count(b"{") > MAX_NESTING:
        raise ValueError("too many brackets")
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


async def body_json(request: Request, error: str) -> Any:
    """Decoded JSON body.

    Raises:
        Refused: with `error` when it is not JSON or too long.
    """
    content = await request.body()
    if len(content) > MAX_BODY:
        raise Refused("request body too large", 413)
    try:
        return decode(content)
    except ValueError:
        raise Refused(error) from None


def integer(request: Request, name: str, default: int, *, low: int = 0, high: int = 2**53) -> int:
    """A query parameter as an integer.

    Raises:
        Refused: if it is not an integer in [low, high].
    """
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    try:
        value = int(text) if len(text) < 20 else high + 1
    except ValueError:
        raise Refused(f"invalid {name}") from None
    if not low <= value <= high:
        raise Refused(f"invalid {name}")
    return value


MORE, END = "MA==", "LTE="


def page(rows: list[Any], cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of a CLOB list. Cursors are base64 of an offset; `LTE=` ends the list.

    Raises:
        Refused: if the cursor is not one of ours.
    """
    start = _offset(cursor)
    part = rows[start : start + limit]
    end = start + limit
    following = _cursor(end) if end < len(rows) else END
    return {"limit": limit, "count": len(part), "next_cursor": following, "data": part}


def _offset(cursor: str | None) -> int:
    if not cursor:
        return 0
    try:
        offset = int(_decode(cursor))
    except ValueError:
        raise Refused("invalid next_cursor") from None
    if offset == -1:
        return 2**62
    if not 0 <= offset < 2**53:
        raise Refused("invalid next_cursor")
    return offset


def _cursor(offset: int) -> str:
    return base64.b64encode(str(offset).encode()).decode()


def _decode(cursor: str) -> str:
    text = base64.b64decode(cursor, validate=True).decode("ascii")
    if len(text) > 20:
        raise ValueError(text)
    return text
