"""What the live process tells people: which event is which kind of message, and to which page it leads."""

from collections.abc import Iterable
from typing import Final

from pipelines.core.domain import Market, Side
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.messages.message import Kind
from pipelines.messages.messenger import Messenger
from pipelines.trading.risk import STOP_REASONS, Reason
from serving.account.journal import BookedFill, is_own_booking

OF_ALARM: Final = {
    "ledger": Kind.LEDGER,
    "breaker": Kind.LIMIT,
    "watch": Kind.LIMIT,
    "forbidden": Kind.LIMIT,
    "rows": Kind.NOTICE,
    "messages": Kind.NOTICE,
    "dropped": Kind.NOTICE,
    "account": Kind.NOTICE,
    "reconciled": Kind.NOTICE,
    "user": Kind.NOTICE,
}
"""Alarm of the dashboard -> kind of the message; every other alarm is a trouble."""

LIMITS: Final = frozenset({Reason.DAILY_LOSS, Reason.DRAWDOWN})
"""Refusals that a person is told of: the account has reached a limit of its losses."""


class Announcer:
    """Speaks for the bot. Every method returns at once and raises nothing."""

    def __init__(self, messenger: Messenger | None = None) -> None:
        self._messenger = messenger or Messenger()
        self._limits: set[tuple[str, int]] = set()

    def started(self, mode: str, address: str, equity_micro: int) -> None:
        """The bot trades an account from now on."""
        self._messenger.say(Kind.START, f"mode {mode}, account {address}, equity {equity_micro / MICRO:,.2f} pUSD")

    def stopped(self, text: str) -> None:
        """The bot ends in order."""
        self._messenger.say(Kind.STOP, text)

    def alarm(self, kind: str, text: str) -> None:
        """A trouble that was not there before is shown now."""
        self._messenger.say(OF_ALARM.get(kind, Kind.TROUBLE), text, key=kind)

    def killed(self, on: bool) -> None:
        """The kill switch was turned on or off."""
        does = "on: nothing is opened, what is held is closed" if on else "off: the bot trades again"
        self._messenger.say(Kind.KILL, does)

    def model(self, text: str) -> None:
        """Another bundle decides from now on."""
        self._messenger.say(Kind.MODEL, text)

    def refused(self, reason: Reason, detail: str, day: int) -> None:
        """A decision was refused; limits of losses are told once a market day."""
        if reason in LIMITS and (reason, day) not in self._limits:
            self._limits.add((reason, day))
            self._messenger.say(Kind.LIMIT, f"{reason.value.replace('_', ' ')}: {detail}")

    def fills(self, booked: Iterable[tuple[BookedFill, Market | None]]) -> None:
        """Trades that are new in the books, oldest first."""
        for one, market in booked:
            if is_own_booking(one.fill.fill_id):
                continue
            fill, question = one.fill, market.question if market else one.fill.market_id
            verb = "bought" if fill.side is Side.BUY else "sold"
            shares, price = fill.shares_micro / MICRO, fill.price_units / PRICE_SCALE
            why = f" ({one.reason.replace('_', ' ')})" if one.reason not in ("", "enter", "exit", "quote") else ""
            text = f"{verb} {shares:,.2f} {fill.outcome} at {price:.4g}{why}: {question}"
            kind = Kind.EXIT if one.reason in STOP_REASONS[1:] else Kind.FILL
            self._messenger.say(kind, text, page=f"/market/{fill.market_id}")

    def settled(self, market: Market, received_micro: int) -> None:
        """A market was decided and its payout booked."""
        text = f"{market.question}: {received_micro / MICRO:,.2f} pUSD came in"
        self._messenger.say(Kind.SETTLED, text, page=f"/market/{market.market_id}")

    def changed(self, text: str) -> None:
        """A person changed something while the bot trades."""
        self._messenger.say(Kind.CHANGE, text)

    def close(self, limit_s: float) -> None:
        """Send what waits."""
        self._messenger.close(limit_s)
