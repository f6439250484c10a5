from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.core.domain import Bar, Direction, FeeSchedule, Forecast, Market, Outcome, Position, Quote, Side
from pipelines.core.params import read
from pipelines.decide import Account, Inputs, Reason, Rules, decide
from pipelines.trading.policies import Target
from pipelines.trading.sizing import NO_SIGNALS, SizingTable

PARAMS = read(Path("params.yaml"))
TABLE = SizingTable(0.7, 0.05, 0.03, 500, 9)
CASH = 10_000_000_000
NOW = 1_767_300_000


class Always:
    """A policy that wants one target whatever it sees."""

    kind = "always"
    uses_forecast = True
    reads_observation = False

    def __init__(self, direction, fraction=1.0):
        self._target = Target(Direction(direction), fraction)

    def target(self, inputs, position, observation):
        return self._target


def market(number=1, event="e1", topic=""):
    """A market that ends in a day."""
    fee = FeeSchedule(0.05)
    name = f"0x{number:02d}"
    return Market(
        market_id=name,
        event_id=event,
        question="q",
        token_yes=f"{number}1",
        token_no=f"{number}2",
        tick_units=100,
        min_size_micro=5_000_000,
        fee=fee,
        start_s=None,
        end_s=NOW + 86_400,
        topic=topic,
    )


def inputs(confidence=0.8, mid=5_050, bid=5_000, ask=5_100, about=None, age=0, ts_s=NOW):
    """What is known at a bar; a fixed rising forecast."""
    about = about or market()
    forecast = Forecast(np.full(24, 0.1), np.full(24, -0.1), np.full(24, 0.3), confidence)
    bar = Bar(about.market_id, ts_s, mid, 0, 0, 0)
    return Inputs(about, bar, Quote(bid, ask, 10**9, 10**9), np.zeros(15), forecast, 0.0, age)


def account(**changes):
    """An account without positions."""
    plain = Account(
        cash_micro=CASH,
        equity_micro=CASH,
        positions={},
        open_buy_micro={},
        markets={},
        day_start_equity_micro=CASH,
        peak_equity_micro=CASH,
    )
    return replace(plain, **changes)


def rules(direction=1, fraction=1.0, table=TABLE, policy=None):
    """The limits of params.yaml around one wish."""
    return Rules(
        policy or Always(direction, fraction), table, None, PARAMS.risk, PARAMS.sizing, PARAMS.execution,
        PARAMS.policy, 60, 24,
    )  # fmt: skip


def held(outcome=Outcome.YES, entry=5_050, peak=5_050, number=1):
    """A position of 100 shares."""
    return Position(
        market_id=f"0x{number:02d}",
        outcome=outcome,
        shares_micro=100_000_000,
        entry_units=entry,
        peak_units=peak,
        cost_micro=50_000_000,
        opened_s=NOW - 600,
    )


def reason(decision):
    """The name of the refusal; there is no order."""
    assert decision.intent is None
    return decision.refusal.reason if decision.refusal else None


def test_an_entry_buys_on_the_grid_within_the_cap():
    """A long entry buys YES at most two ticks above the ask, for at most a tenth of equity."""
    intent = decide(inputs(), account(), rules()).intent
    assert (intent.side, intent.outcome, intent.price_units) == (Side.BUY, Outcome.YES, 5_300)
    assert intent.shares_micro % 10_000 == 0
    assert intent.shares_micro * intent.price_units // 10_000 <= CASH // 10


def test_a_short_buys_the_no_token():
    """There is no negative position: a short entry is a purchase of NO at its own ask."""
    intent = decide(inputs(), account(), rules(direction=-1)).intent
    assert (intent.side, intent.token_id, intent.price_units) == (Side.BUY, "12", 5_200)


@pytest.mark.parametrize("fraction", [0.25, 0.5])
def test_the_action_multiplies_the_cap(fraction):
    """25 and 50 % of the cap buy that share of the shares, but for the two cents that every purchase keeps back."""
    whole = decide(inputs(), account(), rules()).intent.shares_micro
    part = decide(inputs(), account(), rules(fraction=fraction)).intent.shares_micro
    kept_back = int(20_000 * (1 - fraction) / 0.52)
    assert part == pytest.approx(fraction * whole - kept_back, abs=10_000)


