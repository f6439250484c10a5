"""Faults of Gamma and the Data API, as an ASGI layer that changes their answers."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, Response

from simulator.api.asgi import App, Receive, Scope, Send
from simulator.api.fault_layer import retired
from simulator.api.responses import answer, decode
from simulator.faults import record_faults
from simulator.faults.state import Faults

BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502</h1></center></body></html>"
LISTS = {"/markets": "markets", "/markets/keyset": "markets", "/events": "events", "/events/keyset": "events"}
HISTORIES = ("/v2/prices-history", "/v2/trades", "/prices-history")
GAMMA = ("gamma_odd", "gamma_empty", "gamma_duplicates", "gamma_cursor")
DATA = ("history_cursor", "history_overlap", "history_nulls")
ERRORS = {"gamma": "gamma_error", "data": "data_error"}


class RecordLayer:
    """Changes the answers of one host (`gamma`, `data` or `clob`). Without faults it costs one attribute look-up."""

    def __init__(self, app: App, faults: Faults, host: str):
        self.app = app
        self.faults = faults
        self.host = host
        self._last: dict[str, list[Any]] = {}
        """Rows of the previous page, by path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self.host != "clob":
            self.faults.advance()  # on the CLOB, `FaultLayer` does this
        if scope["type"] != "http" or not self.faults.active:
            await self.app(scope, receive, send)
            return
        refused = self._refused(scope["path"])
        if refused is not None:
            await refused(scope, receive, send)
            return
        changes = self._changes(scope["path"])
        if changes is None:
            await self.app(scope, receive, send)
            return
        response = await self._changed(scope, receive, changes)
        await response(scope, receive, send)

    def _refused(self, path: str) -> Response | None:
        error = ERRORS.get(self.host)
        if error and self.faults.strikes(error):
            return HTMLResponse(BAD_GATEWAY, 502)
        return retired(self.faults, path) if self.host != "clob" else None

    def _changes(self, path: str) -> "Callable[[Any, str, str], Any] | None":
        kinds = {fault.kind for fault in self.faults.active}
        if self.host == "gamma" and path in LISTS and kinds & set(GAMMA):
            return self._listing
        if self.host != "gamma" and path in HISTORIES and kinds & set(DATA):
            return self._history
        return None

    async def _changed(self, scope: Scope, receive: Receive, changes: Callable[[Any, str, str], Any]) -> Response:
        status, parts = 200, []

        async def keep(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        await self.app(scope, receive, keep)
        content = b"".join(parts)
        if status != 200:
            return Response(content, status, media_type="application/json")
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        asked = (query.get("after_cursor") or query.get("cursor") or [""])[0]
        return answer(changes(decode(content), scope["path"], asked))

    # -- Gamma

    def _listing(self, document: Any, path: str, asked: str) -> Any:
        name = LISTS[path]
        if self.faults.strikes("gamma_empty"):
            return [] if isinstance(document, list) else {name: []}
        rows = document if isinstance(document, list) else document[name]
        whole = document if isinstance(document, dict) else None
        if whole is not None and self.faults.strikes("gamma_cursor"):
            whole = record_faults.forever(whole, asked)
        odd = next((f for f in self.faults.active if f.kind == "gamma_odd"), None)
        if odd:
            change = record_faults.odd_markets if name == "markets" else record_faults.odd_events
            rows = change(rows, self.faults.seed, odd.probability, odd.words.get("record", ""))
        if self.faults.strikes("gamma_duplicates"):
            rows = self._last.get(path, []) + rows + rows[:1]
            self._last[path] = rows[-2:]
        return rows if whole is None else {**whole, name: rows}

    # -- Data API

    def _history(self, document: Any, path: str, asked: str) -> Any:
        key = "history" if path == "/prices-history" else "data"
        rows = document[key]
        overlap = self.faults.strikes("history_overlap")
        if overlap:
            rows = (self._last.get(path, []) if asked else []) + rows
            self._last[path] = rows[-int(overlap.number("rows", 5)) :]
        nulls = next((f for f in self.faults.active if f.kind == "history_nulls"), None)
        if nulls:
            rows = record_faults.null_rows(rows, self.faults.seed, nulls.probability)
        made = {**document, key: rows}
        endless = key == "data" and self.faults.strikes("history_cursor")
        return record_faults.endless(made, asked) if endless else made
