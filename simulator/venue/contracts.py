"""Calls of the venue's contracts from a wallet: split, merge, redeem, convert, approve and transfer.

The first four bytes of the call data select the function; its arguments are words of 32 bytes. A batch of calls
succeeds as a whole or changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pipelines.core.domain import Outcome
from simulator.engine.accounts import Account
from simulator.engine.markets import LiveMarket, neg_risk_id
from simulator.engine.refusals import Refused
from simulator.signing.eip712 import EXCHANGES
from simulator.signing.wallet_batch import Call
from simulator.venue.venue import Venue

PUSD: Final = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
CTF: Final = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
CTF_ADAPTER: Final = "0xAdA100Db00Ca00073811820692005400218FcE1f"
NEG_RISK_ADAPTER: Final = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
ROUTER: Final = "0x12121212006e4CD160D18e3f00711DA5c3372600"
POSITION_MANAGER: Final = "0x006F54F7f9A22e0000CC2AB60031000000ae9fEF"
AUTO_REDEEMER: Final = "0xa1200000d0002264C9a1698e001292D00E1b00af"
BINARY_MODULE: Final = "0x1000008dD9001B968442c1000017eaE6E0dA00Ba"
NEG_RISK_MODULE: Final = "0x200000900045e3B6259600682756002200028933"
PERPS_DEPOSIT: Final = "0xDCa4af75705dbB50f62437045afF9921947917d2"
_V2, _V2_NEG_RISK, _V3 = EXCHANGES[2, False], EXCHANGES[2, True], EXCHANGES[3, False]
APPROVALS: Final[Mapping[str, tuple[str, ...]]] = {
    PUSD: (_V2, _V2_NEG_RISK, CTF_ADAPTER, NEG_RISK_ADAPTER, ROUTER, _V3, PERPS_DEPOSIT),
    CTF: (_V2, _V2_NEG_RISK, CTF_ADAPTER, NEG_RISK_ADAPTER, AUTO_REDEEMER, BINARY_MODULE, NEG_RISK_MODULE),
    POSITION_MANAGER: (ROUTER, _V3, AUTO_REDEEMER),
}
"""Token -> contracts that trading needs approved, as polymarket-client asks for them."""

TARGETS: Final = frozenset(
    address.lower() for address in (PUSD, CTF, CTF_ADAPTER, NEG_RISK_ADAPTER, ROUTER, POSITION_MANAGER)
)
REVERTED: Final = "execution reverted"
UNLIMITED_FROM: Final = 2**200
"""An allowance of at least this many base units counts as unlimited."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The account that calls, and the venue that it calls on."""

    venue: Venue
    account: Account


def perform(venue: Venue, account: Account, calls: tuple[Call, ...]) -> None:
    """Perform all calls of a batch, or none of them.

    Raises:
        Refused: `execution reverted: ...`; nothing was changed.
    """
    caller = Caller(venue, account)
    _adapter(venue)  # opened before the block, because an undo covers only accounts that exist at its start
    with venue.exchange.atomically(account):
        records = [_perform(caller, call) for call in calls]
    for record in records:
        record()


def _adapter(venue: Venue) -> Account:
    """The internal account that takes the NO shares of conversions and issues the YES shares."""
    return venue.exchange.account("0x" + "d4" * 20, internal=True)


Recorder = Callable[[], None]
"""Writes a call into the account's activity. It runs only after the whole batch has succeeded."""


def _perform(caller: Caller, call: Call) -> Recorder:
    selector, words = call.data[:4].hex(), _words(call.data[4:])
    known = _CALLS.get(selector)
    if known is None or len(words) < known[0]:
        raise Refused(f"{REVERTED}: unknown function {selector}")
    return known[1](caller, call.target.lower(), words)


def _words(data: bytes) -> list[bytes]:
    return [data[place : place + 32] for place in range(0, len(data), 32)]


def _number(word: bytes) -> int:
    return int.from_bytes(word, "big")


def _market(caller: Caller, target: str, word: bytes) -> LiveMarket:
    """The market of a condition; refused unless the called contract is the one for that market."""
    markets, condition = caller.venue.exchange.markets, "0x" + word.hex()
    found = markets.get(condition)
    if target == ROUTER.lower():
        found = next((m for name, m in markets.items() if m.version == "v2" and name[:64] == condition[:64]), None)
    if found is None:
        raise Refused(f"{REVERTED}: condition not prepared")
    if target != contract_of(found).lower():
        raise Refused(f"{REVERTED}: this contract does not serve the market")
    return found


def contract_of(market: LiveMarket) -> str:
    """The contract that splits, merges and redeems the shares of a market."""
    if market.version == "v2":
        return ROUTER
    return NEG_RISK_ADAPTER if market.listing.neg_risk else CTF_ADAPTER


