"""Between two bars: quotes of a maker are taken back when book or reference price turn against them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pipelines.core import log
from pipelines.core.domain import Market
from pipelines.core.errors import VenueError, VenueForbidden
from pipelines.decide import QUOTE, Account, Inputs, takes_back
from serving import metrics
from serving.account.journal import OrderRow
from serving.account.trading_account import TradingAccount
from serving.loaded_model import LoadedModel, Turn
from serving.market.feed import Feed
from serving.threads import Threads

LOOK_S = 0.02
"""Wall seconds between two looks at what rests, as often as the feed looks at its clock."""

ASK_AGAIN_S: Final = 1.0
"""Wall seconds after which a quote that was to be cancelled and still rests is cancelled again."""

_log = log.get("quotes")

Implied = Callable[[Market, int], tuple[float | None, float | None]]


class QuoteWatch:
    """Watches the quotes of one account. `decided` is the newest turn with the account that it saw, and `implied` what
    the reference price implies at a market time in ms (`References.now`)."""

    def __init__(
        self,
        account: TradingAccount,
        feed: Feed,
        implied: Implied,
        decided: Callable[[], tuple[Turn, Account] | None],
        model: Callable[[], LoadedModel | None],
        threads: Threads,
    ) -> None:
        self._account = account
        self._feed = feed
        self._implied = implied
        self._decided = decided
        self._model = model
        self._threads = threads
        self._asked: dict[str, float] = {}

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            VenueForbidden: if the venue answers 403.
        """
        while True:
            await asyncio.sleep(LOOK_S)
            turned = self.turned()
            if turned:
                await self._cancel(turned)

    def turned(self) -> list[str]:
        """Ids of the quotes that are to be taken back now."""
        model, decided = self._model(), self._decided()
        if model is None or decided is None or not model.rules.makes:
            return []
        (turn, seen), now = decided, time.monotonic()
        pending = {row.order_id: row for row in self._account.execution.pending}
        self._asked = {key: at for key, at in self._asked.items() if key in pending and now - at < ASK_AGAIN_S}
        resting = [row for row in pending.values() if row.reason == QUOTE and row.order_id not in self._asked]
        if not resting:
            return []
        known = {one.market.market_id: one for one in turn.inputs}
        account = replace(seen, positions=self._account.accounting.positions)
        return [
            row.order_id
            for row in resting
            if row.market_id in known and self._turned(row, known[row.market_id], account, model)
        ]

    def _turned(self, row: OrderRow, decided: Inputs, account: Account, model: LoadedModel) -> bool:
        newest = self._newest(decided)
        return newest is not None and takes_back(newest, account, model.rules, row.outcome, row.side)

    def _newest(self, decided: Inputs) -> Inputs | None:
        """What was decided on, with the newest book and reference price; None for a market that nobody follows."""
        one, market_ms = self._feed.followed.get(decided.market.market_id), self._feed.market_ms
        if one is None or one.quote is None or one.mid_units is None or market_ms is None:
            return None
        fair, before = self._implied(decided.market, market_ms)
        bar = replace(decided.bar, ts_s=max(decided.bar.ts_s, market_ms // 1_000), mid_units=one.mid_units)
        return replace(decided, bar=bar, quote=one.quote, fair=fair, fair_before=before, reference_units=0)

    async def _cancel(self, order_ids: list[str]) -> None:
        self._asked |= dict.fromkeys(order_ids, time.monotonic())
        try:
            done = await self._threads.in_account_thread(self._account.execution.cancel, order_ids)
        except VenueForbidden:
            raise
        except VenueError as error:
            metrics.API_ERRORS.labels("quotes").inc()
            _log.warning("quotes were not taken back", error=str(error))
            return
        metrics.QUOTES_TAKEN_BACK.inc(done)
