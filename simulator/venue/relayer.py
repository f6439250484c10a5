"""The relayer: it executes signed batches of contract calls after a delay, one at a time for each wallet."""

import itertools
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.engine.accounts import Account
from simulator.engine.refusals import Refused
from simulator.signing.recover import BadSignature, checksum, recover
from simulator.signing.wallet_batch import Call
from simulator.venue.contracts import TARGETS, perform
from simulator.venue.settlement import transaction_hash
from simulator.venue.venue import Venue


class TransactionState(StrEnum):
    """State of a transaction, as the relayer writes it."""

    NEW = "STATE_NEW"
    MINED = "STATE_MINED"
    CONFIRMED = "STATE_CONFIRMED"
    FAILED = "STATE_FAILED"


@dataclass(frozen=True, slots=True)
class Batch:
    """Contract calls from a wallet, signed by its owner. A Safe and a proxy have no deadline (None)."""

    owner: str
    wallet: str
    nonce: int
    deadline_s: int | None
    calls: tuple[Call, ...]
    digest: bytes
    """What was signed; the kind of the wallet decides how it is made."""
    signature: bytes


@dataclass(slots=True)
class Transaction:
    """A submitted batch and its state."""

    transaction_id: str
    account: Account
    calls: tuple[Call, ...]
    sent_s: float
    state: TransactionState = TransactionState.NEW
    error: str = ""

    @property
    def hash(self) -> str:
        """Hash of the transaction on the chain; empty until it is executed."""
        return "" if self.state is TransactionState.NEW else transaction_hash(self.transaction_id)


@dataclass(slots=True)
class Relayer:
    """Transactions by id, and the next nonce of each owner."""

    venue: Venue
    transactions: dict[str, Transaction] = field(default_factory=dict)
    _open: list[Transaction] = field(default_factory=list)
    _number: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def nonce(self, owner: str) -> int:
        """The nonce that the next batch of an owner must carry."""
        return self.venue.nonces.get(owner.lower(), 0)

    def submit(self, batch: Batch) -> Transaction:
        """Check a batch and queue it.

        Raises:
            Refused: with the relayer's text; nothing was changed.
        """
        self._check(batch)
        account = self.venue.open_account(checksum(batch.owner))
        self.venue.wallets.setdefault(batch.wallet.lower(), account.address)
        self.venue.nonces[batch.owner.lower()] = batch.nonce + 1
        name = f"relayed-{batch.owner.lower()}-{batch.nonce}-{next(self._number)}"
        made = Transaction(name, account, batch.calls, self.venue.wall_s())
        self.transactions[name] = made
        self._open.append(made)
        return made

    def _check(self, batch: Batch) -> None:
        try:
            signer = recover(batch.digest, batch.signature)
        except BadSignature:
            raise Refused("invalid signature") from None
        owner = self.venue.wallets.get(batch.wallet.lower(), checksum(batch.owner))
        if signer.lower() != batch.owner.lower() or owner.lower() != batch.owner.lower():
            raise Refused("invalid signature")
        if batch.deadline_s is not None and batch.deadline_s <= self.venue.wall_s():
            raise Refused("deadline expired")
        if batch.nonce != self.nonce(batch.owner):
            raise Refused(f"batch nonce {batch.nonce} does not match on-chain nonce {self.nonce(batch.owner)}")
        unknown = [call.target for call in batch.calls if call.target.lower() not in TARGETS]
        if unknown or not batch.calls:
            raise Refused(f"call target not allowed: {unknown[0]}" if unknown else "no calls")
        if self.venue.hooks.relayer_busy() or any(t.account.address == checksum(batch.owner) for t in self._open):
            raise Refused("wallet has in-flight action")
        if self.venue.hooks.relayer_retired():
            raise Refused("call target not allowed: the contract is retired")

    def advance(self, wall_s: float) -> None:
        """Execute and confirm the transactions that are due at wall time `wall_s`."""
        settlement = self.venue.settlement
        for made in self._open:
            if made.state is TransactionState.NEW and wall_s >= made.sent_s + settlement.mined_after_s:
                self._execute(made)
            if made.state is TransactionState.MINED and wall_s >= made.sent_s + settlement.confirmed_after_s:
                made.state = TransactionState.CONFIRMED
        self._open = [made for made in self._open if made.state in (TransactionState.NEW, TransactionState.MINED)]

    def _execute(self, made: Transaction) -> None:
        if self.venue.hooks.relayer_fails():
            made.state, made.error = TransactionState.FAILED, "transaction reverted"
            return
        try:
            perform(self.venue, made.account, made.calls)
        except Refused as refused:
            made.state, made.error = TransactionState.FAILED, refused.text
        else:
            made.state = TransactionState.MINED
