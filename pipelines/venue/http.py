"""JSON over HTTP with the venue's manners: paced, retried where a repeat is safe, stopped where it forbids us."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import stamina
from aiolimiter import AsyncLimiter

from pipelines.core.errors import VenueError, VenueForbidden, VenueUnavailable
from pipelines.venue import json_text
from pipelines.venue.network import NETWORK

T = TypeVar("T")

_RETRIED = frozenset({425, 429, 500, 502, 503, 504})
"""Statuses after which the same read may succeed: engine restart, rate limit, server trouble."""
_LONGEST_WAIT_S = 30.0
_NO_LIMIT_PER_10_S = 1e9
"""Of a venue on loopback. Finite: the limiter multiplies it with elapsed time, which is 0 on uvloop's coarse clock."""


class _Wait(VenueUnavailable):
    """A status that asks for patience, with the seconds the venue named."""

    def __init__(self, message: str, after_s: float | None) -> None:
        super().__init__(message)
        self.after_s = after_s


def _when_to_retry(error: Exception) -> bool | float:
    if isinstance(error, _Wait):
        return True if error.after_s is None else min(error.after_s, _LONGEST_WAIT_S)
    return isinstance(error, httpx2.TransportError)


class VenueHttp:
    """An asynchronous client of one host. Reads are idempotent, so they are retried; writes never pass through here.

    `per_10_s` is the venue's published limit for the routes asked (polymarket-api 1.7), kept with a margin of a tenth;
    a venue on loopback has none.
    """

    def __init__(
        self,
        base_url: str,
        *,
        per_10_s: float = 1_000.0,
        attempts: int = 6,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._attempts = attempts
        pace = _NO_LIMIT_PER_10_S if _is_loopback(base_url) else per_10_s * 0.9
        self._limiter = AsyncLimiter(max(pace / 100.0, 1.0), 0.1)
        self._client = NETWORK.get().client(base_url, transport)

    async def __aenter__(self) -> "VenueHttp":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str, kind: type[T], params: Mapping[str, Any] | None = None) -> T:
        """Parsed JSON of a GET.

        Raises:
            VenueForbidden: 403, as JSON or as a page: the region or the address is blocked.
            VenueUnavailable: the host did not answer in several attempts.
            VenueError: any other refusal, or an answer of an unknown shape.
        """
        return await self._read("GET", path, kind, params=params)

    async def query(self, path: str, kind: type[T], body: Any) -> T:
        """Parsed JSON of a POST that only reads (`/books`); errors as in `get`."""
        return await self._read("POST", path, kind, body=body)

    async def _read(
        self, method: str, path: str, kind: type[T], *, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> T:
        try:
            async for attempt in stamina.retry_context(
                on=_when_to_retry, attempts=self._attempts, timeout=120.0, wait_initial=0.2, wait_max=10.0
            ):
                with attempt:
                    async with self._limiter:
                        response = await self._client.request(method, path, params=params, json=body)
                    _refuse(response)
        except httpx2.TransportError as error:
            where = f"{str(self._client.base_url).rstrip('/')}/{path.lstrip('/')}"
            raise VenueUnavailable(f"{where} did not answer ({type(error).__name__}: {error}); {hint(where)}") from None
        return _decode(response, kind)


def hint(url: str) -> str:
    """What to look at when an address does not answer: a process of this machine, or the way to a public site."""
    return "is it running?" if _is_loopback(url) else "is this machine online, and does the site answer a browser?"


def _is_loopback(url: str) -> bool:
    return (urlsplit(url).hostname or "") in ("127.0.0.1", "localhost", "::1")


def _refuse(response: httpx2.Response) -> None:
    """Raise the error that a status means."""
    if response.status_code == 200:
        return
    said = f"{response.request.url} answered {response.status_code}: {response.text[:200].strip()}"
    if response.status_code == 403:
        raise VenueForbidden(f"{said}; the venue blocks this region or address, nothing here works around it")
    if response.status_code in _RETRIED:
        after = response.headers.get("retry-after", "")
        raise _Wait(said, float(after) if after.replace(".", "", 1).isdigit() else None)
    raise VenueError(said)


def _decode(response: httpx2.Response, kind: type[T]) -> T:
    try:
        return json_text.read(response.content, kind)
    except ValueError as error:
        raise VenueError(f"{response.request.url} answered in an unknown shape: {error}") from None
