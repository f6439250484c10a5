"""One large informed account among the noise traders: in some minutes the first trade of a bar is its own.

It buys where the quote is too low and sells where it is too high. Volume, quotes and times stay as they are; the side
and the price of its trades, and who made each trade, are what it changes. It trades in the tape alone.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from simulator.markets.price_grid import IntArray
from simulator.markets.trades import NoiseTrades

ACCOUNTS: Final = 60
"""Noise traders; account 0 is the large one."""
LEAST_ERROR: Final = 0.02
"""Log-odds that the quote has to be wrong by before it trades."""

Wishes = NDArray[np.int8]


def wishes(error: FloatArray, share: float, random: np.random.Generator) -> Wishes:
    """What the account wants in each minute, (T,): 1 to buy YES, -1 to sell it, 0 nothing.

    `error` is fair value less quote in log-odds, `share` how much of the minutes with a large enough error it uses.
    """
    active = (random.random(len(error)) < share) & (np.abs(error) > LEAST_ERROR)
    wanted: Wishes = np.where(active, np.sign(error), 0.0).astype(np.int8)
    return wanted


def marked(
    trades: NoiseTrades, wanted: Wishes, touch: tuple[IntArray, IntArray], random: np.random.Generator
) -> NoiseTrades:
    """The tape with the account's trades in it and an account number for every trade; `touch` is bid and ask."""
    bid, ask = touch
    first, counts = trades.first[:-1], np.diff(trades.first)
    able = np.where(wanted > 0, ask < PRICE_SCALE, bid > 0)
    mine = first[(counts > 0) & (wanted != 0) & able]
    bar = np.repeat(np.arange(len(counts)), counts)
    buys, price = trades.buys.copy(), trades.price_units.copy()
    buys[mine] = wanted[bar[mine]] > 0
    price[mine] = np.where(buys[mine], ask[bar[mine]], bid[bar[mine]])
    accounts = 1 + random.integers(0, ACCOUNTS, len(bar))
    accounts[mine] = 0
    return replace(trades, buys=buys, price_units=price, accounts=accounts)


def wallet(account: int) -> str:
    """The address of an account: invented, and the same in every market."""
    return f"0xd4{account:038x}"
