"""What people ask while the bot trades, done between two bars: pause and resume, closes, the limits of params.yaml.

A request is a row of the journal (`serving.account.requests`). Its answer is one too, with who asked and when.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipelines.core import log, params
from pipelines.core.domain import Market, Position
from pipelines.core.errors import ParameterError
from pipelines.core.params import Params
from pipelines.trading.kernel import sellable_micro
from serving.account import requests
from serving.account.journal import Journal, Request
from serving.account.trading_account import TradingAccount

LIVE_SECTIONS = ("risk", "markets")
"""Sections of params.yaml that a bot takes over while it runs; all others need a restart."""

SHOWN = 20
"""Newest requests that the state shows."""

_log = log.get("controls")


class Controls:
    """Answers requests of one account. `paused` and `closing` are what the next decisions obey.

    `tell` is called with a line for people for every change. All but `state` block and run in the account's thread.
    """

    def __init__(self, journal: Journal, now: Params, file: Callable[[], Path], tell: Callable[[str], None]) -> None:
        self._journal = journal
        self._params = now
        self._file = file
        self._tell = tell
        self._newest: list[Request] = []
        self._pause: Request | None = None
        self._limits: dict[str, Any] | None = None
        self.closing: frozenset[str] = frozenset()
        """Ids of markets whose positions are sold because somebody asked for it."""

    @property
    def paused(self) -> bool:
        """Whether nothing may be opened because somebody asked for it."""
        return self._pause is not None and self._pause.kind == requests.PAUSE

    @property
    def asked(self) -> bool:
        """Whether something was asked that has no answer yet."""
        return self._journal.asks(requests.CONTROLS)

    def apply(self, account: TradingAccount) -> Params | None:
        """Answer what was asked since the last bar; the parameters to go on with where their limits changed."""
        fresh = self._params
        held = account.accounting.positions
        for one in self._journal.requests(requests.CONTROLS):
            text, fresh = self._answer(one, account, held, fresh)
            self._finish(one, text)
        self._follow_closing(held, account.accounting.markets)
        self._remember()
        changed, self._params = fresh is not self._params, fresh
        return fresh if changed else None

    def _answer(
        self, one: Request, account: TradingAccount, held: Mapping[str, Position], now: Params
    ) -> tuple[str, Params]:
        if one.kind == requests.RELOAD:
            return self._reload(one, now)
        if one.kind == requests.CLOSE:
            return self._close(one, held, account.accounting.markets), now
        account.execution.cancel_buys()
        paused = one.kind == requests.PAUSE
        return "entries are paused: nothing is opened, exits go on" if paused else "entries are allowed again", now

    def _finish(self, one: Request, text: str) -> None:
        line = f"{one.kind} of {one.asked_by}: {text}"
        self._journal.finish_request(one.number, text)
        self._journal.note(one.kind, line)
        self._tell(line)
        _log.warning("asked", kind=one.kind, by=one.asked_by, answer=text)

    # Closes

    def _close(self, one: Request, held: Mapping[str, Position], markets: Mapping[str, Market]) -> str:
        wanted = one.argument.strip()
        found = [name for name in held if not wanted or _names(wanted, name, markets.get(name))]
        if not held:
            return f"{requests.REFUSED}nothing is held"
        if not found:
            known = "; ".join(_title(name, markets) for name in sorted(held))
            return f"{requests.REFUSED}no position matches {wanted!r}; held are {known}"
        if wanted and len(found) > 1 and wanted not in found:
            return f"{requests.REFUSED}{wanted!r} matches {'; '.join(_title(name, markets) for name in sorted(found))}"
        found = [wanted] if wanted in found else sorted(found)
        waiting = {row.argument for row in self._journal.requests((requests.CLOSING,))}
        for name in found:
            if name not in waiting:
                self._journal.add_request(requests.CLOSING, one.asked_by, name)
        return f"closing {'; '.join(_title(name, markets) for name in found)}"

    def _follow_closing(self, held: Mapping[str, Position], markets: Mapping[str, Market]) -> None:
        """A close is over when nothing is held, or only what is too little for any order."""
        waiting = []
        for one in self._journal.requests((requests.CLOSING,)):
            position = held.get(one.argument)
            if position is None:
                self._finish(one, f"closed: {_title(one.argument, markets)}")
            elif sellable_micro(position.shares_micro) == 0:
                self._finish(one, f"what is left is too little to sell: {_title(one.argument, markets)}")
            else:
                waiting.append(one.argument)
        self.closing = frozenset(waiting)

    # Limits

    def _reload(self, one: Request, now: Params) -> tuple[str, Params]:
        path = self._file()
        try:
            read = params.read(path)
        except ParameterError as error:
            self._limits = {"refused": str(error), "changed": [], "needs_restart": []}
            return f"{requests.REFUSED}{error}; all limits stay as they were", now
        changed = changes(now, read, LIVE_SECTIONS)
        restart = [row["key"] for row in changes(now, read) if row["key"].partition(".")[0] not in LIVE_SECTIONS]
        self._limits = {"refused": "", "changed": changed, "needs_restart": restart}
        said = ", ".join(f"{row['key']} {row['old']} -> {row['new']}" for row in changed)
        text = f"taken from {path.name}: {said}" if changed else f"{path.name} has the limits that hold already"
        if restart:
            text += f"; {', '.join(restart)} need a restart"
        if not changed:
            return text, now
        # A new session of the journal: its bars are decided, and replayed, under the new limits.
        self._journal.renew()
        return text, now.model_copy(update={name: getattr(read, name) for name in LIVE_SECTIONS})

    # What is shown

    def _remember(self) -> None:
        self._newest = self._journal.newest_requests(SHOWN)
        self._pause = self._journal.last_request((requests.PAUSE, requests.RESUME))

    def state(self) -> dict[str, Any]:
        """Who asked for what, when, and what became of it; JSON."""
        pause = self._pause
        return {
            "paused": self.paused,
            "paused_by": pause.asked_by if pause is not None and self.paused else None,
            "paused_ms": pause.asked_ms if pause is not None and self.paused else None,
            "closing": sorted(self.closing),
            "limits": self._limits_state(),
            "requests": [one._asdict() for one in self._newest],
        }

    def _limits_state(self) -> dict[str, Any]:
        """The limits of now, and the last request to change them."""
        values = {name: getattr(self._params, name).model_dump(mode="json") for name in LIVE_SECTIONS}
        last = next((one for one in self._newest if one.kind == requests.RELOAD and one.done_ms), None)
        asked = {"by": last.asked_by, "at_ms": last.done_ms, "text": last.text} if last is not None else {}
        return values | {"last_reload": (asked | (self._limits or {})) if asked else None}


def changes(before: Params, after: Params, sections: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Numbers that differ, as {key, old, new}, of some sections or of all."""
    old, new = before.model_dump(mode="json", by_alias=True), after.model_dump(mode="json", by_alias=True)
    return [
        {"key": f"{section}.{key}", "old": old[section].get(key), "new": new[section].get(key)}
        for section in sections or new
        for key in dict.fromkeys([*old[section], *new[section]])
        if old[section].get(key) != new[section].get(key)
    ]


def _names(wanted: str, market_id: str, market: Market | None) -> bool:
    """Whether what a person wrote means a market: the beginning of its id, or words of its question."""
    if market_id.startswith(wanted):
        return True
    return market is not None and wanted.casefold() in market.question.casefold()


def _title(market_id: str, markets: Mapping[str, Market]) -> str:
    market = markets.get(market_id)
    return f"{market_id[:12]} {market.question[:80]}" if market is not None else market_id
