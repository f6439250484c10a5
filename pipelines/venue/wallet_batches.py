"""What a wallet has the relayer do: redeem, split and merge, one batch for each purpose at a time."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from pipelines.core.domain import Market, Outcome
from pipelines.core.errors import VenueError
from pipelines.core.orders import NotOffered
from pipelines.core.settings import Mode, Settings
from pipelines.venue import contract_calls
from pipelines.venue.contract_calls import Call
from pipelines.venue.relayer import BatchState, Relayer
from pipelines.venue.relayer_signing import DEADLINE_S

GIVEN_UP_S: Final = DEADLINE_S + 60.0
"""A batch that is not done this long after it was sent has passed its deadline: it is asked for anew."""


class WalletBatches:
    """The relayer of one wallet and the batches under way. Asking again for what is under way sends nothing.

    Methods raise `NotOffered` where there is no relayer for the wallet, `VenueError` where the relayer refused, failed
    or did not answer: asking again is safe, because a batch that was done leaves nothing to do.
    """

    def __init__(self, relayer: Relayer | None, why_not: str = "", now_s: Callable[[], float] = time.monotonic) -> None:
        self._relayer = relayer
        self._why_not = why_not
        self._now_s = now_s
        self._under_way: dict[str, tuple[str, float]] = {}

    @property
    def kind(self) -> str:
        """What the relayer calls the wallet; why there is no relayer, where there is none."""
        return self._relayer.wallet_kind if self._relayer else self._why_not

    @property
    def offered(self) -> bool:
        """Whether the wallet can redeem by itself."""
        return self._relayer is not None

    def redeem(self, market: Market, held_micro: Mapping[Outcome, int]) -> None:
        """Ask for what the held shares of a decided market pay (base units by outcome)."""
        self._ask("redeem", "redeem the shares", market, lambda: contract_calls.redeem(market, held_micro))

    def split(self, market: Market, micro: int) -> None:
        """Turn pUSD into pairs of shares."""
        self._ask("split", f"split {micro / 1e6:g} pUSD", market, lambda: contract_calls.split(market, micro))

    def merge(self, market: Market, micro: int) -> None:
        """Turn pairs of shares into pUSD."""
        self._ask("merge", f"merge {micro / 1e6:g} pairs", market, lambda: contract_calls.merge(market, micro))

    def _ask(self, kind: str, what: str, market: Market, build: Callable[[], tuple[Call, ...]]) -> None:
        purpose, where = f"{kind}/{market.market_id}", "at https://polymarket.com/portfolio"
        if self._relayer is None:
            raise NotOffered(f"{what} of {market.question[:60]!r} ({market.market_id}) {where} ({self._why_not})")
        batch_id, sent_s = self._under_way.pop(purpose, ("", 0.0))
        if batch_id:
            state, words = self._relayer.state(batch_id)
            if state is BatchState.FAILED:
                raise VenueError(f"the relayer's batch {batch_id} failed: {words or 'no reason given'}")
            if state is BatchState.PENDING and self._now_s() < sent_s + GIVEN_UP_S:
                self._under_way[purpose] = (batch_id, sent_s)
            if state is BatchState.DONE or purpose in self._under_way:
                return
        try:
            calls = build()
        except ValueError as error:
            raise NotOffered(f"{what} of {market.market_id!r} {where}: it is no condition id ({error})") from None
        if calls:
            self._under_way[purpose] = (self._relayer.submit(calls), self._now_s())


def of_settings(settings: Settings, private_key: str, signature_type: int, wallet: str) -> WalletBatches:
    """The batches of an account: through the relayer that the settings name, or none with the reason."""
    key = settings.relayer_key.get_secret_value() if settings.relayer_key else ""
    if settings.mode is Mode.SIMULATED:
        key = key or "simulated"
    try:
        url, kind = settings.relayer_address, signature_type
        return WalletBatches(Relayer(url, private_key, signature_type=kind, wallet=wallet, api_key=key))
    except NotOffered as error:
        return WalletBatches(None, str(error))
