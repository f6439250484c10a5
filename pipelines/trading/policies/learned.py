"""A trained agent as ONNX: nine actions, three sizes times short, close, long."""

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.core.domain import Direction, Position
from pipelines.core.errors import ArtifactError
from pipelines.trading.policies.base import CASH, DEAD_ZONE, Inputs, Observation, Target

SIZES = (0.25, 0.5, 1.0)
ACTIONS = tuple(Target(Direction(index % 3 - 1), SIZES[index // 3]) for index in range(9))
"""Action k: size k // 3 of (25, 50, 100 %) of the cap, direction k % 3 of (short, close, long)."""


class Learned:
    """Runs `policy.onnx`: float32 (n, 20) or (n, 27) -> actions (n,), int64 of nine or float in [-1, 1]."""

    uses_forecast = True
    reads_observation = True

    def __init__(self, path: Path, *, kind: str = "ppo", **_: Any) -> None:
        self._open(path.read_bytes(), kind)

    def _open(self, network: bytes, kind: str) -> None:
        import onnxruntime  # noqa: PLC0415 - rules without learning need no runtime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.kind = kind
        self._network = network
        self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self.size = int(self._session.get_inputs()[0].shape[1])

    def __getstate__(self) -> tuple[bytes, str]:
        """The network and its kind: a worker elsewhere has no file of it."""
        return self._network, self.kind

    def __setstate__(self, state: tuple[bytes, str]) -> None:
        self._open(*state)

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The target of the most probable action."""
        if observation is None:
            raise ArtifactError("a learned policy was asked without an observation; decide() has to compute it")
        action = self._session.run(None, {self._input: observation[None, : self.size]})[0][0]
        if isinstance(action, np.integer):
            return ACTIONS[int(action)]
        return CASH if abs(action) <= DEAD_ZONE else Target(Direction(int(np.sign(action))), float(abs(action)))

    def actions(self, observations: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Actions of many observations at once."""
        result: np.ndarray[Any, Any] = self._session.run(None, {self._input: observations[:, : self.size]})[0]
        return result
