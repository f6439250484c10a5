"""The recipes of docs/extending.md for a feature and a forecaster, carried out in a copy of the program."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]

FEATURE = """
def _absolute_move(series: Series) -> FloatArray:
    return np.abs(lagged(series.mid_units, 1)) / PRICE_SCALE


def _rolling_absolute_move() -> Rolling:
    difference = Lagged(1)
    return lambda bar: abs(difference.push(bar.mid_units)) / PRICE_SCALE


_ADDED = Feature("absolute_move", "size of the last move", "price", _absolute_move, _rolling_absolute_move)
FEATURES = (*FEATURES, _ADDED)
"""

FORECASTER = '''
"""Expects a share of the last move back within ten bars."""

import numpy as np

from pipelines.forecast import linear
from pipelines.forecast.forecaster import Forecaster
from pipelines.inference.inputs import INPUTS

SHARE = {share}


def train(data, params, checkpoint, folder):
    weights = np.zeros((1, data.inputs, params.horizon_bars))
    step = np.arange(1, params.horizon_bars + 1)
    weights[0, INPUTS.index("price_change")] = -SHARE * np.minimum(step, 10) / 10 / np.sqrt(step)
    linear.write(weights, np.zeros(params.horizon_bars), params.lookback_bars, folder / "forecaster.onnx")
    return {{}}


FORECASTER = Forecaster(meaning="a share of the last move comes back", train=train)
'''

SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
import pyarrow as pa, pyarrow.parquet as pq
from pipelines.core import params
from pipelines.core.domain import Bar
from pipelines.featurize import stage as featurize
from pipelines.forecast import stage as forecast
from pipelines.features.spec import FEATURE_NAMES
from pipelines.inference.predictor import Predictor
from pipelines.core.artifacts import write_json
from pipelines.core.domain import FeeSchedule, Market, Quote
from pipelines.decide import Account
from pipelines.decision_record import Packer, unpack
from pipelines.package import stage as package
from serving.champion import Champion
from serving.loaded_model import WarmMarket, open_model, take_turn
from serving.market.windows import Window, surround

sys.path.insert(0, "tests_of_featurize")
from test_featurize_stage import write_raw

write_raw(Path("data/raw"), events=30, bars=150)
featurize.run()
table = pq.read_table("data/features/features.parquet")
assert "absolute_move" in FEATURE_NAMES and len(FEATURE_NAMES) == 16
moves = np.abs(np.diff(table["price"].to_numpy()[:150], prepend=table["price"][0].as_py()))
assert np.allclose(table["absolute_move"].to_numpy()[:150], moves)
forecast.run()
predictor = Predictor(Path("models/forecaster"))
made = pq.read_table("data/forecasts/forecasts.parquet").slice(0, 1)
name, ts = made["market_id"][0].as_py(), made["ts_s"][0].as_py()
bars = table.filter(pa.compute.equal(table["market_id"], name)).to_pylist()
windows = {}
for bar in table.filter(pa.compute.equal(table["event_id"], bars[0]["event_id"])).to_pylist():
    if bar["ts_s"] <= ts:
        told = [(bar["ts_s"], bar["tone"])] * bar["headlines"]
        one = windows.setdefault(bar["market_id"], Window(predictor.lookback, 60, bar["end_s"]))
        closed = Bar(bar["market_id"], bar["ts_s"], bar["mid_units"], bar["volume_micro"], 0, 0)
        one.push(closed, bar["sentiment"], told)
window = windows[name]
surround(list(windows.values()))
view = window.view(predictor.filter)
live = predictor.forecast_batch(view.features[None], view.mids[None], view.sentiment[None], view.states[None])
assert np.allclose(live.mean[0], made["mean"][0].as_py(), atol=1e-6)
assert np.abs(live.mean).max() > 0.0

policy = {"kind": "threshold", "params": {"bar_length_s": 60, "impact_share": 0.15}}
sizing = {"win_probability": 0.65, "mean_win": 0.03, "mean_loss": 0.02, "signals": 500, "events": 20}
write_json(Path("models/choice/choice.json"), {"policy": policy, "sizing": sizing, "selected_on": "written by hand"})
write_json(Path("data/window.json"), {"as_of_s": bars[-1]["ts_s"], "source": "simulated"})
package.run()
model = open_model(Champion(Path("models/bundle"), "", True, ""), params.load())
last = bars[-1]
for step in range(1, 4):
    mid = last["mid_units"] - (1_000 if step == 3 else 0)
    window.push(Bar(name, last["ts_s"] + 60 * step, mid, 10**6, 1, 100))
market = Market(
    market_id=name, event_id="event", question="?", token_yes="1", token_no="2", tick_units=50,
    min_size_micro=5_000_000, fee=FeeSchedule(0.0), start_s=None, end_s=None, topic="",
)
account = Account(
    cash_micro=10**10, equity_micro=10**10, positions={}, open_buy_micro={}, markets={name: market},
    day_start_equity_micro=10**10, peak_equity_micro=10**10,
)
seen = [WarmMarket(market, window.view(model.predictor.filter), Quote(mid - 25, mid + 25, 10**9, 10**9), 0)]
turn = take_turn(model, last["ts_s"] + 180, seen, account, frozenset())
(inputs,), (decision,) = turn.inputs, turn.decisions
assert inputs.features[FEATURE_NAMES.index("absolute_move")] == 0.1
assert decision.action == "enter_long" and decision.intent is not None
journaled = unpack(Packer().pack(turn.inputs, account), {})
assert np.array_equal(journaled.inputs[0].features, inputs.features)
print(json.dumps({"kind": predictor.kind, "source": predictor.meta["source"]}))
"""

