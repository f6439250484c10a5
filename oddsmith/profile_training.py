"""Train a profile that has its own champion: the stages of the clone, in the profile's folder.

What they make (`data`, `models`, `reports`) lies there too.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from flows.child_environment import command_environment
from oddsmith import profiles
from pipelines.commands import STAGES
from pipelines.core import profile_paths
from pipelines.core.errors import ArtifactError, SettingError
from pipelines.core.products import report_json
from pipelines.core.settings import Settings
from pipelines.inference.verdict import PROMOTING

ROOT: Final = Path(__file__).resolve().parents[1]

GATE: Final = report_json("gate")

LOG: Final = "reports/training.log"
"""Below the profile's folder: what the stages said, the newest at the end."""


def train(name: str, source: str, recording: str | None, *, fresh: bool) -> str:
    """Every stage for the markets of a profile, and the promotion if the gate allows it; a line for people.

    Raises:
        SettingError: if there is no such profile, or it trades the clone's champion.
        ArtifactError: if a stage fails; it has said why.
    """
    folder = profile_paths.folder(name)
    if not (folder / "params.yaml").is_file():
        raise SettingError(f"there is no profile {name}; `oddsmith profiles add {name} --family 5m` makes a family")
    if profiles.values(folder / ".env").get("ODDSMITH_CHAMPION") != "own":
        raise SettingError(
            f"profile {name} trades the clone's champion, so it trains nothing; set ODDSMITH_CHAMPION=own in"
            f" {folder / '.env'}, or make one with --champion own"
        )
    given = [*(["--recording", str(Path(recording).resolve())] if recording else []), *(["--fresh"] if fresh else [])]
    _run(folder, "pipelines", "window", "--source", source, *given)
    for stage in STAGES:
        _run(folder, "pipelines", stage)
    judged = json.loads((folder / GATE).read_text(encoding="utf-8"))
    if judged["verdict"] not in PROMOTING:
        return f"profile {name}: the gate says {judged['verdict']}: {' '.join(judged['reasons'])}"
    _run(folder, "flows", "promote")
    return f"profile {name}: promoted; `oddsmith --profile {name} serve` trades it"


def _run(folder: Path, package: str, *command: str) -> None:
    """A command in the profile's folder: a line with its seconds; all that it says goes to the log."""
    shown, log, begun = f"{package} {' '.join(command)}", folder / LOG, time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        out.write(f"== {shown}\n".encode())
        out.flush()
        start = out.tell()
        call = [sys.executable, "-m", package, *command]
        result = subprocess.run(call, cwd=folder, env=_environment(), stdout=out, stderr=out, check=False)
    if result.returncode != 0:
        said = log.read_bytes()[start:].decode("utf-8", "replace").strip().splitlines()
        raise ArtifactError(f"`{shown}` failed: {said[-1] if said else 'without a word'} (all that it said: {log})")
    print(f"{command[0]:<10} {time.monotonic() - begun:6.1f} s", flush=True)  # noqa: T201 - progress for a person


def _environment() -> dict[str, str]:
    """The clone's, without the account of its bot: the profile's own settings lie in the folder of the command."""
    kept = {key: value for key, value in command_environment().items() if key not in profiles.OF_AN_ACCOUNT}
    kept.pop(profile_paths.VARIABLE, None)
    kept |= profiles.venue(Settings())
    for own in ("ODDSMITH_VAR", "ODDSMITH_MAIN_VAR", "ODDSMITH_JOURNAL_URL"):
        kept.pop(own, None)
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH", ""))))
    return kept
