"""Batches of contract calls, signed for the relayer by the owner of a wallet: one envelope for each kind of wallet.

Typed data, hashes and fields are those of polymarket-client 0.14; golden signatures of that library hold them.
"""

from typing import Any, Final

from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct, encode_typed_data
from eth_utils.crypto import keccak

from pipelines.venue import contract_calls, wallets
from pipelines.venue.contract_calls import Call
from pipelines.venue.signing import CHAIN_ID

TYPES: Final = {wallets.PROXY: "PROXY", wallets.SAFE: "SAFE", wallets.DEPOSIT: "WALLET"}
"""What the relayer calls a wallet, by signature type. A plain key (type 0) has none: it pays its own gas."""

RELAY_HUB: Final = "0xD216153c06E857cD7f72665E0aF1d7D82172F494"
PROXY_GAS: Final = "200000"
"""Gas limit of a proxy's batch where nobody estimates it; the library's own value for that case."""

DEADLINE_S: Final = 600
_ZERO: Final = "0x" + "0" * 40

_DOMAIN_FIELDS: Final = {
    "name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address",
}  # fmt: skip
_BATCH_FIELDS: Final = {"wallet": "address", "nonce": "uint256", "deadline": "uint256", "calls": "Call[]"}
_CALL_FIELDS: Final = {"target": "address", "value": "uint256", "data": "bytes"}
_SAFE_FIELDS: Final = {
    "to": "address", "value": "uint256", "data": "bytes", "operation": "uint8", "safeTxGas": "uint256",
    "baseGas": "uint256", "gasPrice": "uint256", "gasToken": "address", "refundReceiver": "address",
    "nonce": "uint256",
}  # fmt: skip


class BatchSigner:
    """Signs batches of one wallet. Pure: no network."""

    def __init__(self, private_key: str, signature_type: int, wallet: str) -> None:
        self._account = Account.from_key(private_key)
        self.owner: str = self._account.address
        self.kind = TYPES[signature_type]
        self.wallet = wallet

    def envelope(self, calls: tuple[Call, ...], nonce: str, relay: str, now_s: int) -> dict[str, Any]:
        """Body of POST /submit. `nonce` and `relay` are what the relayer named; `relay` matters to proxies alone."""
        if self.kind == "WALLET":
            return self._wallet(calls, nonce, now_s + DEADLINE_S)
        return self._safe(calls, nonce) if self.kind == "SAFE" else self._proxy(calls, nonce, relay)

    def _sent(self, to: str, nonce: str, signature: str, **more: Any) -> dict[str, Any]:
        return {
            "type": self.kind,
            "from": self.owner,
            "to": to,
            "nonce": nonce,
            "signature": signature,
            "metadata": "",
        } | more

    def _wallet(self, calls: tuple[Call, ...], nonce: str, deadline_s: int) -> dict[str, Any]:
        message = {
            "wallet": self.wallet,
            "nonce": int(nonce),
            "deadline": deadline_s,
            "calls": [{"target": call.target, "value": 0, "data": call.data} for call in calls],
        }
        domain = {"name": "DepositWallet", "version": "1", "chainId": CHAIN_ID, "verifyingContract": self.wallet}
        typed = _typed(domain, _DOMAIN_FIELDS, "Batch", message, Batch=_BATCH_FIELDS, Call=_CALL_FIELDS)
        parameters = {
            "depositWallet": self.wallet,
            "deadline": str(deadline_s),
            "calls": [{"target": call.target, "value": "0", "data": _hex(call.data)} for call in calls],
        }
        return self._sent(wallets.DEPOSIT_FACTORY, nonce, self._sign(typed), depositWalletParams=parameters)

    def _safe(self, calls: tuple[Call, ...], nonce: str) -> dict[str, Any]:
        """One call is made as it is; several are one call of the multisend contract, in the Safe's name."""
        several = len(calls) > 1
        to, data = (contract_calls.MULTISEND, contract_calls.multisend(calls)) if several else _parts(calls[0])
        message = {
            "to": to, "value": 0, "data": data, "operation": int(several), "safeTxGas": 0, "baseGas": 0, "gasPrice": 0,
            "gasToken": _ZERO, "refundReceiver": _ZERO, "nonce": int(nonce),
        }  # fmt: skip
        domain = {"chainId": CHAIN_ID, "verifyingContract": self.wallet}
        fields = {name: _DOMAIN_FIELDS[name] for name in domain}
        typed = _typed(domain, fields, "SafeTx", message, SafeTx=_SAFE_FIELDS)
        digest = keccak(b"\x19" + typed.version + typed.header + typed.body)
        plain = self._sign(encode_defunct(primitive=digest))
        signature = f"{plain[:-2]}{int(plain[-2:], 16) + 4:02x}"  # a Safe reads v + 4 as a signed message
        parameters = {
            "baseGas": "0", "gasPrice": "0", "gasToken": _ZERO, "operation": str(int(several)),
            "refundReceiver": _ZERO, "safeTxnGas": "0",
        }  # fmt: skip
        return self._sent(to, nonce, signature, proxyWallet=self.wallet, data=_hex(data), signatureParams=parameters)

    def _proxy(self, calls: tuple[Call, ...], nonce: str, relay: str) -> dict[str, Any]:
        data, factory = contract_calls.proxied(calls), wallets.PROXY_FACTORY
        numbers = (0, 0, int(PROXY_GAS), int(nonce))
        packed = b"rlx:" + _raw(self.owner) + _raw(factory) + data
        packed += b"".join(number.to_bytes(32, "big") for number in numbers) + _raw(RELAY_HUB) + _raw(relay)
        signature = self._sign(encode_defunct(primitive=keccak(packed)))
        parameters = {
            "gasLimit": PROXY_GAS, "gasPrice": "0", "relay": relay, "relayHub": RELAY_HUB, "relayerFee": "0",
        }  # fmt: skip
        return self._sent(
            factory, nonce, signature, proxyWallet=self.wallet, data=_hex(data), signatureParams=parameters
        )

    def _sign(self, message: SignableMessage) -> str:
        return _hex(bytes(self._account.sign_message(message).signature))


def _typed(
    domain: dict[str, Any], domain_fields: dict[str, str], name: str, message: dict[str, Any], **types: dict[str, str]
) -> SignableMessage:
    described = {"EIP712Domain": domain_fields} | types
    fields = {kind: [{"name": key, "type": of} for key, of in found.items()] for kind, found in described.items()}
    return encode_typed_data(full_message={"domain": domain, "types": fields, "primaryType": name, "message": message})


def _parts(call: Call) -> tuple[str, bytes]:
    return call.target, call.data


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _raw(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))
