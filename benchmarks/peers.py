"""Peers of the trading engine and of the table engines, each in a virtual environment of its own."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path("var/peers")
SCRIPTS = Path(__file__).parent / "peer_scripts"

PYTHONS = {"nautilus": "python3.12"}
"""Peers that need another Python: 1.221, the last nautilus_trader for 3.11, dies in `engine.run` with a double free."""


PACKAGES = {
    "gym-anytrading": "gym-anytrading==2.0.0",
    "vectorbt": "vectorbt==1.2.0",
    "hftbacktest": "hftbacktest==2.4.4",
    "nautilus": "nautilus_trader==1.231.0",
    "polars": "polars==2.1.0",
}

SPEEDS = {
    "gym_anytrading_steps_per_s": "gym-anytrading",
    "vectorbt_sweep_s": "vectorbt",
    "hftbacktest_events_per_s": "hftbacktest",
    "nautilus_events_per_s": "nautilus",
}


def run_all(only: Sequence[str] | None) -> dict[str, Any]:
    """Figures of the peers; null and a reason where one could not run."""
    figures: dict[str, Any] = {}
    for name, peer in SPEEDS.items():
        if only and name not in only:
            continue
        try:
            figures |= run(peer, "speed")
        except FAILURES as error:
            figures[name] = None
            figures[f"{name}_reason"] = reason(error)
        print(f"{name}: {figures[name]}", file=sys.stderr)
    return figures


def run(peer: str, script: str, *arguments: str) -> Any:
    """What one of the peer's scripts prints on its last line, as JSON; its environment is made where it is missing.

    Raises:
        OSError, subprocess.CalledProcessError, json.JSONDecodeError, IndexError: all of FAILURES; `reason` words them.
    """
    folder = FOLDER / peer
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        _environment(folder)
        command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", PACKAGES[peer]]
        subprocess.run(command, check=True, capture_output=True, text=True)
        (folder / "ready").touch()
    file = SCRIPTS / f"{peer.replace('-', '_')}_{script}.py"
    done = subprocess.run([str(python), str(file), *arguments], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def asked(peer: str, document: Any) -> Any:
    """What the peer's example makes of a document; raises as `run` does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "document.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return run(peer, "example", str(path))


FAILURES = (subprocess.CalledProcessError, json.JSONDecodeError, IndexError, OSError)
"""How a peer can fail to run."""


def reason(error: Exception) -> str:
    """The last line of what a peer that failed had to say."""
    detail = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
    return detail[-1][:200] if detail else "no message"


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
