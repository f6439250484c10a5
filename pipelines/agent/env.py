"""`oddsmith/Market-v0`: one market as a Gymnasium environment with nine actions, on the compiled step."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import InvalidAction, ResetNeeded
from numpy.typing import NDArray

from pipelines.agent.sample import shipped
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.replay.lanes import DIRECTION_OF, FRACTION_OF, Field, Lanes, decoded
from pipelines.trading import compiled


class Episodes:
    """Draws markets and starts: uniform over bars, at least `shortest` and at most `longest` bars long."""

    def __init__(self, field: Field, longest: int, shortest: int = 32) -> None:
        lengths = field.last - field.first + 1
        self._field = field
        self._longest = longest
        self._shortest = int(min(shortest, lengths.max() - 1))
        room = np.maximum(lengths - self._shortest, 0)
        self._share = room / room.sum()

    def draw(self, rng: np.random.Generator, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and last rows of `count` episodes."""
        field = self._field
        chosen = rng.choice(len(self._share), size=count, p=self._share)
        room = field.last[chosen] - field.first[chosen] + 1 - self._shortest
        first = field.first[chosen] + (rng.random(count) * room).astype(np.int64)
        return first, np.minimum(first + self._longest, field.last[chosen])


class MarketEnv(gymnasium.Env[NDArray[np.float32], Any]):
    """One account in one market.

    Action k: size k // 3 of (25, 50, 100 %) of the cap, direction k % 3 of (short, close, long); the `continuous`
    variant takes one number in [-1, 1] instead: its sign and size. The reward is the change of equity after costs in
    pUSD, less `risk_aversion` times its square in per cent of the cash, times `reward_scale`. An episode is terminated
    where its market is resolved (what is held is worth its payout), and truncated where its bars end. Without arguments
    it plays the agent slice of data/, or random walks where there is none.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by gymnasium

    def __init__(
        self,
        field: Field | None = None,
        par: FloatArray | None = None,
        cash_micro: int = 10_000 * MICRO,
        episode_bars: int = 512,
        reward_scale: float = 1.0,
        episode: tuple[int, int] | None = None,
        continuous: bool = False,
        risk_aversion: float = 0.0,
    ) -> None:
        if field is None or par is None:
            field, par = shipped()
        self._lanes = Lanes(field, par, 1, cash_micro)
        self._episodes = Episodes(field, episode_bars)
        self._fixed = episode
        self._scale = reward_scale
        self._aversion = risk_aversion * 100.0 * MICRO / cash_micro
        self._action = np.zeros(1, dtype=np.int64)
        self._fraction = np.zeros(1)
        self._which = np.zeros(1, dtype=np.int64)
        self._continuous = continuous
        self._over = True
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32) if continuous else spaces.Discrete(9)
        self.observation_space = spaces.Box(*field.bounds, dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """A fresh account at a drawn (or the given) market and start."""
        super().reset(seed=seed)
        first, last = self._episodes.draw(self.np_random, 1)
        if self._fixed is not None:
            first, last = np.array([self._fixed[0]]), np.array([self._fixed[1]])
        self._lanes.place(self._which, first, last)
        self._over = False
        return self._lanes.observations[0].copy(), self._info()

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Decide at this bar, fill and mark at the next.

        Raises:
            ResetNeeded: if the episode is over or none has begun.
            InvalidAction: if a discrete action is not one of the nine.
        """
        if self._over:
            raise ResetNeeded("step was called without an episode; call reset first")
        lanes = self._lanes
        if self._continuous:
            lanes.step(*decoded(np.asarray(action)))
        else:
            if not 0 <= action < len(DIRECTION_OF):
                raise InvalidAction(f"the action was {action!r}; it is one of 0 to {len(DIRECTION_OF) - 1}")
            self._action[0] = DIRECTION_OF[action]
            self._fraction[0] = FRACTION_OF[action]
            lanes.step(self._action, self._fraction)
        gained = float(lanes.rewards[0])
        reward = (gained - self._aversion * gained * gained) * self._scale
        self._over = bool(lanes.dones[0])
        terminated = self._over and lanes.resolved(0)
        return lanes.observations[0].copy(), reward, terminated, self._over and not terminated, {}

    def _info(self) -> dict[str, Any]:
        return {"equity_micro": self.equity_micro}

    @property
    def equity_micro(self) -> int:
        """The account marked to mid, in base units."""
        return int(self._lanes.state[0, compiled.EQUITY])

    @property
    def state(self) -> NDArray[np.int64]:
        """The columns of the account, as named in `trading.compiled`."""
        account: NDArray[np.int64] = self._lanes.state[0]
        return account
