"""N markets in one compiled call, as the vector environment that Stable-Baselines3 trains on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from pipelines.agent.env import Episodes
from pipelines.replay.lanes import Lanes, decoded


class MarketVecEnv(VecEnv):
    """Lanes that start again at a drawn market and time when their episode is truncated or its market resolved.

    Rewards are changes of equity in per cent of the initial cash, less `risk_aversion` times their square, times
    `reward_scale`.
    """

    def __init__(
        self,
        lanes: Lanes,
        episode_bars: int,
        seed: int,
        *,
        continuous: bool = False,
        risk_aversion: float = 0.0,
        reward_scale: float = 1.0,
    ) -> None:
        self.render_mode = None
        count = len(lanes.state)
        actions = spaces.Box(-1.0, 1.0, (1,), np.float32) if continuous else spaces.Discrete(9)
        super().__init__(count, spaces.Box(*lanes.field.bounds, dtype=np.float32), actions)
        self.lanes = lanes
        self.continuous = continuous
        self._episodes = Episodes(lanes.field, episode_bars)
        self._rng = np.random.default_rng(seed)
        self._all = np.arange(count)
        self._scale = 100.0 * 1e6 / lanes.cash_micro
        self._aversion = risk_aversion
        self._reward_scale = reward_scale
        self._actions: NDArray[Any] = np.zeros(count, dtype=np.int64)
        self._returns = np.zeros(count)
        self._lengths = np.zeros(count, dtype=np.int64)
        self.reset_infos = [{} for _ in range(count)]

    def reset(self) -> NDArray[np.float32]:
        """Fresh accounts everywhere."""
        self._begin(self._all)
        return self.lanes.observations.copy()

    def _begin(self, which: NDArray[np.int64]) -> None:
        self.lanes.vary(which, self._rng)
        self.lanes.place(which, *self._episodes.draw(self._rng, len(which)))
        self._returns[which] = 0.0
        self._lengths[which] = 0

    def step_async(self, actions: NDArray[Any]) -> None:
        """Remember the actions."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[Any], list[dict[str, Any]]]:
        """One bar everywhere; lanes at their end report their last observation and start again."""
        lanes = self.lanes
        lanes.step(*decoded(self._actions))
        gained = lanes.rewards * self._scale
        rewards = (self._reward_scale * (gained - self._aversion * gained * gained)).astype(np.float32)
        self._returns += rewards
        self._lengths += 1
        dones = lanes.dones.copy()
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(dones)
        if len(ended):
            for lane in ended.tolist():
                infos[lane] = {
                    "terminal_observation": lanes.observations[lane].copy(),
                    "TimeLimit.truncated": not lanes.resolved(lane),
                    "episode": {"r": float(self._returns[lane]), "l": int(self._lengths[lane]), "t": 0.0},
                }
            self._begin(ended)
        return lanes.observations.copy(), rewards, dones, infos

    def snapshot(self) -> dict[str, Any]:
        """Copies of everything that the next step depends on."""
        return {"arrays": [array.copy() for array in self._kept()], "rng": self._rng.bit_generator.state}

    def restore(self, kept: dict[str, Any]) -> None:
        """Stand where a snapshot was taken."""
        for array, old in zip(self._kept(), kept["arrays"], strict=True):
            array[:] = old
        self._rng.bit_generator.state = kept["rng"]

    def _kept(self) -> list[NDArray[Any]]:
        return [self.lanes.state, self.lanes.observations, self._returns, self._lengths, *self.lanes.drawn()]

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Draw the episodes from now on as this seed says; None takes one from the machine."""
        self._rng = np.random.default_rng(seed)
        return [seed] * self.num_envs

    def close(self) -> None:
        """Nothing to release."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute of this object, once per lane."""
        return [getattr(self, attr_name)] * len(self._chosen(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of this object."""
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Call a method of this object, once."""
        return [getattr(self, method_name)(*args, **kwargs)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Lanes have no wrappers."""
        return [False] * len(self._chosen(indices))

    def _chosen(self, indices: Any) -> Sequence[int]:
        return list(self._get_indices(indices))