REVERTING = "mid = np.clip(5000 + np.cumsum(rng.integers(-3, 4, bars) * 50), 0, 10_000)"
REVERTED = """
            noise = np.repeat(rng.integers(-3, 4, bars // 10) * 50, 10)
            mid = np.clip(5000 + np.cumsum(rng.integers(-1, 2, bars) * 5) + noise, 0, 10_000)
""".strip()


@pytest.mark.parametrize("kind", ["reverter", "strategies.reverter"])
def test_a_feature_and_a_forecaster_are_added_by_the_recipe(tmp_path, kind):
    """A feature and a forecaster of one file each, inside the program or outside of it, go from featurize
    through training, packaging and the live window, whose forecast equals the stored one, to an order of the
    service and its journal; of a forecaster from outside the bundle's meta.json names the module and its SHA-256."""
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "serving", tmp_path / "serving", ignore=shutil.ignore_patterns("__pycache__"))
    family = tmp_path / "pipelines/features/families/price.py"
    family.write_text(family.read_text() + FEATURE)
    spec = tmp_path / "pipelines/features/spec.py"
    spec.write_text(spec.read_text().replace('FEATURE_VERSION: Final = "', 'FEATURE_VERSION: Final = "raised-'))
    outside = "." in kind
    place = tmp_path / ("strategies" if outside else "pipelines/forecast/kinds") / "reverter.py"
    place.parent.mkdir(exist_ok=True)
    place.write_text(textwrap.dedent(FORECASTER.format(share=0.5)))
    helper = tmp_path / "tests_of_featurize/test_featurize_stage.py"
    helper.parent.mkdir()
    source = (ROOT / "tests/code/pipelines/featurize/test_featurize_stage.py").read_text()
    assert REVERTING in source
    helper.write_text(source.replace(REVERTING, REVERTED))
    shipped = (ROOT / "params.yaml").read_text()
    assert "kind: mlp" in shipped
    (tmp_path / "params.yaml").write_text(shipped.replace("kind: mlp", f"kind: {kind}", 1))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout.strip().splitlines()[-1]
    assert f'"kind": "{kind}"' in said
    assert ('"sha256"' in said) is outside


def test_an_unknown_forecaster_is_refused_before_anything_runs(tmp_path):
    """A kind that is neither a forecaster of the program nor a module path is refused with what is known; a module
    that cannot be imported is named when training begins."""
    from pipelines.core import params
    from pipelines.core.errors import ParameterError
    from pipelines.forecast import kinds

    text = (ROOT / "params.yaml").read_text()
    wrong = tmp_path / "params.yaml"
    wrong.write_text(text.replace("kind: mlp", "kind: oracle", 1))
    with pytest.raises(ParameterError, match=r"forecast\.kind was 'oracle'.*hybrid.*strategies\.my_forecaster"):
        params.read(wrong)
    with pytest.raises(ParameterError, match=r"cannot be imported .*nowhere/at_all\.py"):
        kinds.find("nowhere.at_all")


def test_parameters_are_read_where_no_training_code_is(tmp_path, monkeypatch):
    """A bento carries params.yaml and no forecasters: any kind is taken there, because nothing is trained."""
    from pipelines.core import kinds, params

    monkeypatch.setattr(kinds, "FOLDER", tmp_path / "forecast/kinds")
    assert params.read(ROOT / "params.yaml").forecast.kind == "mlp"
