"""What is followed, which bundle trades, what is remembered of a decision, and how forecasts are scored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from serving_desk import make_market

from benchmarks import tiny_bundle
from pipelines import decision_record
from pipelines.core import params
from pipelines.core.domain import Bar, Forecast, Quote
from pipelines.core.errors import ArtifactError
from pipelines.decide import Account
from serving.champion import Champion
from serving.dashboard.forecast_score import ForecastScore
from serving.loaded_model import WarmMarket, open_model, take_turn
from serving.market import selection
from serving.market.windows import Window


def test_held_markets_are_followed_whatever_the_listing_says() -> None:
    """A position is never left without its market; the rest fills up to the limit."""
    listed = [replace(make_market(n), start_s=0, end_s=10_000) for n in range(2, 8)]

    chosen = selection.choose(listed, [listed[4]], [make_market(1)], now_s=100, limit=3)

    assert [make_market(1).market_id, listed[4].market_id, listed[0].market_id] == [m.market_id for m in chosen]


def test_what_takes_orders_past_its_scheduled_end_is_followed_last() -> None:
    """The scheduled end is not the end of trading (a game runs on); what has not begun is left out."""
    over, early, now = replace(make_market(2), end_s=50), replace(make_market(3), start_s=200), make_market(4)

    assert selection.choose([over, early, now], [], [], now_s=100, limit=9) == [now, over]
    assert selection.choose([over, early, now], [over], [], now_s=100, limit=1) == [now]


def test_what_is_followed_and_held_is_described_as_the_listing_says_now() -> None:
    """Tick, fee, end and minimum come from the newest listing; a held market that is not listed stays as it was."""
    held, followed = make_market(1), make_market(2)
    finer = [replace(market, tick_units=10, end_s=900, min_size_micro=1) for market in (held, followed)]

    assert selection.choose(finer, [followed], [held], now_s=100, limit=9) == finer
    assert selection.choose([], [followed], [held], now_s=100, limit=9) == [held]
    swapped = replace(held, token_yes=held.token_no, token_no=held.token_yes)
    assert selection.choose([swapped], [], [held], now_s=100, limit=9) == [held]


def test_an_altered_bundle_is_refused(tmp_path: Path) -> None:
    """One changed byte and the bundle does not trade."""
    tiny_bundle.make(tmp_path / "bundle")
    (tmp_path / "bundle" / "sizing.json").write_text("{}")

    with pytest.raises(ArtifactError, match=r"sizing\.json was altered"):
        open_model(Champion(tmp_path / "bundle", "x", True, ""), params.read(Path("params.yaml")))


def _turn(tmp_path: Path, count: int):  # type: ignore[no-untyped-def]
    tiny_bundle.make(tmp_path / "bundle", pull=3.0)
    model = open_model(Champion(tmp_path / "bundle", "x", True, ""), params.read(Path("params.yaml")))
    seen = []
    for number in range(1, count + 1):
        window, market = Window(60, 60, None), make_market(number)
        for k in range(61):
            window.push(Bar(market.market_id, 60 * (k + 1), 5_000 + (300 if k == 60 else 0), 10**6, 1, 200))
        seen.append(WarmMarket(market, window.view(), Quote(5_200, 5_300, 10**9, 10**9), 0))
    account = Account(
        cash_micro=10**10,
        equity_micro=10**10,
        positions={},
        open_buy_micro={},
        markets={m.market.market_id: m.market for m in seen},
        day_start_equity_micro=10**10,
        peak_equity_micro=10**10,
    )
    return model, seen, account, take_turn(model, 61 * 60, seen, account, frozenset())


def test_an_order_takes_its_room_before_the_next_market_decides(tmp_path: Path) -> None:
    """Within one bar the caps hold: what the first markets take, the later ones do not get."""
    _, _, _, turn = _turn(tmp_path, 8)

    sent = [decision.intent for decision in turn.decisions if decision.intent is not None]
    spent = sum(intent.shares_micro * intent.price_units // 10_000 for intent in sent)

    assert 0 < len(sent) <= 5
    assert spent <= 0.30 * 10**10
    assert any(d.refusal is not None for d in turn.decisions)


def test_markets_decide_in_the_order_of_their_ids(tmp_path: Path) -> None:
    """The order in which markets were listed does not change what is decided."""
    model, seen, account, turn = _turn(tmp_path, 6)

    again = take_turn(model, turn.ts_s, seen[::-1], account, frozenset())

    assert [d.market_id for d in turn.decisions] == [d.market_id for d in again.decisions]
    assert [d.intent for d in turn.decisions] == [d.intent for d in again.decisions]


def test_a_market_with_a_working_order_waits(tmp_path: Path) -> None:
    """While an order works in a market nothing more is decided there."""
    model, seen, account, _ = _turn(tmp_path, 2)

    turn = take_turn(model, 61 * 60, seen, account, frozenset({seen[0].market.market_id}))

    assert turn.decisions[0].action == "wait"
    assert turn.decisions[0].intent is None


def test_a_bar_can_be_decided_again_from_the_journal(tmp_path: Path) -> None:
    """The journaled inputs are what was decided on, bit for bit."""
    _, seen, account, turn = _turn(tmp_path, 3)
    markets = {one.market.market_id: one.market for one in seen}

    seen_again = decision_record.unpack(decision_record.pack(turn.inputs, account), markets)

    for before, after in zip(turn.inputs, seen_again.inputs, strict=True):
        assert before.bar == after.bar
        assert before.quote == after.quote
        assert np.array_equal(before.features, after.features)
        assert np.array_equal(before.forecast.mean, after.forecast.mean)
        assert before.forecast.confidence == after.forecast.confidence
    assert seen_again.unknown == 0
    assert account.cash_micro == seen_again.account.cash_micro


def test_accuracy_counts_moves_that_happened() -> None:
    """A forecast is judged at its horizon, from t+1 on, and a market that stood still counts for nobody."""
    board = ForecastScore(60, 3)
    up = Forecast(np.array([0.0, 0.1, 0.2]), np.zeros(3), np.zeros(3), 0.7)
    for market, mids in (("up", [50, 50, 55, 60, 60]), ("down", [50, 50, 45, 40, 40]), ("still", [50] * 5)):
        for k, mid in enumerate(mids):
            board.add(market, 60 * (k + 1), mid * 100, up)

    assert board.moves == 4
    assert board.accuracy == 0.5
    assert board.error is not None
