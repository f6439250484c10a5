"""InfluxDB line protocol, for those who keep Influx: one line per bar and per headline, times in nanoseconds.

    oddsmith_bar,event_id=cup,market_id=0xab,topic=sports mid=0.5,volume=1.5,trades=3i,filled=false 1767225660000000000
    oddsmith_headline,headline_id=92-1,market_id=0xab sentiment=0.44,text="Good news" 1767225660000000000

A spread that was not observed, or a headline that was not scored, has no field, as the protocol wants it.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import httpx2

from pipelines.core.errors import VenueUnavailable
from pipelines.export import series

_ROWS: Final = 50_000
_LINES_PER_REQUEST: Final = 5_000


def _tag(column: str) -> str:
    """SQL of a tag value: commas, equals signs, spaces and backslashes escaped."""
    escaped = f"replace({column}, '\\', '\\\\')"
    for sign in (",", "=", " "):
        escaped = f"replace({escaped}, '{sign}', '\\{sign}')"
    return escaped


_BARS: Final = f"""
    SELECT 'oddsmith_bar,event_id=' || {_tag("m.event_id")} || ',market_id=' || {_tag("b.market_id")}
           || ',topic=' || {_tag("m.topic")} || ' mid=' || CAST(b.mid_units / 10000.0 AS VARCHAR)
           || ',volume=' || CAST(b.volume_micro / 1000000.0 AS VARCHAR) || ',trades=' || b.n_trades || 'i'
           || CASE WHEN b.spread_observed THEN ',spread=' || CAST(b.spread_units / 10000.0 AS VARCHAR) ELSE '' END
           || ',filled=' || CAST(b.filled AS VARCHAR) || ' ' || CAST(b.ts_s AS VARCHAR) || '000000000'
    FROM bars b JOIN markets m USING (market_id) ORDER BY b.market_id, b.ts_s
"""  # noqa: S608 - our own columns

_HEADLINES: Final = f"""
    SELECT 'oddsmith_headline,headline_id=' || {_tag("h.headline_id")} || ',market_id=' || {_tag("h.market_id")} || ' '
           || CASE WHEN isnan(h.sentiment) THEN ''
                   ELSE coalesce('sentiment=' || CAST(h.sentiment AS VARCHAR) || ',', '') END
           || 'text="' || replace(replace(replace(h.text, '\\', '\\\\'), '"', '\\"'), chr(10), ' ')
           || '" ' || CAST(h.known_s AS VARCHAR) || '000000000'
    FROM (SELECT * EXCLUDE (market_ids), unnest(market_ids) AS market_id FROM headlines) h
    ORDER BY h.known_s, h.headline_id, h.market_id
"""  # noqa: S608 - our own columns


def lines(folder: Path) -> Iterator[str]:
    """Lines of all bars and headlines of a folder like data/raw, read as they are asked for."""
    with series.connect(folder) as db:
        found = {
            str(row[0]) for row in db.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        }
        for query in (_BARS, _HEADLINES) if "headlines" in found else (_BARS,):
            result = db.execute(query)
            while rows := result.fetchmany(_ROWS):
                yield from chain.from_iterable(rows)


def send(found: Iterable[str], url: str, token: str | None, transport: httpx2.BaseTransport | None = None) -> int:
    """Write lines to an Influx server (`/write?db=...` or `/api/v2/write?...`); the number of lines.

    Raises:
        VenueUnavailable: if the server does not answer or refuses; sending all of it again does no harm.
    """
    headers = {"Authorization": f"Token {token}"} if token else {}
    count, batch = 0, list[str]()
    with httpx2.Client(timeout=30.0, transport=transport, headers=headers) as client:
        for line in chain(found, [None]):
            if line is not None:
                batch.append(line)
            if batch and (line is None or len(batch) == _LINES_PER_REQUEST):
                _post(client, url, batch)
                count += len(batch)
                batch = []
    return count


def _post(client: httpx2.Client, url: str, batch: list[str]) -> None:
    try:
        response = client.post(url, content="\n".join(batch).encode())
    except httpx2.TransportError as error:
        raise VenueUnavailable(f"the Influx server at {url} did not answer ({error}); is it running?") from None
    if response.status_code not in (200, 204):
        raise VenueUnavailable(f"the Influx server at {url} answered {response.status_code}: {response.text[:200]}")
