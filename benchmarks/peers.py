"""Peers of the trading engine, each in a virtual environment of its own, and the guide's own environment."""

import json
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path("var/peers")

GYM_ANYTRADING = """
import json, time
import numpy as np, pandas as pd, gymnasium as gym, gym_anytrading
rng = np.random.default_rng(1)
close = 100 + rng.normal(0, 1, 60_000).cumsum() * 0.01
frame = pd.DataFrame({"Open": close, "High": close, "Low": close, "Close": close, "Volume": 1.0})
env = gym.make("stocks-v0", df=frame, window_size=32, frame_bound=(32, 59_000)).unwrapped
speeds = []
for _ in range(3):
    env.reset(seed=1)
    actions = rng.integers(0, 2, 50_000).tolist()
    began = time.perf_counter()
    for action in actions:
        env.step(action)
    speeds.append(len(actions) / (time.perf_counter() - began))
print(json.dumps({"gym_anytrading_steps_per_s": round(max(speeds), 1)}))
"""

VECTORBT = """
import json, time
import numpy as np, pandas as pd, vectorbt as vbt
rng = np.random.default_rng(1)
close = pd.Series(100 * np.exp(rng.normal(0, 0.001, 50_000).cumsum()))
def work():
    began = time.perf_counter()
    for start in range(0, 300, 50):
        fast = vbt.MA.run(close, window=[5 + k for k in range(start, start + 50)], short_name="fast")
        slow = vbt.MA.run(close, window=[400] * 50, short_name="slow", per_column=False)
        entries = fast.ma.values > slow.ma.values[:, :1]
        vbt.Portfolio.from_signals(close, entries, ~entries, fees=0.001, freq="1min").total_return()
    return time.perf_counter() - began
work()
print(json.dumps({"vectorbt_sweep_s": round(min(work() for _ in range(2)), 3)}))
"""

NAUTILUS = """
import json, time
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BookOrder, OrderBookDelta
from nautilus_trader.model.enums import AccountType, BookAction, BookType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
count, venue, speeds = 200_000, Venue("SIM"), []
instrument = TestInstrumentProvider.default_fx_ccy("EUR/USD", venue)
def delta(k):
    side, sign = (OrderSide.BUY, -1) if k % 2 else (OrderSide.SELL, 1)
    price = Price(1.0001 + sign * (1 + k % 20) * 1e-5, 5)
    order = BookOrder(side, price, Quantity(1000 + k % 50, 0), 0)
    return OrderBookDelta(instrument.id, BookAction.UPDATE, order, 0, k, k * 1_000_000, k * 1_000_000)
deltas = [delta(k) for k in range(count)]
for _ in range(2):
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(log_level="ERROR")))
    cash = [Money(1_000_000, USD)]
    engine.add_venue(venue, OmsType.NETTING, AccountType.MARGIN, base_currency=USD, starting_balances=cash,
                     book_type=BookType.L2_MBP)
    engine.add_instrument(instrument)
    engine.add_data(deltas)
    began = time.perf_counter()
    engine.run()
    speeds.append(count / (time.perf_counter() - began))
    engine.dispose()
print(json.dumps({"nautilus_events_per_s": round(max(speeds), 1)}))
"""

