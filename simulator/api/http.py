"""What all HTTP routes share: answers, errors, parameters, authentication."""

import base64
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from simulator.api.wire import encode
from simulator.engine.errors import Refused
from simulator.signing.credentials import Credentials
from simulator.signing.recover import BadSignature
from simulator.venue.venue import Venue

Handler = Callable[[Request], Awaitable[Response]]

MAX_BODY = 2 * 1024 * 1024

MAX_NESTING = 2_000
"""Opening brackets in a body; the largest that the venue takes has 501."""


def answer(document: Any, status: int = 200) -> Response:
    """A JSON response."""
    return Response(encode(document), status, media_type="application/json")


def raw(content: bytes) -> Response:
    """A response whose JSON is encoded already."""
    return Response(content, media_type="application/json")


def refusal(text: str, status: int) -> Response:
    """The venue's error body."""
    return answer({"error": text}, status)


def guarded(handler: Handler) -> Handler:
    """A handler whose refusals become the venue's error bodies."""

    @wraps(handler)
    async def run(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refused:
            return refusal(refused.text, refused.status)

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


class Gatekeeper:
    """Authentication of requests: L1 (wallet signature) and L2 (API key with HMAC)."""

    def __init__(self, venue: Venue):
        self.venue = venue

    def login(self, request: Request) -> tuple[str, int]:
        """Address and nonce of an L1 request.

        Raises:
            Refused: 401 "Invalid L1 Request headers".
        """
        headers = request.headers
        nonce = headers.get("poly_nonce") or "0"
        try:
            address = self.venue.keys.login(
                headers.get("poly_address", ""),
                headers.get("poly_signature", ""),
                headers.get("poly_timestamp", ""),
                nonce,
            )
            return address, int(nonce)
        except (BadSignature, ValueError):
            raise Refused("Invalid L1 Request headers", 401) from None

    async def caller(self, request: Request, *, writes: bool = False) -> Credentials:
        """Credentials of an L2 request. The HMAC covers the path without its query, and the body.

        Raises:
            Refused: 401 "Unauthorized/Invalid api key".
        """
        headers = request.headers
        body = await request.body()
        timestamp = headers.get("poly_timestamp", "")
        head = f"{timestamp}{request.method}{request.url.path}".encode("utf-8", "replace")
        for signed in (body, body.replace(b"'", b'"')):
            known = self.venue.keys.check(
                headers.get("poly_api_key", ""),
                headers.get("poly_passphrase", ""),
                headers.get("poly_address", ""),
                headers.get("poly_signature", ""),
                head + signed,
            )
            if known is not None:
                break
        if known is None or not _fresh(timestamp) or (writes and known.readonly):
            raise Refused("Unauthorized/Invalid api key", 401)
        self.venue.open_account(known.address)
        return known


def _fresh(timestamp: str) -> bool:
    """A timestamp in whole seconds; its age is not judged, because the venue's tolerance is unknown."""
    return timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16


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
