"""A bundle in shadow decides on the same bars, orders nothing, and is measured against the champion."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import tiny_bundle
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.domain import Bar, FeeSchedule, Market, Quote
from pipelines.core.params import read
from pipelines.core.settings import Settings
from pipelines.decide import Account
from pipelines.inference import shadow_record
from serving import champion as champions
from serving.loaded_model import WarmMarket, open_model, take_turn
from serving.market.windows import Window
from serving.safety.shadow import Champions, Shadow
from serving.threads import Threads

SHIPPED = read(Path("params.yaml"))
MARKETS, WARM, CASH = 4, 60, 10_000_000_000


def prices(bars, seed=1):
    """Mids in units of 1e-4 that fall back towards 0.5, (bars, MARKETS)."""
    rng = np.random.default_rng(seed)
    made = np.empty((bars, MARKETS))
    made[0] = 0.5
    for k in range(1, bars):
        made[k] = np.clip(made[k - 1] - 0.15 * (made[k - 1] - 0.5) + rng.normal(0, 0.012, MARKETS), 0.1, 0.9)
    return (made * 1000).round().astype(int) * 10


def market(number):
    """A market without fees that never ends."""
    return Market(
        market_id=f"0x{number}",
        event_id=f"e{number}",
        question="q",
        token_yes=f"{2 * number}",
        token_no=f"{2 * number + 1}",
        tick_units=10,
        min_size_micro=1_000_000,
        fee=FeeSchedule(0.0),
        start_s=None,
        end_s=None,
        topic="",
    )


class Desk:
    """Two bundles, one champion and one in shadow, and a feed of bars of some markets."""

    def __init__(self, folder: Path, *, champion_pull: float, shadow_pull: float) -> None:
        self.var = folder / "var"
        self.settings = Settings(_env_file=None, var=self.var, mode="simulated")
        params = SHIPPED.risk.model_copy(update={"min_confidence": 0.5})
        self.params = SHIPPED.model_copy(update={"risk": params})
        self.folders = {}
        for name, pull in (("champion", champion_pull), ("shadow", shadow_pull)):
            inside = self.var / f"bento/bentos/oddsmith/{name}/src/bundle"
            self.folders[name] = tiny_bundle.make(inside, pull=pull)
            tiny_bundle.approve(inside)
        at = champions.judge(self.settings, self.var / "bento/bentos/oddsmith/champion/src/bundle")
        self.model = open_model(at, self.params)
        self.threads = Threads()
        self.shadow = Shadow(self.settings, self.params, self.threads)
        self.markets = [market(k) for k in range(MARKETS)]
        self.windows = [Window(self.model.lookback, 60, None) for _ in self.markets]
        self.bar = 0

    def name_shadow(self, role: str) -> None:
        """Write what a flow would write."""
        record = {"hash": self.folders["shadow"], "bento_tag": "oddsmith:shadow", "role": role, "since": "now"}
        write_json(shadow_record.challenger_file(self.var), record)

    def play(self, mids: np.ndarray, real=lambda _bar: Champions(CASH, 0, 0)) -> None:
        """Push bars; from the first warm one on both decide."""
        for row in mids.tolist():
            self.bar += 1
            ts_s = 60 * self.bar
            quotes = {}
            for one, window, mid in zip(self.markets, self.windows, row, strict=True):
                window.push(Bar(one.market_id, ts_s, mid, 1_000_000_000, 5, 20))
                quotes[one.market_id] = Quote(mid - 10, mid + 10, 10**10, 10**10)
            if self.bar < WARM:
                continue
            seen = [
                WarmMarket(one, window.view(None), quotes[one.market_id], 0)
                for one, window in zip(self.markets, self.windows, strict=True)
            ]
            account = Account(
                cash_micro=CASH,
                equity_micro=CASH,
                positions={},
                open_buy_micro={},
                markets={},
                day_start_equity_micro=CASH,
                peak_equity_micro=CASH,
            )
            turn = take_turn(self.model, ts_s, seen, account, frozenset())
            asyncio.run(self.shadow.refresh(self.model))
            if self.shadow.model is not None:
                self.shadow.observe(turn, seen, quotes, real(self.bar))


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A champion that expects trends in a world that reverts, and a challenger that knows better."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    return Desk(tmp_path, champion_pull=-1.2, shadow_pull=1.2)


def test_a_better_challenger_gathers_evidence_and_trades_on_paper_alone(desk):
    """After enough bars the advice is to promote; its paper P&L is told, and the real account was never touched."""
    desk.name_shadow("challenger")
    desk.play(prices(600))

    told = read_json(shadow_record.seen_file(desk.var))
    assert told["bars"] == 600 - WARM + 1
    assert told["e_better"] >= 20.0 > 1.0 >= told["e_worse"]
    assert told["advice"] == "promote"
    assert told["pnl_pusd"] != 0.0
    assert told["champion_pnl_pusd"] == 0.0
    assert desk.shadow.state(whole=True)["points"][-1] == (60 * 600, 10_000.0 + told["pnl_pusd"])


def test_a_worse_challenger_is_dismissed(tmp_path, monkeypatch):
    """The other way round the evidence is against it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    desk = Desk(tmp_path, champion_pull=1.2, shadow_pull=-1.2)
    desk.name_shadow("challenger")
    desk.play(prices(600))
    assert read_json(shadow_record.seen_file(desk.var))["advice"] == "dismiss"


