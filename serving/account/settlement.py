"""Decided markets and payments: what the Data API says about them, brought to the account."""

import time

from pipelines.core import log
from pipelines.core.errors import VenueError, VenueForbidden
from pipelines.core.money import MICRO
from pipelines.venue import activity, resolutions
from pipelines.venue.http import VenueHttp
from serving.account.journal import CashFlow
from serving.account.trading_account import TradingAccount
from serving.threads import Threads

_log = log.get("settlement")


async def settle_decided(account: TradingAccount, archive: VenueHttp, threads: Threads) -> int:
    """Ask for the payout of every held market and settle what is decided; how many were.

    A payout that cannot be read is asked for again at the next scan; the others are settled.

    Raises:
        VenueForbidden: if the venue blocks this region or account.
    """
    settled = 0
    for market_id in sorted(account.accounting.held_markets()):
        market = account.accounting.markets.get(market_id)
        # Shares that are gone may have been sold: an order that is not over yet has to tell first.
        if market is None or account.execution.busy(market_id):
            continue
        try:
            payout = await resolutions.payout_yes_micro(archive, market)
        except VenueForbidden:
            raise
        except VenueError as error:
            _log.warning("payout not read", market=market_id, error=str(error))
            continue
        if payout is not None:
            received = await threads.in_account_thread(account.settle, market_id, payout, int(time.time()))
            _log.info("settled", market=market_id, payout_yes=payout / MICRO, received_pusd=received / MICRO)
            settled += 1
    return settled


async def read_flows(account: TradingAccount, archive: VenueHttp) -> None:
    """Read the payments of the account; without an answer those that were read before stay.

    Raises:
        VenueForbidden: if the venue blocks this region or account.
    """
    if not account.gateway.account.startswith("0x"):
        return
    try:
        found = await activity.payments(archive, account.gateway.account)
    except VenueForbidden:
        raise
    except VenueError as error:
        _log.warning("payments not read", error=str(error))
        return
    account.flows = [CashFlow(one.payment_id[:160], one.kind, one.cash_micro, one.ts_s) for one in found]
