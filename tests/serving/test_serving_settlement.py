"""What the Data API says about decided markets and payments reaches the books, odd rows or not."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from serving_desk import CASH, FakeVenue, make_market
from test_serving_account_kinds import fill, opened, trade

from pipelines.core.errors import VenueForbidden
from pipelines.venue import activity
from pipelines.venue.http import VenueHttp
from serving.account import settlement
from serving.account.trading_account import TradingAccount
from serving.threads import Threads

MARKET = make_market()


def archive(answers: dict[str, Any], status: int = 200) -> VenueHttp:
    """A Data API that gives these documents by path."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=json.dumps(answers.get(request.url.path, {"data": []})))

    return VenueHttp("http://127.0.0.1:1", attempts=1, transport=httpx2.MockTransport(answer))


def settled(account: TradingAccount, http: VenueHttp) -> int:
    """How many held markets are settled."""

    async def run() -> int:
        threads = Threads()
        try:
            return await settlement.settle_decided(account, http, threads)
        finally:
            await threads.close()

    return asyncio.run(run())


@pytest.mark.parametrize(("payouts", "received"), [([1_000_000, 0], 10), ([0, 1_000_000], 0), ([500_000, 500_000], 5)])
def test_what_was_decided_while_the_bot_was_down_is_settled_first(
    journal_url: str, monkeypatch: pytest.MonkeyPatch, payouts: list[int], received: int
) -> None:
    """Held markets are asked for before anything is reconciled: a loss is a loss, 50-50 pays half."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    trade(venue, fill(1, 10_000_000))
    account.execution.sync()
    account.accounting.mark({MARKET.market_id: 5_200}, 86_400)
    before = (account.accounting.first_micro, account.accounting.peak_micro, account.accounting.day_start_micro)
    venue.cash += received * 1_000_000
    monkeypatch.setattr(venue, "shares_micro", lambda token: 0)
    row = {"status": "resolved", "payouts": payouts}

    assert settled(account, archive({"/v2/resolutions": {"data": [row]}})) == 1
    assert account.reconcile() == []

    assert account.accounting.cash_micro == venue.cash == CASH - 5_200_000 + received * 1_000_000
    assert (account.accounting.first_micro, account.accounting.peak_micro, account.accounting.day_start_micro) == before
    assert account.accounting.positions == {}
    account.journal.close()


DISPUTED = {"status": "disputed", "payouts": [1, 0]}


@pytest.mark.parametrize("document", [{"data": []}, {"data": None}, {"data": [DISPUTED]},
                                      {"data": [{"status": "resolved"}]}, {"data": "x"}, []])  # fmt: skip
def test_an_undecided_market_stays_a_position(journal_url: str, document: Any) -> None:
    """Disputed, without payouts or unreadable: nothing is settled and nothing raises."""
    venue = FakeVenue()
    account = opened(venue, journal_url)
    trade(venue, fill(1, 10_000_000))
    account.execution.sync()

    assert settled(account, archive({"/v2/resolutions": document})) == 0
    assert MARKET.market_id in account.accounting.positions
    account.journal.close()


def payment(**changes: Any) -> dict[str, Any]:
    """A row of activity."""
    return {"type": "REWARD", "timestamp": 1_700_000_000, "usdc_size": 0.000001, "transaction_hash": "0xh"} | changes


def test_payments_are_exact_signed_and_told_apart() -> None:
    """Base units survive floats, withdrawals are negative, equal rows of one transaction are two payments."""
    rows = [
        payment(),
        payment(),
        payment(type="WITHDRAWAL", usdc_size=123.456789),
        payment(type="deposit", usdc_size="7"),
    ]

    found = asyncio.run(activity.payments(archive({"/v2/activity": {"data": rows}}), "0xabc"))

    assert [one.cash_micro for one in found] == [1, 1, -123_456_789, 7_000_000]
    assert len({one.payment_id for one in found}) == 4


ODD = [None, "x", {}, payment(type="TRADE"), payment(type=None), payment(usdc_size=None), payment(usdc_size="abc"),
       payment(usdc_size="Infinity"), payment(timestamp="soon"), payment(timestamp=None), ["REWARD"]]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_payment_is_left_out(odd: Any) -> None:
    """A row that cannot be read hides no other."""
    rows = [payment(), odd, payment(transaction_hash="0xi")]

    found = asyncio.run(activity.payments(archive({"/v2/activity": {"data": rows}}), "0xabc"))

    assert [one.payment_id.split("/")[0] for one in found] == ["0xh", "0xi"]


def test_without_an_answer_the_payments_stay(journal_url: str) -> None:
    """A Data API that is away ends nothing; one that forbids ends trading."""
    account = opened(FakeVenue(), journal_url)
    asyncio.run(settlement.read_flows(account, archive({"/v2/activity": {"data": [payment()]}})))
    assert [flow.cash_micro for flow in account.flows] == [1]
    asyncio.run(settlement.read_flows(account, archive({}, 404)))
    assert [flow.cash_micro for flow in account.flows] == [1]
    with pytest.raises(VenueForbidden):
        asyncio.run(settlement.read_flows(account, archive({}, 403)))
    account.journal.close()
