"""Steps per second of gym-anytrading's environment of stocks with random actions: one JSON line."""

import json
import time

import gym_anytrading  # noqa: F401 - registers its environments
import gymnasium as gym
import numpy as np
import pandas as pd

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