def _pairs(kind: str, condition: int, amount: int) -> Callable[[Caller, str, list[bytes]], Recorder]:
    """A function for a split or a merge; `condition` and `amount` are the positions of these arguments."""

    def run(caller: Caller, target: str, words: list[bytes]) -> Recorder:
        venue, account, micro = caller.venue, caller.account, _number(words[amount])
        market = _market(caller, target, words[condition])
        act = venue.exchange.split if kind == "SPLIT" else venue.exchange.merge
        act(account, market.listing.market_id, micro)
        return lambda: venue.activity.collateral(kind, account, market, micro, venue.now_s)

    return run


def _redeem_all(caller: Caller, target: str, words: list[bytes]) -> Recorder:
    venue, account, market = caller.venue, caller.account, _market(caller, target, words[2])
    held = {token: account.shares(token) for token in (market.listing.token_yes, market.listing.token_no)}
    paid = venue.exchange.redeem(account, market.listing.market_id)
    return lambda: venue.activity.redeem(account, market, held, paid, venue.now_s)


def _redeem_part(caller: Caller, target: str, words: list[bytes]) -> Recorder:
    venue, account, market = caller.venue, caller.account, _market(caller, target, words[0])
    outcome, micro = (Outcome.YES, Outcome.NO)[_number(words[1]) & 1], _number(words[2])
    paid = venue.exchange.redeem_part(account, market.listing.market_id, outcome, micro)
    return lambda: venue.activity.redeem(account, market, {market.token(outcome): micro}, paid, venue.now_s)


def _convert(caller: Caller, target: str, words: list[bytes]) -> Recorder:
    venue, account = caller.venue, caller.account
    wanted, chosen, micro = "0x" + words[0].hex(), _number(words[1]), _number(words[2])
    events = [slug for slug in venue.markets_of_event if neg_risk_id(slug) == wanted]
    if target != NEG_RISK_ADAPTER.lower() or not events:
        raise Refused(f"{REVERTED}: no such negative-risk market")
    markets = venue.markets_of_event[events[0]]
    given = [m for place, m in enumerate(markets) if chosen >> place & 1]
    rest = [m for place, m in enumerate(markets) if not chosen >> place & 1]
    if not markets[0].listing.neg_risk or not given or chosen >> len(markets):
        raise Refused(f"{REVERTED}: the index set names no question of the market")
    adapter = _adapter(venue)
    paid = venue.exchange.convert(account, adapter, given, rest, micro)
    return lambda: venue.activity.conversion(account, given, rest, (micro, paid), venue.now_s)


def _approve(caller: Caller, target: str, words: list[bytes]) -> Recorder:
    spender, amount = words[0][-20:].hex(), _number(words[1])
    if target == PUSD.lower() and any(spender == contract[2:].lower() for contract in EXCHANGES.values()):
        caller.account.allowance_micro = None if amount >= UNLIMITED_FROM else amount
    return lambda: None


def _approve_all(caller: Caller, target: str, words: list[bytes]) -> Recorder:
    return lambda: None


def _transfer(caller: Caller, target: str, words: list[bytes]) -> Recorder:
    """Transfer pUSD to another address: a withdrawal, and a deposit if an account trades from that address."""
    venue, account, micro = caller.venue, caller.account, _number(words[1])
    if target != PUSD.lower():
        raise Refused(f"{REVERTED}: only pUSD is transferred here")
    venue.exchange.withdraw(account, micro)
    other = venue.account_of("0x" + words[0][-20:].hex())

    def record() -> None:
        venue.exchange.shed(account)
        venue.activity.cash("WITHDRAWAL", account, micro, venue.now_s, venue.activity.reference("WITHDRAWAL", account))
        if other is not None:
            venue.deposit(other, micro)

    return record


_CALLS: dict[str, tuple[int, Callable[[Caller, str, list[bytes]], Recorder]]] = {
    "72ce4275": (5, _pairs("SPLIT", 2, 4)),  # splitPosition(address,bytes32,bytes32,uint256[],uint256)
    "9e7212ad": (5, _pairs("MERGE", 2, 4)),  # mergePositions(address,bytes32,bytes32,uint256[],uint256)
    "01b7037c": (4, _redeem_all),  # redeemPositions(address,bytes32,bytes32,uint256[])
    "82d3b9f1": (2, _pairs("SPLIT", 0, 1)),  # split(bytes31,uint256)
    "5b63685e": (2, _pairs("MERGE", 0, 1)),  # merge(bytes31,uint256)
    "d217a3cc": (3, _redeem_part),  # redeem(bytes31,uint256,uint256)
    "c64748c4": (3, _convert),  # convertPositions(bytes32,uint256,uint256)
    "095ea7b3": (2, _approve),  # approve(address,uint256)
    "a22cb465": (2, _approve_all),  # setApprovalForAll(address,bool)
    "a9059cbb": (2, _transfer),  # transfer(address,uint256)
}
"""By selector: the smallest number of arguments, and the function that performs the call."""
