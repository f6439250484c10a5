"""Pages of the Data API, newest rows first. Cursors count from the oldest row, so new rows do not shift them."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from simulator.api import formats
from simulator.api.responses import integer
from simulator.engine.refusals import Refused


@dataclass(frozen=True, slots=True)
class Paging:
    """Limit and start of a page of rows."""

    limit: int
    cursor: int | None


def paging_of(request: Request, default: int, most: int) -> Paging:
    """Limit and cursor of a request.

    Raises:
        Refused: if either is not one of ours.
    """
    cursor = request.query_params.get("cursor")
    limit = integer(request, "limit", default, low=1, high=most)
    if not cursor:
        return Paging(limit, None)
    try:
        place, size = base64.urlsafe_b64decode(cursor).decode("ascii").split(":")
        found = Paging(int(size[:8]), int(place[:16]))
    except (ValueError, binascii.Error):
        raise Refused("invalid cursor") from None
    if not (1 <= found.limit <= most and found.cursor is not None and found.cursor >= 0):
        raise Refused("invalid cursor")
    return found


def pagination(limit: int, place: int) -> bytes:
    """The envelope's pagination member; `place` counts the rows before this page from the oldest."""
    cursor = base64.urlsafe_b64encode(f"{place}:{limit}".encode()).decode() if place > 0 else None
    document = {"limit": limit, "offset": 0, "has_more": place > 0, "next_cursor": cursor}
    return b'"pagination":' + formats.encode(document)


def page_of(rows: list[dict[str, Any]], paging: Paging) -> dict[str, Any]:
    """A page of rows that are sorted newest first. The cursor counts from the oldest, so new rows do not shift it."""
    end = len(rows) if paging.cursor is None else min(paging.cursor, len(rows))
    start = max(0, end - paging.limit)
    first = len(rows) - end
    part = rows[first : first + paging.limit]
    cursor = base64.urlsafe_b64encode(f"{start}:{paging.limit}".encode()).decode() if start > 0 else None
    pagination = {"limit": paging.limit, "offset": 0, "has_more": start > 0, "next_cursor": cursor}
    return {"data": part, "pagination": pagination}