@pytest.mark.parametrize(
    ("given", "state", "expected"),
    [
        (inputs(confidence=0.69), account(), Reason.CONFIDENCE),
        (inputs(age=181), account(), Reason.STALE_QUOTE),
        (inputs(mid=450, bid=400, ask=500), account(), Reason.PRICE_BOUNDS),
        (inputs(mid=5_050, bid=0, ask=5_100), account(), Reason.PRICE_BOUNDS),
        (inputs(ts_s=NOW + 86_400 - 25 * 60), account(), Reason.MARKET_ENDING),
        (inputs(), account(kill=True), Reason.KILL_SWITCH),
        (inputs(), account(day_start_equity_micro=CASH * 100 // 94), Reason.DAILY_LOSS),
        (inputs(), account(peak_equity_micro=CASH * 100 // 84), Reason.DRAWDOWN),
        (inputs(), account(positions={f"0x1{k}": held(number=10 + k) for k in range(5)}), Reason.MAX_MARKETS),
        (inputs(), account(open_buy_micro={"0x77": 3 * CASH // 10}), Reason.EXPOSURE_CAP),
        (inputs(), account(cash_micro=0), Reason.NO_CASH),
    ],
)  # fmt: skip
def test_every_limit_refuses_by_name(given, state, expected):
    """An entry that breaks a limit is refused with that limit's name and no order."""
    assert reason(decide(given, state, rules())) is expected


def test_kelly_has_to_be_positive():
    """Without signals that paid, a policy that trades on forecasts enters nothing."""
    assert reason(decide(inputs(), account(), rules(table=NO_SIGNALS))) is Reason.KELLY_NOT_POSITIVE


def test_at_most_two_markets_of_one_event():
    """A third market of the same event or topic is refused."""
    others = {f"0x{k}": market(k, "e1") for k in (11, 12)}
    state = account(positions={k: held(number=int(k[2:])) for k in others}, markets=others)
    assert reason(decide(inputs(), state, rules())) is Reason.RELATED_MARKETS


def test_too_small_an_order_is_refused():
    """The venue takes at least 5 shares and 1 pUSD."""
    poor = account(cash_micro=20_000_000, equity_micro=20_000_000, day_start_equity_micro=1, peak_equity_micro=1)
    assert reason(decide(inputs(), poor, rules())) is Reason.BELOW_MINIMUM


def test_long_while_long_holds():
    """The direction that is held means: keep, whatever the size."""
    state = account(positions={"0x01": held()})
    decision = decide(inputs(), state, rules())
    assert (decision.action, decision.intent) == ("hold", None)


def test_the_opposite_direction_closes_first():
    """From long to short is a sale of everything now and an entry on a later bar."""
    decision = decide(inputs(), account(positions={"0x01": held()}), rules(direction=-1))
    assert (decision.action, decision.intent.side, decision.intent.shares_micro) == ("exit", Side.SELL, 100_000_000)
    assert decision.intent.price_units == 4_800


@pytest.mark.parametrize(
    ("position", "given", "expected"),
    [
        (held(entry=8_500, peak=8_500), inputs(), "stop_loss"),
        (held(entry=1_600, peak=5_050), inputs(), "take_profit"),
        (held(entry=4_950, peak=8_500), inputs(), "trailing_stop"),
        (held(outcome=Outcome.NO, entry=1_500, peak=8_500), inputs(), "stop_loss"),
        (held(), inputs(ts_s=NOW + 86_400 - 3 * 60), "market_ending"),
    ],
)
def test_stops_and_the_end_close_whatever_the_policy_wants(position, given, expected):
    """Stops measure mid to mid in the price of the token that is held, and need no consent of the policy."""
    wanted = 1 if position.outcome is Outcome.YES else -1
    decision = decide(given, account(positions={"0x01": position}), rules(direction=wanted))
    assert decision.intent.reason == expected


def test_exits_pass_every_cap():
    """Confidence, losses, exposure and a stale quote never hold back a sale."""
    state = account(
        positions={"0x01": held()}, cash_micro=0, open_buy_micro={"0x77": CASH}, peak_equity_micro=10 * CASH
    )
    decision = decide(inputs(confidence=0.5, age=9_999), state, rules(direction=0))
    assert decision.intent.side is Side.SELL


def test_the_kill_switch_closes():
    """With the switch on, what is held is sold."""
    decision = decide(inputs(), account(positions={"0x01": held()}, kill=True), rules())
    assert decision.intent.reason == "kill_switch"


@pytest.mark.parametrize(
    ("outcome", "touch"), [(Outcome.YES, {"bid": 0, "ask": 5_100}), (Outcome.NO, {"bid": 5_000, "ask": 10_000})]
)
@pytest.mark.parametrize("kill", [False, True])
def test_what_nobody_bids_for_is_kept(outcome, touch, kill):
    """While the bids of the held token are gone, no stop, wish or switch offers it at one tick; the refusal says so."""
    position = held(outcome=outcome, entry=6_500 if outcome is Outcome.YES else 3_500, peak=6_500)
    state = account(positions={"0x01": position}, kill=kill)
    decision = decide(inputs(mid=sum(touch.values()) // 2, **touch), state, rules(direction=0))
    assert decision.intent is None
    assert (reason(decision), decision.wish) == (Reason.NO_BID, "exit")


@pytest.mark.parametrize(("bid", "ask"), [(6_000, 4_000), (5_001, 5_000), (0, 10_000), (0, 5_000), (5_000, 10_000)])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_crossed_or_one_sided_book_is_no_place_to_buy(bid, ask, direction):
    """A bid above the ask is no price, and neither is a book without a side: refused, whatever the size shown."""
    given = replace(inputs(mid=5_000), quote=Quote(bid, ask, 10**9, 10**9))

    decision = decide(given, account(), rules(direction=direction))

    assert (decision.intent, reason(decision)) == (None, Reason.PRICE_BOUNDS)
