"""The relayer's routes, under /relayer on the CLOB's port: batches of calls that the owner of a wallet signed.

On the venue they are the host relayer-v2.polymarket.com; paths and bodies are those of polymarket-client.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.api.authentication import Authenticator
from simulator.api.responses import answer, body_json, guarded
from simulator.engine.refusals import Refused
from simulator.signing.recover import BadSignature, signature_bytes
from simulator.signing.wallet_batch import Call
from simulator.venue.relayer import Batch, Relayer, Transaction
from simulator.venue.venue import Venue

MAX_CALLS = 50
INVALID = "invalid request body"


class WireCall(msgspec.Struct, frozen=True):
    """A call of a contract, as sent."""

    target: str
    value: str
    data: str


class WireParams(msgspec.Struct, frozen=True):
    """The fields that the wallet's owner signed, except the nonce."""

    depositWallet: str  # noqa: N815 - the venue's name
    deadline: str
    calls: list[WireCall]


class WireBatch(msgspec.Struct, frozen=True):
    """The body of POST /submit for a deposit wallet."""

    type: str
    nonce: str
    signature: str
    depositWalletParams: WireParams  # noqa: N815
    owner: str = msgspec.field(name="from")


class RelayerRoutes:
    """Routes that submit batches and read their state."""

    def __init__(self, venue: Callable[[], Venue], relayer: Callable[[], Relayer]):
        self._venue = venue
        self._relayer = relayer

    def routes(self) -> list[BaseRoute]:
        """The routes of this part, with their handlers."""
        table: list[tuple[str, str, Any]] = [
            ("POST", "/relayer/submit", self.submit),
            ("GET", "/relayer/v1/account/transactions/params", self.params),
            ("GET", "/relayer/v1/account/transactions/{transaction_id}", self.transaction),
            ("GET", "/relayer/deployed", self.deployed),
        ]
        return [Route(path, guarded(handler), methods=[method]) for method, path, handler in table]

    async def _check_key(self, request: Request, owner: str | None = None) -> None:
        """A relayer key of the caller, or a builder key.

        Raises:
            Refused: 401.
        """
        if request.headers.get("poly_builder_api_key"):
            await Authenticator(self._venue()).builder(request)
            return
        address = request.headers.get("relayer_api_key_address", "")
        if not request.headers.get("relayer_api_key") or (owner and address.lower() != owner.lower()):
            raise Refused("unauthorized: send RELAYER_API_KEY and the RELAYER_API_KEY_ADDRESS of the signer", 401)

    async def params(self, request: Request) -> Response:
        """Address and next nonce of an owner."""
        await self._check_key(request)
        address = request.query_params.get("address", "")
        return answer({"address": address, "nonce": str(self._relayer().nonce(address))})

    async def deployed(self, request: Request) -> Response:
        """Whether a wallet is deployed; always true here."""
        return answer({"deployed": True})

    async def submit(self, request: Request) -> Response:
        """Submit a signed batch; it is executed after a delay."""
        try:
            sent = msgspec.convert(await body_json(request, INVALID), WireBatch)
            batch = _batch(sent)
        except (msgspec.ValidationError, BadSignature, ValueError):
            raise Refused(INVALID) from None
        if sent.type != "WALLET":
            raise Refused(f"type {sent.type[:20]} is not simulated; send WALLET")
        await self._check_key(request, sent.owner)
        made = self._relayer().submit(batch)
        return answer({"transactionID": made.transaction_id, "transactionHash": made.hash, "state": made.state.value})

    async def transaction(self, request: Request) -> Response:
        """State of a batch."""
        await self._check_key(request)
        made = self._relayer().transactions.get(request.path_params["transaction_id"])
        if made is None:
            raise Refused("transaction not found", 404)
        return answer(_row(made))


def _row(made: Transaction) -> dict[str, Any]:
    return {
        "transaction_id": made.transaction_id,
        "transaction_hash": made.hash,
        "state": made.state.value,
        "error_msg": made.error or None,
    }


def _batch(sent: WireBatch) -> Batch:
    params = sent.depositWalletParams
    if len(params.calls) > MAX_CALLS or len(sent.nonce) > 30 or len(params.deadline) > 30:
        raise ValueError(INVALID)
    return Batch(
        owner=sent.owner,
        wallet=params.depositWallet,
        nonce=int(sent.nonce),
        deadline_s=int(params.deadline),
        calls=tuple(
            Call(call.target, int(call.value[:30]), bytes.fromhex(call.data.removeprefix("0x")))
            for call in params.calls
        ),
        signature=signature_bytes(sent.signature),
    )
