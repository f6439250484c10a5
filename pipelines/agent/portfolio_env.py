"""The markets of one account as agents of PettingZoo's parallel API, on the compiled account.

Each market of a tape is an agent that lives until its last bar. Before each step the account plays on to the next bar
at which the limits leave an entry open in some market; those markets are asked, the others have one action, which does
nothing. All of them share the account, so all get the same reward: the change of its equity. One policy for all of
them is trained centrally and decides alone: an observation ends with the account's exposure and the others' claims.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.replay.account import AccountRun, AccountTape
from pipelines.replay.lanes import decoded
from pipelines.trading import compiled
from pipelines.trading import compiled_account as code
from pipelines.trading.observation import LEAST_COST

NOTHING = 1
"""The action that opens nothing: close, in a market without a position."""
SHARED = ("exposure_used", "places_used", "rivals", "own_claim", "best_rival")
"""What an observation says of the account and of the other markets that are asked at this bar: the share of the
exposure limit and of the places that is taken, the number of rivals over five, and the expected moves in round trips
over five, the own one and the largest of the rivals."""
ACTIONS = 9

Seen = dict[str, NDArray[Any]]


class PortfolioEnv(ParallelEnv[str, Seen, int]):  # type: ignore[misc] # the library has no types
    """One account in all markets of a tape; `keep` (numbers of the tuned rule) leaves what is held.

    Observation: `observation`, the 20 or 27 numbers of a market's agent and those of SHARED (0 where the market is not
    Observation: `observation`, the 20 or 27 numbers of a market's agent and those of SHARED (0 where the market is not
    asked), and `action_mask` (9,). Action k is that of `oddsmith/Market-v0`. Actions take their room in the order of
    the tape. Rewards are in per cent of the initial cash. An agent is terminated at its market's last bar; when nothing
    is left to decide, all that are left are truncated.
    """

    metadata: dict[str, Any] = {"name": "oddsmith_portfolio_v0", "render_modes": []}  # noqa: RUF012 - so declared there

    def __init__(self, tape: AccountTape, par: FloatArray, keep: FloatArray, cash_micro: int = 10_000 * MICRO) -> None:
        self._tape, self._par, self._keep, self._cash = tape, par, keep, cash_micro
        self.render_mode = None
        self.possible_agents = [f"market_{number}" for number in range(len(tape.field.first))]
        low, high = tape.field.bounds
        more = np.full(len(SHARED), 1e3, dtype=np.float32)
        seen = spaces.Box(np.append(np.minimum(low, 0), -more), np.append(np.maximum(high, 0), more), dtype=np.float32)
        one: dict[str, spaces.Space[Any]] = {"observation": seen, "action_mask": spaces.Box(0, 1, (ACTIONS,), np.int8)}
        self.observation_spaces = {name: spaces.Dict(one) for name in self.possible_agents}
        self.action_spaces = {name: spaces.Discrete(ACTIONS) for name in self.possible_agents}
        self._last_s = tape.field.bars[tape.field.last, compiled.TS]
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The space of a market's observations; the same object every time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The nine actions of a market; the same object every time."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Seen], dict[str, dict[str, Any]]]:
        """A fresh account at its first bar that leaves an entry open. Nothing is drawn: a tape is what it is."""
        self.agents = list(self.possible_agents)
        self._run = AccountRun(self._tape, self._par, self._cash, self._keep)
        self._run.advance()
        self._equity = self._cash
        return self._observed(self.agents), {name: {} for name in self.agents}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Seen], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Decide in the markets that are asked, and play on to the next bar at which one of them is."""
        run, acting = self._run, list(self.agents)
        wanted = np.array([int(actions.get(self._name(row), NOTHING)) for row in run.asked], dtype=np.int64)
        if len(wanted) and not ((wanted >= 0) & (wanted < ACTIONS)).all():
            raise ValueError(f"actions are 0 to {ACTIONS - 1}, were {sorted(set(wanted.tolist()))}")
        run.answer(*decoded(wanted))
        over = not run.advance()
        worth, now_s = run.equity_micro, run.now_s
        reward = 100.0 * (worth - self._equity) / self._cash
        self._equity = worth
        ended = {name: bool(self._last_s[self._number(name)] <= now_s) for name in acting}
        cut = {name: over and not ended[name] for name in acting}
        self.agents = [name for name in acting if not (ended[name] or cut[name])]
        return self._observed(acting), dict.fromkeys(acting, reward), ended, cut, {name: {} for name in acting}

    def _observed(self, agents: list[str]) -> dict[str, Seen]:
        width = self._tape.field.observation_size + len(SHARED)
        mask = np.zeros(ACTIONS, dtype=np.int8)
        mask[NOTHING] = 1
        idle: dict[str, Seen] = {
            name: {"observation": np.zeros(width, dtype=np.float32), "action_mask": mask.copy()} for name in agents
        }
        for at, row in enumerate(self._run.asked):
            name = self._name(row)
            if name in idle:
                idle[name]["observation"][:] = np.append(self._run.observations[at], self._shared(at))
                idle[name]["action_mask"][:] = 1
        return idle

    def _shared(self, at: int) -> NDArray[np.float32]:
        signals, account = self._tape.signals[self._run.asked], self._run.account
        claims = np.abs(signals[:, code.MOVE]) / np.maximum(signals[:, code.ROUND_TRIP], LEAST_COST)
        used = account[code.STAKE] / max(account[code.WORTH] * self._par[compiled.EXPOSURE], 1.0)
        places = account[code.PLACES] / max(self._par[compiled.MAX_MARKETS], 1.0)
        others = np.delete(claims, at)
        best = others.max() if len(others) else 0.0
        told = np.array([used, places, len(others) / 5.0, claims[at] / 5.0, best / 5.0])
        clipped: NDArray[np.float32] = np.clip(told, -1e3, 1e3).astype(np.float32)
        return clipped

    def _name(self, row: int) -> str:
        return self.possible_agents[int(self._tape.field.bars[row, compiled.MARKET])]

    @staticmethod
    def _number(name: str) -> int:
        return int(name.removeprefix("market_"))

    def render(self) -> None:
        """Nothing is drawn."""

    def close(self) -> None:
        """Nothing to release."""
