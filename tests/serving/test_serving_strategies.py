"""A policy of one's own, in a folder outside the repository, from the backtest to a decision of the service."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from serving_desk import make_market

from benchmarks import tiny_bundle
from pipelines.backtest import stage as backtest
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.domain import Bar, Quote
from pipelines.core.errors import ArtifactError, StrategyError
from pipelines.core.params import parse
from pipelines.decide import Account
from pipelines.gate import contender
from pipelines.inference.bundle import Bundle
from pipelines.package import stage as package
from pipelines.replay.market_history import touches
from pipelines.trading.observation import MarketScaler
from serving.champion import Champion
from serving.loaded_model import LoadedModel, Turn, WarmMarket, open_model, take_turn
from serving.market.windows import Window

sys.path.insert(0, str(Path(__file__).parents[1] / "code/pipelines/replay"))
from test_replay_identity import history, scaler

ROOT = Path(__file__).parents[2]
FOLLOW = '''"""Goes with the last bar's return."""

from pipelines.core.domain import Direction
from pipelines.trading.policies import CASH, DeclaredPolicy, PolicyParameters, Target


class Follow(DeclaredPolicy):
    """Long after a rise, short after a fall."""

    kind = "follow"
    candidate = True
    uses_forecast = False

    class Parameters(PolicyParameters):
        """Section `policy.follow`."""

        least: float = 0.5
        """Smallest return that counts."""

    def target(self, inputs, position, observation):
        move = float(inputs.features[0])
        if abs(move) < self.parameters.least:
            return CASH
        return Target(Direction.LONG if move > 0 else Direction.SHORT, 1.0)
'''


def told(seed):  # type: ignore[no-untyped-def]
    """A market of waves whose first feature tells the way of the next half hour; its forecasts mean nothing."""
    past = history(seed, bars=700)
    mid = (5_000 + 2_000 * np.sin(np.arange(700) / 40 + seed)).astype(np.int64) // 50 * 50
    bid, ask = touches(past.ts_s, mid, np.zeros(700, np.int64), 100, 200.0)
    features = past.features.copy()
    features[:, 0] = np.sign(np.append(mid[24:], np.full(24, mid[-1])) - mid)
    return replace(past, mid_units=mid, bid_units=bid, ask_units=ask, features=features)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one strategy, params.yaml, a forecaster and what the selection slice showed."""
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["policy"] |= {"follow": {"least": 0.001}}
    document["backtest"]["random_seeds"] = 1
    params = parse(document, origin="params.yaml")
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies/follow.py").write_text(FOLLOW)
    monkeypatch.chdir(tmp_path)
    tiny_bundle.make(tmp_path / "tiny")
    for name in ("forecaster.onnx", *package.FORECASTER_FILES):
        (tmp_path / "models/forecaster").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tmp_path / "tiny" / name, tmp_path / "models/forecaster" / name)
    meta = read_json(Path("models/forecaster/meta.json"))
    write_json(Path("models/forecaster/meta.json"), meta | {"bar_length_s": 60})
    write_json(Path("data/window.json"), {"as_of_s": 1_767_225_600, "source": "simulated"})
    for stage in (backtest, package):
        monkeypatch.setattr(stage, "load", lambda: params)
    monkeypatch.setattr(backtest.market_history, "read", lambda *_: [told(seed) for seed in range(1, 7)])
    monkeypatch.setattr(backtest.market_history, "bar_length_s", lambda: 60)
    monkeypatch.setattr(MarketScaler, "read", lambda *_: scaler())
    return tmp_path


def turn(model: LoadedModel) -> Turn:
    """One bar of a market that has just risen."""
    window, market = Window(60, 60, None), make_market(1)
    for k in range(61):
        window.push(Bar(market.market_id, 60 * (k + 1), 5_000 + (300 if k == 60 else 0), 10**6, 1, 200))
    seen = [WarmMarket(market, window.view(), Quote(5_200, 5_300, 10**9, 10**9), 0)]
    account = Account(
        cash_micro=10**10,
        equity_micro=10**10,
        positions={},
        open_buy_micro={},
        markets={market.market_id: market},
        day_start_equity_micro=10**10,
        peak_equity_micro=10**10,
    )
    return take_turn(model, 61 * 60, seen, account, frozenset())


def test_a_policy_of_ones_own_goes_from_the_backtest_to_an_order(workplace: Path) -> None:
    """One file outside the repository is backtested, chosen, packaged with its code, judged and traded, and what the
    working folder's file becomes later changes nothing."""
    backtest.run()
    chosen = read_json(Path("models/choice/choice.json"))["policy"]
    assert (chosen["kind"], chosen["params"]) == ("follow", {"least": 0.001})
    assert read_json(Path("reports/backtest.json"))["strategies"]["follow"]["pnl_pusd"] > 100.0

    (workplace / "strategies/follow.py").write_text(FOLLOW.replace("> 0 else", "< 0 else"))
    package.run()
    bundle = Bundle.open(Path("models/bundle"))
    assert bundle.manifest["policy"] == chosen
    assert (Path("models/bundle/strategy.py")).read_text() == FOLLOW
    params = package.load()
    assert contender.trade(bundle, [told(9)], params, 60).figures.pnl_pusd > 0.0

    (workplace / "strategies/follow.py").write_text("no python at all")
    model = open_model(Champion(Path("models/bundle"), bundle.hash, True, ""), params)
    (decision,) = turn(model).decisions
    assert model.policy_kind == "follow"
    assert decision.action == "enter_long"
    assert decision.intent is not None

    sealed = Path("models/bundle/strategy.py")
    sealed.write_text(FOLLOW.replace("> 0 else", "< 0 else"))
    with pytest.raises(ArtifactError, match=r"strategy\.py was altered after the bundle was sealed"):
        open_model(Champion(Path("models/bundle"), bundle.hash, True, ""), params)


def test_a_strategy_that_looks_ahead_is_not_backtested(workplace: Path) -> None:
    """Its profit would be none: the stage names the policy and what it does, and chooses nothing."""
    peek = "table = inputs.features.base\n        move = float(table[-1, 0] + inputs.features[0])"
    (workplace / "strategies/follow.py").write_text(FOLLOW.replace("move = float(inputs.features[0])", peek))
    with pytest.raises(StrategyError, match=r"follow wants .* it looks ahead"):
        backtest.run()
    assert not Path("models/choice").exists()
