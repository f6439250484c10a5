"""The relayer: it pays the gas of what a smart wallet's owner signed. Redemption, split and merge go through it.

A batch is executed later, one at a time for each wallet; what became of it is asked by its id.
"""

import time
from enum import StrEnum
from typing import Any, Final

import httpx2

from pipelines.core.errors import VenueError, VenueForbidden, VenueUnavailable
from pipelines.core.orders import NotOffered
from pipelines.venue import wallets
from pipelines.venue.contract_calls import Call
from pipelines.venue.relayer_signing import TYPES, BatchSigner

TIMEOUT_S: Final = 10.0

_AGAIN: Final = ("wallet busy", "in-flight action")
"""Words of a refusal that the same batch may overcome a little later."""


class BatchState(StrEnum):
    """What became of a batch."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


_ENDS: Final = {
    "STATE_CONFIRMED": BatchState.DONE, "STATE_FAILED": BatchState.FAILED, "STATE_INVALID": BatchState.FAILED,
}  # fmt: skip


class Relayer:
    """The relayer of one wallet. Blocking.

    Raises:
        NotOffered: for a plain key, which has no relayer, or without a relayer API key; the message says what to do.
    """

    def __init__(
        self,
        url: str,
        private_key: str,
        *,
        signature_type: int,
        wallet: str,
        api_key: str,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        if signature_type not in TYPES:
            raise NotOffered(
                f"the relayer serves no {wallets.NAMES.get(signature_type, 'such wallet')} (signature type "
                f"{signature_type}): the key itself pays gas in POL"
            )
        if not api_key:
            raise NotOffered("ODDSMITH_RELAYER_KEY was empty: the relayer takes no batch without an API key")
        self._signer = BatchSigner(private_key, signature_type, wallet)
        headers = {"RELAYER_API_KEY": api_key, "RELAYER_API_KEY_ADDRESS": self._signer.owner}
        self._http = httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout_s)

    @property
    def wallet_kind(self) -> str:
        """What the relayer calls this wallet: WALLET, SAFE or PROXY."""
        return self._signer.kind

    def submit(self, calls: tuple[Call, ...]) -> str:
        """Sign the calls as one batch and send it once; the id under which it is followed.

        Raises:
            VenueUnavailable: if another batch of the wallet is under way, or the relayer does not answer. After no
                answer the batch may have been taken: look at the balances before it is sent again.
            VenueError: if the relayer refuses it.
        """
        route = "/relay-payload" if self.wallet_kind == "PROXY" else "/v1/account/transactions/params"
        named = self._ask("GET", route, params={"address": self._signer.owner, "type": self.wallet_kind})
        try:
            nonce, relay = str(int(named["nonce"])), str(named["address"])
        except (KeyError, TypeError, ValueError):
            raise VenueError(f"the relayer named no nonce but {str(named)[:100]}; nothing was sent") from None
        answer = self._ask("POST", "/submit", json=self._signer.envelope(calls, nonce, relay, int(time.time())))
        batch_id = answer.get("transactionID") if isinstance(answer, dict) else None
        if not isinstance(batch_id, str):
            raise VenueUnavailable(f"the relayer's answer has no transactionID: {str(answer)[:100]}")
        return batch_id

    def state(self, batch_id: str) -> tuple[BatchState, str]:
        """What became of a batch, and the relayer's words for it.

        Raises:
            VenueError: if it does not answer or knows no such batch.
        """
        row = self._ask("GET", f"/v1/account/transactions/{batch_id}")
        row = row[0] if isinstance(row, list) and row else row
        row = row if isinstance(row, dict) else {}
        words = str(row.get("error_msg") or "")[:200]
        return _ENDS.get(str(row.get("state")), BatchState.PENDING), words

    def _ask(self, method: str, path: str, **sent: Any) -> Any:
        try:
            answer = self._http.request(method, path, **sent)
        except httpx2.TransportError as error:
            raise VenueUnavailable(f"the relayer did not answer ({type(error).__name__}); it is asked again") from None
        said = answer.text[:200]
        if answer.status_code == 403:
            raise VenueForbidden(f"the relayer answered 403: {said}")
        if answer.status_code in (425, 429) or answer.status_code >= 500 or any(word in said for word in _AGAIN):
            raise VenueUnavailable(f"the relayer answered {answer.status_code}: {said}; it is asked again")
        if answer.status_code != 200:
            raise VenueError(f"the relayer answered {answer.status_code}: {said}")
        try:
            return answer.json()
        except ValueError:
            raise VenueUnavailable(f"the relayer's answer is no JSON: {said}") from None