HFTBACKTEST = """
import json, time
import numpy as np
from numba import njit
from hftbacktest import (BUY_EVENT, DEPTH_EVENT, EXCH_EVENT, LOCAL_EVENT, SELL_EVENT, TRADE_EVENT, BacktestAsset,
                         HashMapMarketDepthBacktest, event_dtype)
rng = np.random.default_rng(1)
count = 1_000_000
middle = 500 + np.cumsum(rng.integers(-1, 2, count)) // 50
buys = rng.integers(0, 2, count) == 0
level = np.clip(np.where(buys, middle - rng.integers(1, 12, count), middle + rng.integers(1, 12, count)), 1, 999)
events = np.zeros(count, event_dtype)
kind = np.where(rng.random(count) < 0.05, TRADE_EVENT, DEPTH_EVENT)
events["ev"] = kind | EXCH_EVENT | LOCAL_EVENT | np.where(buys, BUY_EVENT, SELL_EVENT)
events["exch_ts"] = events["local_ts"] = np.arange(1, count + 1) * 1_000_000
events["px"], events["qty"] = level / 1000, rng.integers(0, 2_000, count)
def made():
    asset = (BacktestAsset().data([events]).linear_asset(1.0).constant_order_latency(0, 0).risk_adverse_queue_model()
             .no_partial_fill_exchange().trading_value_fee_model(0.0, 0.05).tick_size(0.001).lot_size(0.01))
    return HashMapMarketDepthBacktest([asset])
@njit
def run(hbt):
    number = 0
    while hbt.elapse(1_000_000_000) == 0:
        number += 1
        depth = hbt.depth(0)
        hbt.submit_buy_order(0, number, depth.best_bid, 10.0, 0, 0, False)
        hbt.clear_inactive_orders(0)
    return number
run(made())
speeds = []
for _ in range(3):
    hbt = made()
    began = time.perf_counter()
    run(hbt)
    speeds.append(count / (time.perf_counter() - began))
print(json.dumps({"hftbacktest_events_per_s": round(max(speeds), 1)}))
"""

PYTHONS = {"nautilus": "python3.12"}
"""Peers that need another Python: 1.221, the last nautilus_trader for 3.11, dies in `engine.run` with a double free."""

PEERS = {
    "gym_anytrading_steps_per_s": ("gym-anytrading", ["gym-anytrading==2.0.0"], GYM_ANYTRADING),
    "vectorbt_sweep_s": ("vectorbt", ["vectorbt==1.2.0"], VECTORBT),
    "hftbacktest_events_per_s": ("hftbacktest", ["hftbacktest==2.4.4"], HFTBACKTEST),
    "nautilus_events_per_s": ("nautilus", ["nautilus_trader==1.231.0"], NAUTILUS),
}


def run_all(only: Sequence[str] | None) -> dict[str, Any]:
    """Figures of the peers; null and a reason where one could not run."""
    figures: dict[str, Any] = {}
    for name, (folder, packages, script) in PEERS.items():
        if only and name not in only:
            continue
        try:
            figures |= _run(FOLDER / folder, packages, script)
        except (subprocess.CalledProcessError, json.JSONDecodeError, IndexError, OSError) as error:
            detail = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            figures[name] = None
            figures[f"{name}_reason"] = detail[-1][:200] if detail else "no message"
        print(f"{name}: {figures[name]}", file=sys.stderr)
    return figures


def _run(folder: Path, packages: list[str], script: str) -> dict[str, Any]:
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        _environment(folder)
        command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        subprocess.run(command, check=True, capture_output=True, text=True)
        (folder / "ready").touch()
    done = subprocess.run([str(python), "-c", script], check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _environment(folder: Path) -> None:
    """An empty virtual environment of the peer's Python."""
    wanted = PYTHONS.get(folder.name)
    if wanted is None:
        venv.create(folder, with_pip=True, clear=True)
        return
    found = shutil.which(wanted)
    if found is None:
        raise OSError(f"{folder.name} needs {wanted}, which is not on this machine")
    subprocess.run([found, "-m", "venv", "--clear", str(folder)], check=True, capture_output=True, text=True)


def guide_ppo(timesteps: int) -> float:
    """Steps per second of PPO with the guide's hyper-parameters on the guide's own environment (pandas row by row), the
    best of three runs after one to warm up, as ours is measured."""
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from stable_baselines3 import PPO  # noqa: PLC0415
    from stable_baselines3.common.vec_env import DummyVecEnv  # noqa: PLC0415

    from benchmarks.guide_env import COLUMNS, GuideEnv  # noqa: PLC0415

    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({name: rng.uniform(0.1, 0.9, 5_000) for name in COLUMNS})
    learner = PPO("MlpPolicy", DummyVecEnv([lambda: GuideEnv(frame)]), n_steps=2048, batch_size=64, ent_coef=0.01)
    learner.learn(timesteps)
    speeds = []
    for _ in range(3):
        began = time.perf_counter()
        learner.learn(timesteps)
        speeds.append(timesteps / (time.perf_counter() - began))
    return round(max(speeds), 1)
