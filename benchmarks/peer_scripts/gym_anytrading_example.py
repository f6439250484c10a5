"""The complete example of gym-anytrading's README, random actions in a default environment, once per setting.

Argument: a JSON file with settings. Prints one JSON list: price path, what was to be held, and profits.
"""

import json
import sys
from pathlib import Path

import gym_anytrading  # noqa: F401 - registers the environments
import gymnasium
import numpy as np
from gym_anytrading.datasets import FOREX_EURUSD_1H_ASK, STOCKS_GOOGL
from gym_anytrading.envs import Positions

FRAMES = {"forex-v0": FOREX_EURUSD_1H_ASK, "stocks-v0": STOCKS_GOOGL}
HELD = {"forex-v0": Positions.Short, "stocks-v0": Positions.Long}
"""What earns: a stock that is held, dollars that are held by an account in euros. In the other position it waits."""


def traded(setting):
    """Value of what is traded in the account's currency: dollars in euros for forex. Rounded to a grid if asked."""
    close = FRAMES[setting["env"]]["Close"].to_numpy()
    value = 1.0 / close if setting["env"] == "forex-v0" else close
    return value if setting["grid"] is None else np.rint(value / setting["grid"]) * setting["grid"]


def made(setting):
    """The environment over the prices, with its fees or without."""
    value = traded(setting)
    frame = FRAMES[setting["env"]].copy()
    frame["Close"] = 1.0 / value if setting["env"] == "forex-v0" else value
    chosen = {} if setting["frame"] is None else {"frame_bound": setting["frame"], "window_size": 10}
    env = gymnasium.make(setting["env"], df=frame, **chosen).unwrapped
    if not setting["fees"]:
        env.trade_fee = env.trade_fee_bid_percent = env.trade_fee_ask_percent = 0.0
    return env


def play(setting):
    """Random actions to the end; the first position is entered at the price before the first step."""
    env, held = made(setting), HELD[setting["env"]]
    env.reset(seed=7)
    wanted, profit, done = [int(env._position == held)] * 2, [1.0, 1.0], False
    while not done:
        _, _, _, done, info = env.step(env.action_space.sample())
        wanted.append(int(info["position"] == held))
        profit.append(float(info["total_profit"]))
    wanted[-1] = 0  # at the end of the data everything is sold
    price = env.prices[env._start_tick - 1 :].tolist()
    gained = [p - 1.0 if not w else None for p, w in zip(profit, wanted, strict=True)]
    return {"price": price, "wanted": wanted, "gained": gained}


settings = json.loads(Path(sys.argv[1]).read_text())
print(json.dumps([play(setting) for setting in settings]))
