"""A trained agent as ONNX: nine actions, three sizes times short, close, long."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from pipelines.core.domain import Direction, Position
from pipelines.core.errors import ArtifactError
from pipelines.trading.kernel import round_trip_units
from pipelines.trading.policies.base import (
    CASH,
    DEAD_ZONE,
    DeclaredPolicy,
    Inputs,
    Observation,
    Target,
    held_direction,
)
from pipelines.trading.threshold_rule import MOVE_STEPS, expected_units, keeps

SIZES = (0.25, 0.5, 1.0)
ACTIONS = tuple(Target(Direction(index % 3 - 1), SIZES[index // 3]) for index in range(9))
"""Action k: size k // 3 of (25, 50, 100 %) of the cap, direction k % 3 of (short, close, long)."""


KEEP = ("exit_multiple", "max_hold_s", "impact_share")
"""Properties of a network that decides entries alone: the rule that leaves what is held travels with it."""


class Learned(DeclaredPolicy):
    """Runs `policy.onnx`: float32 (n, 20) or (n, 27) -> actions (n,), int64 of nine or float in [-1, 1].

    A network with the properties of KEEP is asked only without a position; what is held is left when the expected move
    points against it by `exit_multiple` round trips, or after `max_hold_s`.
    """

    candidate = True
    compared = False  # the backtest adds the one that was trained
    rank = 200
    reads_observation = True
    files = ("policy.onnx",)

    def __init__(self, path: Path) -> None:
        super().__init__(self.Parameters())
        self._open(path.read_bytes())

    @classmethod
    def make(cls, values: Mapping[str, Any], folder: Path | None = None) -> Self:
        """The network of a folder.

        Raises:
            ArtifactError: if the folder does not hold it.
        """
        cls.Parameters.model_validate(values)
        if folder is None or not (folder / cls.files[0]).is_file():
            raise ArtifactError(f"policy {cls.kind} needs {cls.files[0]} in {folder}; run the agent stage")
        return cls(folder / cls.files[0])

    def _open(self, network: bytes) -> None:
        import onnxruntime  # noqa: PLC0415 - rules without learning need no runtime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._network = network
        self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self.size = int(self._session.get_inputs()[0].shape[1])
        said = self._session.get_modelmeta().custom_metadata_map
        self.keep = tuple(float(said[name]) for name in KEEP) if all(name in said for name in KEEP) else None

    def __getstate__(self) -> bytes:
        """The network itself, because a worker on another machine has no file of it."""
        return self._network

    def __setstate__(self, state: bytes) -> None:
        self.parameters = self.Parameters()
        self._open(state)

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The target of the most probable action."""
        if observation is None:
            raise ArtifactError("a learned policy was asked without an observation; decide() has to compute it")
        if self.keep is not None and position is not None:
            return self._kept(inputs, position)
        action = self._session.run(None, {self._input: observation[None, : self.size]})[0][0]
        if isinstance(action, np.integer):
            return ACTIONS[int(action)]
        return CASH if abs(action) <= DEAD_ZONE else Target(Direction(int(np.sign(action))), float(abs(action)))

    def _kept(self, inputs: Inputs, position: Position) -> Target:
        assert self.keep is not None
        exit_multiple, max_hold_s, impact = self.keep
        bar, fee, held = inputs.bar, inputs.market.fee, held_direction(position)
        move = expected_units(inputs.forecast.move_from_next(MOVE_STEPS), bar.mid_units)
        cost = round_trip_units(inputs.quote.spread_units, bar.mid_units, impact, fee.rate, fee.exponent)
        stays = keeps(move, cost, exit_multiple, int(max_hold_s), held, bar.ts_s - position.opened_s)
        return Target(held, 1.0) if stays else CASH

    def actions(self, observations: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Actions of many observations at once."""
        result: np.ndarray[Any, Any] = self._session.run(None, {self._input: observations[:, : self.size]})[0]
        return result


class Ppo(Learned):
    """Proximal policy optimisation."""

    kind = "ppo"


class Dqn(Learned):
    """Deep Q network."""

    kind = "dqn"


class Qrdqn(Learned):
    """Quantile regression deep Q network."""

    kind = "qrdqn"


class Sac(Learned):
    """Soft actor-critic; one number in [-1, 1] per observation."""

    kind = "sac"
