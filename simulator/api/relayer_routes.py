"""The relayer's routes, under /relayer on the CLOB's port: batches of calls that the owner of a wallet signed.

On the venue they are the host relayer-v2.polymarket.com; paths and bodies are those of polymarket-client.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.api.authentication import Authenticator
from simulator.api.responses import answer, body_json, guarded
from simulator.engine.refusals import Refused
from simulator.signing import wallet_batch
from simulator.signing.recover import BadSignature, signature_bytes
from simulator.signing.wallet_batch import PROXY_FACTORY, Call
from simulator.venue.relayer import Batch, Relayer, Transaction
from simulator.venue.venue import Venue

MAX_CALLS = 50
LONGEST_NUMBER = 30
RELAY = "0x" + "7e" * 20
"""Address of the one relay, which a proxy's owner signs too."""
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


class WireGas(msgspec.Struct, frozen=True):
    """What a Safe or a proxy signed besides its call. Strings, as sent."""

    operation: str = "0"
    gasLimit: str = "0"  # noqa: N815
    relay: str = ""
    relayHub: str = ""  # noqa: N815


class WireBatch(msgspec.Struct, frozen=True):
    """The body of POST /submit: a deposit wallet has `depositWalletParams`, a Safe and a proxy the other fields."""

    type: str
    nonce: str
    signature: str
    to: str
    owner: str = msgspec.field(name="from")
    depositWalletParams: WireParams | None = None  # noqa: N815
    proxyWallet: str = ""  # noqa: N815
    data: str = "0x"
    value: str = "0"
    signatureParams: WireGas = WireGas()  # noqa: N815


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
            ("GET", "/relayer/relay-payload", self.relay_payload),
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

    async def relay_payload(self, request: Request) -> Response:
        """Address of the relay, and the next nonce of an owner: what a proxy's owner signs."""
        await self._check_key(request)
        return answer({"address": RELAY, "nonce": str(self._relayer().nonce(request.query_params.get("address", "")))})

    async def deployed(self, request: Request) -> Response:
        """Whether a wallet is deployed; always true here."""
        return answer({"deployed": True})

    async def submit(self, request: Request) -> Response:
        """Submit a signed batch; it is executed after a delay."""
        try:
            sent = msgspec.convert(await body_json(request, INVALID), WireBatch)
            kind = _KINDS.get(sent.type)
            if kind is None:
                raise Refused(f"type {sent.type[:20]} is not simulated; send {', '.join(_KINDS)}")
            batch = kind(sent)
        except (msgspec.ValidationError, BadSignature, ValueError, OverflowError):
            raise Refused(INVALID) from None
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


def _wallet(sent: WireBatch) -> Batch:
    """A batch of a deposit wallet."""
    params = sent.depositWalletParams
    if params is None or len(params.deadline) > LONGEST_NUMBER:
        raise ValueError(INVALID)
    deadline_s, nonce = int(params.deadline), _number(sent.nonce)
    calls = tuple(Call(call.target, _number(call.value), _data(call.data)) for call in params.calls)
    digest = wallet_batch.batch_digest(params.depositWallet, nonce, deadline_s, calls)
    return _batch(sent, params.depositWallet, calls, digest, deadline_s)


def _safe(sent: WireBatch) -> Batch:
    """A call of a Safe. Its signature names a signed message by 4 more in the last byte."""
    call, operation = Call(sent.to, _number(sent.value), _data(sent.data)), _number(sent.signatureParams.operation)
    digest = wallet_batch.safe_digest(sent.proxyWallet, call, operation, _number(sent.nonce))
    return _batch(sent, sent.proxyWallet, wallet_batch.calls_of_safe(call, operation), digest, None, shift=4)


def _proxy(sent: WireBatch) -> Batch:
    """Calls through the factory of proxies."""
    gas, data = sent.signatureParams, _data(sent.data)
    if sent.to.lower() != PROXY_FACTORY.lower():
        raise ValueError(INVALID)
    nonce, limit = _number(sent.nonce), _number(gas.gasLimit)
    digest = wallet_batch.proxy_digest(sent.owner, data, limit, nonce, gas.relayHub, gas.relay)
    return _batch(sent, sent.proxyWallet, wallet_batch.calls_of_proxy(data), digest, None)


_KINDS: Final[Mapping[str, Callable[[WireBatch], Batch]]] = {"WALLET": _wallet, "SAFE": _safe, "PROXY": _proxy}


def _batch(
    sent: WireBatch, wallet: str, calls: tuple[Call, ...], digest: bytes, deadline_s: int | None, *, shift: int = 0
) -> Batch:
    signature = signature_bytes(sent.signature)
    if len(calls) > MAX_CALLS or (shift and (not signature or signature[-1] < shift)):
        raise ValueError(INVALID)
    signature = signature[:-1] + bytes([signature[-1] - shift]) if shift else signature
    return Batch(sent.owner, wallet, _number(sent.nonce), deadline_s, calls, digest, signature)


def _number(text: str) -> int:
    if len(text) > LONGEST_NUMBER or int(text) < 0:
        raise ValueError(INVALID)
    return int(text)


def _data(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
