"""`oddsmith --profile NAME` and `oddsmith profiles`: several bots of one clone."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from flows.edit_params import change
from flows.local.ports import DEFAULTS
from pipelines.core import profile_paths
from pipelines.core.artifacts import private_folder, write_secret
from pipelines.core.errors import SettingError
from pipelines.core.params import nearest, read
from pipelines.core.settings import Mode, Settings
from pipelines.trading import policies
from pipelines.trading.policies.registry import STRATEGIES

OF_A_PROFILE: Final = frozenset(
    {
        *("serve", "stop", "status", "doctor", "messages", "reset-baseline", "upgrade", "markets", "profiles"),
        *("pause", "resume", "close", "params", "trades", "pnl", "funnel", "query", "champions", "parity", "drift"),
        *("backup", "restore", "completion", "data record", "ingest"),
    }
)
"""Commands that a profile has. All others make models and data: those of a profile with its own champion come from
`oddsmith profiles train`."""


OF_AN_ACCOUNT: Final = (
    *(f"ODDSMITH_{name}" for name in ("PRIVATE_KEY", "FUNDER", "SIGNATURE_TYPE", "LIVE", "MODE", "ARM_UNAPPROVED")),
    *(f"ODDSMITH_{name}" for name in ("PINNED_POLICY", "CHAMPION", "SERVICE_PORT", "PAGE_URL", "SERVICE_TOKEN")),
)
"""Variables of the clone's environment that a profile never takes over: they are another bot's account and place."""


def enter(name: str, command: str) -> None:
    """Let this process belong to a profile: its settings are those of `profiles/NAME/.env`; what is not set there lies
    in its folder.

    Raises:
        SettingError: if there is no such profile, or the command belongs to the clone.
    """
    folder = profile_paths.folder(name)
    if not (folder / "params.yaml").is_file():
        known = profile_paths.names()
        raise SettingError(
            f"there is no profile {name}{nearest(name, known) if known else ''}; `oddsmith profiles add {name}` makes "
            "it"
        )
    if not OF_A_PROFILE & {command, command.split(maxsplit=1)[0]}:
        raise SettingError(
            f"`oddsmith {command}` makes what all profiles share; run it without --profile. A profile has: "
            f"{', '.join(sorted(OF_A_PROFILE))}"
        )
    clone = Settings()
    for variable in OF_AN_ACCOUNT:
        os.environ.pop(variable, None)
    found = venue(clone) | {
        "ODDSMITH_MAIN_VAR": str(clone.var.resolve()),
        "ODDSMITH_VAR": str((folder / "var").resolve()),
        "ODDSMITH_KILL_SWITCH": str((folder / "var" / "KILL").resolve()),
        "ODDSMITH_SIMULATED_KEY": str((folder / "var" / "simulated.key").resolve()),
        "ODDSMITH_JOURNAL_URL": "",
    }
    os.environ[profile_paths.VARIABLE] = name
    own = values(folder / ".env")
    # What the profile sets wins over what the clone's process exported: its account must be its own.
    os.environ.update({key: value for key, value in found.items() if key not in own} | own)


def venue(clone: Settings) -> dict[str, str]:
    """The exchange of the system that runs in the clone, for a simulated profile."""
    from flows.local.attach import venue_of_running  # noqa: PLC0415 - for profiles alone

    return venue_of_running(clone)


def values(path: Path) -> dict[str, str]:
    """What a file of settings sets."""
    from dotenv import dotenv_values  # noqa: PLC0415 - for profiles alone

    return {key: value for key, value in dotenv_values(path).items() if value is not None} if path.is_file() else {}


def add(name: str, mode: str, port: int | None, policy: str, champion: str, changes: Sequence[str] = ()) -> str:
    """Make a profile: a copy of the clone's params.yaml with some changes, settings of its own, an empty `var`; a line
    for people.

    Raises:
        SettingError: if the name is none or taken, the port is another profile's, or a policy is pinned in mode live.
        ArtifactError: if no policy has this kind.
    """
    folder = profile_paths.folder(name)
    if folder.exists():
        raise SettingError(f"{folder} exists already; change its params.yaml and .env, or choose another name")
    taken = {int(found) for other in profile_paths.names() if (found := _port(other))}
    chosen = port or next(free for free in range(DEFAULTS["service"] + 1, 65_536) if free not in taken)
    if chosen in taken:
        raise SettingError(f"the port was {chosen}, which another profile has; leave --port away for the next free one")
    if policy and mode == Mode.LIVE.value:
        raise SettingError(f"the policy was {policy} in mode live; pin one for simulated and paper trading alone")
    if policy:
        policies.pinnable(policy, read(Path("params.yaml")))
    lines = [f"ODDSMITH_MODE={mode}", f"ODDSMITH_SERVICE_PORT={chosen}", f"ODDSMITH_CHAMPION={champion}"]
    lines += [f"ODDSMITH_PINNED_POLICY={policy}"] if policy else []
    partial = folder.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    private_folder(partial / "var")
    shutil.copyfile("params.yaml", partial / "params.yaml")
    if changes:
        change(changes, partial / "params.yaml")
    if STRATEGIES.is_dir():
        (partial / STRATEGIES).symlink_to(STRATEGIES.resolve())
    write_secret(partial / ".env", "\n".join(lines) + "\n")
    partial.replace(folder)
    pinned = f", policy {policy} pinned" if policy else ""
    return (
        f"made {folder}: mode {mode}, port {chosen}, {champion} champion{pinned}\n"
        f"`oddsmith --profile {name} serve` starts it; http://127.0.0.1:{chosen}/profiles shows all"
    )


def _port(name: str) -> str | None:
    return values(profile_paths.folder(name) / ".env").get("ODDSMITH_SERVICE_PORT")


def show(*, as_json: bool) -> None:
    """Print every profile: its mode, page and whether it runs."""
    found = list(_profiles())
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    for one in found:
        pinned = f", policy {one['policy']} pinned" if one["policy"] else ""
        sys.stdout.write(
            f"{one['profile']:<16} mode {one['mode']}, {one['champion']} champion{pinned}  {one['page']}\n"
        )
    if not found:
        sys.stdout.write("there is no profile; `oddsmith profiles add NAME` makes one\n")


def _profiles() -> Iterator[dict[str, Any]]:
    for name in profile_paths.names():
        own = values(profile_paths.folder(name) / ".env")
        yield {
            "profile": name,
            "mode": own.get("ODDSMITH_MODE", "simulated"),
            "champion": own.get("ODDSMITH_CHAMPION", "shared"),
            "policy": own.get("ODDSMITH_PINNED_POLICY", ""),
            "page": f"http://127.0.0.1:{own.get('ODDSMITH_SERVICE_PORT', DEFAULTS['service'])}/",
        }