def test_evidence_goes_on_after_a_restart_of_the_service(desk):
    """A service that was started again counts on from what it wrote, for the same pair alone."""
    desk.name_shadow("challenger")
    mids = prices(400)
    desk.play(mids[:200])
    before = read_json(shadow_record.seen_file(desk.var))
    desk.shadow = Shadow(desk.settings, desk.params, desk.threads)
    desk.play(mids[200:])
    after = read_json(shadow_record.seen_file(desk.var))
    assert after["bars"] == before["bars"] + 200
    assert after["e_better"] > before["e_better"]
    desk.name_shadow("predecessor")
    desk.play(prices(3, seed=2) * 0 + mids[-1])
    assert read_json(shadow_record.seen_file(desk.var))["bars"] == 3


def test_a_new_champion_that_falls_or_fails_gives_way_to_its_predecessor(desk):
    """A fall from the peak beyond the limit, and orders that are refused, each bring the predecessor back."""
    desk.name_shadow("predecessor")
    desk.play(prices(120), real=lambda bar: Champions(CASH - 15_000_000 * max(0, bar - 60), 0, 0))
    told = read_json(shadow_record.seen_file(desk.var))
    assert told["champion_drawdown"] == pytest.approx(0.09)
    assert told["advice"] == "rollback"

    desk.shadow = Shadow(desk.settings, desk.params, desk.threads)
    shadow_record.seen_file(desk.var).unlink()
    desk.play(prices(300), real=lambda bar: Champions(CASH, bar, bar // 2))
    told = read_json(shadow_record.seen_file(desk.var))
    assert told["error_rate"] == pytest.approx(0.5, abs=0.02)
    assert told["advice"] == "rollback"


def test_a_bundle_that_cannot_be_used_is_said_and_stays_out(desk):
    """Files that are nowhere, and a record that is none, are an alarm of the shadow and nothing else."""
    write_json(shadow_record.challenger_file(desk.var), {"hash": "ab" * 32, "role": "challenger"})
    desk.play(prices(61))
    assert "not on this machine" in desk.shadow.state()["trouble"]
    shadow_record.challenger_file(desk.var).write_text(json.dumps({"role": "?"}))
    desk.play(prices(1, seed=3))
    assert "names no bundle in shadow" in desk.shadow.state()["trouble"]
    shadow_record.challenger_file(desk.var).unlink()
    desk.play(prices(1, seed=4))
    assert desk.shadow.state() is None
