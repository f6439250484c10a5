"""One decision the guide's way: a pandas window, 24 single-step predictions fed back, one agent.predict.

`measure()` runs the two halves in processes of their own, because TensorFlow and torch never share one here.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

LOOKBACK, FEATURES, HORIZON = 60, 15, 24
REPEATS = 5


def measure() -> float:
    """Median milliseconds of a whole decision: window, forecast and action."""
    return round(_half("forecast") + _half("agent"), 2)


def _half(name: str) -> float:
    command = [sys.executable, "-m", "benchmarks.guide_decision", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.strip().splitlines()[-1])


def forecast_ms() -> float:
    """The guide's `predict(horizon=24)`: features with pandas, scaling, 24 calls of `model.predict`."""
    import keras  # noqa: PLC0415 - this half alone
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    model = keras.Sequential(
        [
            keras.layers.Input((LOOKBACK, FEATURES)),
            keras.layers.LSTM(128, return_sequences=True),
            keras.layers.Dropout(0.2),
            keras.layers.GRU(64),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    rng = np.random.default_rng(1)
    price = pd.Series(0.5 + np.cumsum(rng.normal(0, 0.002, 200)))
    volume = pd.Series(rng.integers(0, 1_000, 200).astype(float))

    def decide() -> None:
        window = _window(pd, price, volume).to_numpy()[-LOOKBACK:]
        for _ in range(HORIZON):
            step = float(model.predict(window[None], verbose=0)[0, 0])
            window = np.vstack([window[1:], window[-1]])
            window[-1, 0] = step

    decide()
    return _median(decide)


def _window(pd: Any, price: Any, volume: Any) -> Any:
    frame = pd.DataFrame({"price": price, "volume": volume})
    frame["change"] = price.diff()
    frame["returns"] = price.pct_change()
    frame["log_returns"] = price.pct_change().add(1).abs()
    frame["momentum"] = price.diff(5)
    frame["volume_change"] = volume.diff()
    frame["ratio"] = volume / price
    frame["ma_7"] = price.rolling(7).mean()
    frame["ma_30"] = price.rolling(30).mean()
    gain, loss = price.diff().clip(lower=0).rolling(14).mean(), (-price.diff().clip(upper=0)).rolling(14).mean()
    frame["rsi"] = 1 - 1 / (1 + gain / loss)
    frame["volatility"] = price.rolling(7).std()
    for name in ("hour", "day", "left"):
        frame[name] = 0.5
    return (frame - frame.mean()) / frame.std().replace(0, 1)


def agent_ms() -> float:
    """`agent.predict` of a Stable-Baselines3 PPO on 20 inputs and nine actions."""
    import gymnasium as gym  # noqa: PLC0415 - this half alone
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from stable_baselines3 import PPO  # noqa: PLC0415

    torch.set_num_threads(1)

    class Room(gym.Env):
        observation_space = gym.spaces.Box(-np.inf, np.inf, (20,), np.float32)
        action_space = gym.spaces.Discrete(9)

        def reset(self, **_: object) -> tuple[Any, dict[str, object]]:
            return np.zeros(20, np.float32), {}

    agent = PPO("MlpPolicy", Room(), device="cpu")
    observation = np.zeros(20, np.float32)
    agent.predict(observation, deterministic=True)
    return _median(lambda: agent.predict(observation, deterministic=True))


def _median(work: Callable[[], Any]) -> float:
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1e3)
    return median(took)


if __name__ == "__main__":
    print({"forecast": forecast_ms, "agent": agent_ms}[sys.argv[1]]())
