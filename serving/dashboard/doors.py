"""Who may ask the service what: Host, Origin and token of every request, before any route sees it.

A page in the owner's browser can send requests to a port of this machine. What it cannot do is name our Host (DNS
rebinding shows its own name) or hide its Origin. So both are checked on every route, WebSockets too. Routes that change
something also ask for a token as soon as anybody but this machine can reach the service.
"""

import hmac
import ipaddress
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines.core.artifacts import write_secret
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Settings

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
ONLY_COMPUTES: Final = frozenset({"/forecast"})
"""Routes that take POST and change nothing."""

FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
KEPT_IN: Final = "service.token"
"""File in `var` that holds the token where no setting does."""


class Doors:
    """ASGI middleware in front of every route.

    Answers 403 to a foreign Host or Origin and 401 to a change without the token. `token` is asked for when it is
    needed; `open_to_others` says whether other machines can connect.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str] = (),
        token: Callable[[], str],
        open_to_others: Callable[[], bool],
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.strip().lower() for host in hosts if host.strip())
        self._token = token
        self._open_to_others = open_to_others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        status, why = 403, self._foreign(scope, headers)
        if not why and self._changes(scope):
            status, why = 401, self._refused_change(scope, headers)
        if not why:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "forbidden"})
        else:
            asks = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            await JSONResponse({"error": why}, status, asks)(scope, receive, send)

    def _foreign(self, scope: Scope, headers: Headers) -> str:
        """Why a request is not from our own page or a tool; empty when it may be."""
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._known(_name(hosts[0]), scope):
            return "this Host is not one of this service; set ODDSMITH_ALLOWED_HOSTS to the names that are"
        if len(origins) > 1 or any(not self._ours(origin, hosts[0]) for origin in origins):
            return "this Origin is not this service's own page"
        embedded = headers.get("sec-fetch-mode", "navigate") != "navigate" or scope.get("method") not in READING
        if headers.get("sec-fetch-site", "none") == "cross-site" and embedded:
            return "a page of another site asked for this"
        return ""

    def _known(self, name: str, scope: Scope) -> bool:
        """Loopback, the very address that was connected to (health checks), or a name from the settings."""
        if name in self._hosts or name == "localhost":
            return True
        address = _address(name)
        if address is None:
            return False
        return address.is_loopback or address == _address(str((scope.get("server") or ("",))[0]))

    @staticmethod
    def _ours(origin: str, host: str) -> bool:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    @staticmethod
    def _changes(scope: Scope) -> bool:
        return scope["type"] == "http" and scope["method"] not in READING and scope["path"] not in ONLY_COMPUTES

    def _refused_change(self, scope: Scope, headers: Headers) -> str:
        """Why a change is not made; empty when it may be."""
        if self._only_here(scope, headers):
            return ""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        try:
            token = self._token()
        except ArtifactError as error:
            return str(error)
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
            return ""
        return (
            f"send the header `Authorization: Bearer TOKEN`; the token is in {KEPT_IN} of ODDSMITH_VAR, or what "
            "ODDSMITH_SERVICE_TOKEN was set to"
        )

    def _only_here(self, scope: Scope, headers: Headers) -> bool:
        """Whether nobody but this machine can have sent this: nothing listens to others, nothing forwarded it."""
        ends = [scope.get("client"), scope.get("server")]
        local = all(end is None or _loopback(str(end[0])) for end in ends)
        named = _name(headers["host"])
        direct = not any(name in headers for name in FORWARDED) and (named == "localhost" or _loopback(named))
        return local and direct and not self._open_to_others()


def _name(host: str) -> str:
    """The host without its port, in lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _loopback(text: str) -> bool:
    address = _address(text)
    return address is not None and address.is_loopback


def listens_to_others() -> bool:
    """Whether a socket of this process listens on an address that other machines can reach; yes where unknown."""
    try:
        found = psutil.Process().net_connections(kind="inet")
    except psutil.Error:
        return True
    return any(one.status == psutil.CONN_LISTEN and not _loopback(one.laddr.ip) for one in found)


def token(settings: Settings) -> str:
    """The token of the settings, else the one in `var`, made there at the first question; never logged.

    Raises:
        ArtifactError: if the file is empty, or others can read it.
    """
    if settings.service_token is not None:
        return settings.service_token.get_secret_value()
    path: Path = settings.var / KEPT_IN
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(32) + "\n")
    if path.stat().st_mode & 0o077:
        raise ArtifactError(f"{path} can be read by others; delete it, so that a new one is made, or chmod 600")
    text = path.read_text(encoding="utf-8").strip()
    if len(text) < 20:
        raise ArtifactError(f"{path} holds no token of 20 characters; delete it, so that a new one is made")
    return text
