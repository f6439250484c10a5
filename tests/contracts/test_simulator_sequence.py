"""Whole histories, not single fills: the replay's ledger and the exchange's accounts after the same orders."""

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.domain import Fill, Outcome, Side
from pipelines.core.money import MICRO, PRICE_SCALE, SHARE_GRID, market_buy_micro
from pipelines.decide import Rules
from pipelines.replay.loop import replay, tape
from pipelines.trading.ledger import Ledger
from simulator.engine.order_checks import Refused
from simulator.engine.orders import OrderStatus

sys.path.append(str(Path(__file__).resolve().parents[1] / "code/simulator"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "code/pipelines/replay"))
from simulator_bench import exchange, listing, order, place
from test_replay_identity import CASH, PARAMS, START, TABLE, Scripted, both, history, limits, scaler

DEPTH = PARAMS.execution.model_depth_shares


def levels(side, outcome, quote, limit):
    """Makers' orders, as (outcome they buy, price, shares), that show the model's book up to a limit."""
    seen = quote.of(outcome)
    price = seen.ask_units if side is Side.BUY else seen.bid_units
    step = 100 if side is Side.BUY else -100
    shown = []
    while 0 < price < PRICE_SCALE and (price - limit) * step <= 0:
        shown.append((outcome.other, PRICE_SCALE - price) if side is Side.BUY else (outcome, price))
        price += step
    return shown


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.5]))
def test_random_actions_leave_equal_accounts(seed, activity):
    """Environment, backtest, ledger and matching engine end with the same cash and shares after random actions."""
    rng = np.random.default_rng(seed)
    wanted = rng.integers(0, 9, 240)
    actions = wanted[np.maximum.accumulate(np.where(rng.random(240) < activity, np.arange(240), 0))]
    params = limits(PARAMS, free=True)
    params = params.model_copy(update={"execution": params.execution.model_copy(update={"impact_share": 0.0})})
    made = tape([history(seed)], None, DEPTH)
    quotes = {ts_s: step[0].quote for ts_s, step in made.steps}
    intents = []
    rules = Rules(
        Scripted(actions, START), TABLE, scaler(), params.risk, params.sizing, params.execution, params.policy, 60, 24
    )
    result = replay(made, rules, CASH, lambda _, decision: intents.append(decision.intent))
    venue = exchange(listing(rate=0.05), deposit_pusd=CASH // MICRO)
    taker, market = venue.account("taker"), next(iter(venue.markets.values()))
    for number, intent in enumerate(one for one in intents if one is not None):
        quote = quotes.get(intent.ts_s + 60)
        if quote is None:
            continue
        maker = f"maker-{number}"
        shown = levels(intent.side, intent.outcome, quote, intent.price_units)
        size = quote.ask_size_micro / MICRO
        resting = [place(venue, maker, "BUY", outcome, price, size)[0] for outcome, price in shown]
        budget = market_buy_micro(intent.shares_micro, intent.price_units) if intent.side is Side.BUY else 0
        sent = order(
            venue, "taker", intent.side, intent.outcome, intent.price_units,
            0 if budget else intent.shares_micro / MICRO, kind=intent.order_type.value, budget=budget / MICRO,
        )  # fmt: skip
        # The model gives whole hundredths of a share; the venue would give a part of one more.
        sent.share_grid = SHARE_GRID
        with suppress(Refused):  # what meets nobody is refused here and fills nothing there
            venue.place(sent)
        for shown_order in resting:
            if shown_order.status is OrderStatus.LIVE:
                venue.cancel(shown_order)
    assert taker.cash_micro == result.equity_micro[-1] - result.at_stake_micro[-1]
    mid = int(history(seed).mid_units[-1])
    worth = {Outcome.YES: mid, Outcome.NO: PRICE_SCALE - mid}
    held = {outcome: taker.positions.get(market.token(outcome), 0) for outcome in Outcome}
    assert sum(held[outcome] * worth[outcome] // PRICE_SCALE for outcome in Outcome) == result.at_stake_micro[-1]
    env, *_ = both(seed, actions, params)
    assert env.equity_micro == result.equity_micro[-1]


STEP = st.tuples(st.sampled_from(["buy", "sell", "split", "merge"]), st.booleans(), st.integers(500, 40_000))


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=25), st.sampled_from([0, MICRO // 2, MICRO]))
def test_splits_merges_and_redemption_leave_equal_accounts(steps, payout):
    """Ledger and exchange agree to the base unit over trades of both tokens, splits, merges and the redemption."""
    venue = exchange(listing(rate=0.07), deposit_pusd=100_000)
    account, market = venue.account("taker"), next(iter(venue.markets.values()))
    market_id = market.listing.market_id
    ledger = Ledger(100_000 * MICRO)
    for number, (what, yes, hundredths) in enumerate(steps):
        outcome, shares = Outcome.YES if yes else Outcome.NO, hundredths * 10_000
        free = {one: account.positions.get(market.token(one), 0) for one in Outcome}
        if what == "split":
            venue.split(account, market_id, shares)
            ledger.split(market_id, shares, 4_200, number)
        elif what == "merge" and (pairs := min(shares, *free.values())):
            venue.merge(account, market_id, pairs)
            ledger.merge(market_id, pairs, number)
        elif what == "buy" or (what == "sell" and free[outcome] >= shares):
            price = 4_300 if outcome is Outcome.YES else 5_900
            offered = (outcome.other, PRICE_SCALE - price) if what == "buy" else (outcome, price)
            place(venue, f"maker-{number}", "BUY", *offered, shares / MICRO)
            _, trades = place(venue, "taker", what.upper(), outcome, price, shares / MICRO)
            fee, side = sum(one.fee_micro for one in trades), Side(what.upper())
            ledger.apply(
                Fill(
                    fill_id=f"f{number}",
                    order_id="o",
                    market_id=market_id,
                    token_id="t",
                    outcome=outcome,
                    side=side,
                    price_units=price,
                    shares_micro=shares,
                    fee_micro=fee,
                    ts_s=number,
                ),
                4_200,
            )
        assert ledger.cash_micro == account.cash_micro
    venue.resolve(market_id, payout)
    assert ledger.settle(market_id, payout, 99) == venue.redeem(account, market_id)
    assert ledger.cash_micro == account.cash_micro
