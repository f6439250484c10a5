"""Rules of the large informed account: it moves no quote and no volume, trades the right way, and can be told apart."""

import numpy as np
import pytest

from simulator.api.data_tape import accounts
from simulator.markets.events import EPOCH_S, Family, build, paths
from simulator.markets.large_account import ACCOUNTS, marked, wallet, wishes
from simulator.markets.price_model import Model
from simulator.markets.synthetic import SyntheticMarkets
from simulator.markets.trades import split

MINUTES = 400


def sources():
    """The same markets with the account and without it."""
    return [
        SyntheticMarkets(Family(3, Model(edge=1.0, large_account=share), event_length_min=720), EPOCH_S + MINUTES * 60)
        for share in (0.0, 0.6)
    ]


def test_quotes_and_volume_stay_as_they_are():
    """With the account every market has the same bars, times and sizes of trades; only sides and prices differ."""
    plain, large = sources()
    changed = 0
    for listing in plain.listings():
        before, after = plain.history(listing.market_id), large.history(listing.market_id)
        assert np.array_equal(before.mid_units, after.mid_units)
        assert np.array_equal(before.volume_micro, after.volume_micro)
        old, new = plain.trades(listing.market_id), large.trades(listing.market_id)
        assert old.accounts is None
        assert np.array_equal(old.ts_s, new.ts_s)
        assert np.array_equal(old.shares_micro, new.shares_micro)
        changed += int((old.buys != new.buys).sum())
    assert changed > 20


def test_the_account_buys_below_fair_value_and_sells_above():
    """Each of its trades goes against the error of the quote of its minute."""
    _, source = sources()
    family = source.family
    fair = paths(family, [build(family, 0)])
    checked = 0
    for row, listing in enumerate(source.listings()[: family.markets_per_event]):
        trades = source.trades(listing.market_id)
        bar = np.repeat(np.arange(len(trades.first) - 1), np.diff(trades.first))
        mine = np.flatnonzero(trades.accounts == 0)
        error = fair.fair[row] - fair.mid_units[row] / 10_000
        assert ((error[bar[mine]] > 0) == trades.buys[mine]).all()
        checked += len(mine)
    assert checked > 50


def test_noise_traders_share_the_other_accounts():
    """Every other trade belongs to one of the sixty noise traders, about equally often."""
    _, source = sources()
    numbers = np.concatenate([source.trades(listing.market_id).accounts for listing in source.listings()])
    counts = np.bincount(numbers, minlength=ACCOUNTS + 1)
    assert len(counts) == ACCOUNTS + 1
    assert counts[0] > 3 * counts[1:].max()
    assert counts[1:].min() > 0


def test_without_a_share_it_wants_nothing():
    """A share of 0, or errors below the least, leave no trade to the account."""
    rng = np.random.default_rng(1)
    assert not wishes(np.full(500, 0.5), 0.0, rng).any()
    assert not wishes(np.full(500, 0.01), 1.0, rng).any()
    assert wishes(np.array([0.5, -0.5]), 1.0, rng).tolist() == [1, -1]


def test_a_side_that_nobody_quotes_is_not_taken():
    """Where there is no ask the account buys nothing, and where there is no bid it sells nothing."""
    ts, one = np.arange(4, dtype=np.int64) * 60, np.ones(4, dtype=np.int64)
    touch = np.array([0, 0, 4_900, 4_900]), np.array([5_100, 5_100, 10_000, 10_000])
    tape = split(ts, 10_000 * one, one, touch, np.random.default_rng(2))
    wanted = np.array([-1, 1, 1, -1], dtype=np.int8)
    made = marked(tape, wanted, touch, np.random.default_rng(3))
    assert (made.accounts == 0).tolist() == [False, True, False, True]
    assert made.price_units[[1, 3]].tolist() == [5_100, 4_900]


def test_without_the_account_noise_traders_share_the_tape():
    """Trades of a tape that does not know who traded are spread over the sixty noise traders, always in the same way;
    one that does keeps its accounts."""
    plain, large = sources()
    for listing in plain.listings():
        trades, known = plain.trades(listing.market_id), large.trades(listing.market_id)
        made = accounts(trades)
        counts = np.bincount(made, minlength=ACCOUNTS + 1)
        assert len(counts) == ACCOUNTS + 1
        assert counts[0] == 0
        assert counts.max() < 10 + 0.04 * len(made)
        assert np.array_equal(accounts(trades, slice(3, 90)), made[3:90])
        assert np.array_equal(accounts(known), known.accounts)


@pytest.mark.parametrize("account", [0, 1, 60])
def test_an_account_has_one_address(account):
    """The address has the venue's form and no other account has it."""
    assert len(wallet(account)) == 42
    assert len({wallet(one) for one in range(61)}) == 61
