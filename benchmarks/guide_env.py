"""The guide's environment (section 3) as printed, on Gymnasium: what training speed is compared with."""

from typing import Any

import gymnasium
import numpy as np
import pandas as pd
from gymnasium import spaces
from numpy.typing import NDArray

COLUMNS = (
    "price", "volume", "price_change", "ma_7", "ma_30", "volatility", "rsi", "returns", "log_returns", "momentum",
    "volume_change", "hour", "day_of_week", "time_to_resolution", "sentiment_score",
)  # fmt: skip


class GuideEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """Trades at the bar it has just seen, rewards only when a position is closed: the guide's words, kept."""

    def __init__(self, market_data: pd.DataFrame, initial_balance: float = 10_000, fee: float = 0.001) -> None:
        self.market_data = market_data
        self.initial_balance = initial_balance
        self.fee = fee
        self.action_space = spaces.Discrete(9)
        self.observation_space = spaces.Box(-np.inf, np.inf, (20,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Back to the first row."""
        super().reset(seed=seed)
        self.current_step = 0
        self.balance = self.initial_balance
        self.position = self.entry_price = 0.0
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Trade, then look at the next row."""
        direction, size = int(action) % 3 - 1, (0.25, 0.5, 1.0)[int(action) // 3]
        price = self.market_data.iloc[self.current_step]["price"]
        reward = self._trade(direction, size, price)
        self.current_step += 1
        done = self.current_step >= len(self.market_data) - 1
        return self._observation(), float(reward), done, False, {"portfolio_value": self._value(price)}

    def _trade(self, direction: int, size: float, price: float) -> float:
        if direction == 0:
            return self._close(price) if self.position else 0.0
        if self.position * direction <= 0:
            shares = self.balance * size / price
            cost = shares * price * self.fee
            self.position = direction * shares
            self.balance -= cost + (shares * price if direction > 0 else 0.0)
            self.entry_price = price
        return 0.0

    def _close(self, price: float) -> float:
        gained = (price - self.entry_price) * self.position
        cost = abs(self.position * price) * self.fee
        self.balance += self.position * price - cost
        self.position = self.entry_price = 0.0
        return gained - cost

    def _value(self, price: float) -> float:
        return self.balance + self.position * price

    def _observation(self) -> NDArray[np.float32]:
        row = self.market_data.iloc[self.current_step]
        value = self._value(row["price"])
        portfolio = [
            self.balance / self.initial_balance,
            self.position / 100,
            self.entry_price / 100,
            (value - self.initial_balance) / self.initial_balance,
            self.current_step / len(self.market_data),
        ]
        return np.array([row[name] for name in COLUMNS] + portfolio, dtype=np.float32)
