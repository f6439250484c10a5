"""Profiles: several bots of one clone, each with its own parameters, settings, account, journal and port.

A profile is a folder `profiles/NAME` with `params.yaml`, `.env` and `var/`. The variable ODDSMITH_PROFILE names the one
that a process belongs to; `oddsmith --profile NAME` sets it.
"""

import os
import re
from pathlib import Path
from typing import Final

from pipelines.core.errors import SettingError

VARIABLE: Final = "ODDSMITH_PROFILE"
FOLDER: Final = Path("profiles")
"""In the working folder of the clone."""


def check_name(name: str) -> str:
    """The name, if it can be a folder and a label.

    Raises:
        SettingError: for any other text.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name) or name == "default":
        raise SettingError(
            f"the profile was {name!r}; a name is up to 31 lower case letters, digits and hyphens, and not `default`"
        )
    return name


def folder(name: str) -> Path:
    """Where a profile keeps everything."""
    return FOLDER / check_name(name)


def parameters_file() -> Path:
    """params.yaml of this process: the profile's, or the clone's."""
    name = os.environ.get(VARIABLE, "")
    return folder(name) / "params.yaml" if name else Path("params.yaml")


def settings_file() -> Path:
    """The file of settings of this process: the profile's, or the clone's. A profile never reads the clone's: the key
    of another account may be in it."""
    name = os.environ.get(VARIABLE, "")
    return folder(name) / ".env" if name else Path(".env")


def names() -> list[str]:
    """Profiles that there are in the working folder; one that is half made (`.NAME.partial`) is none."""
    return sorted(path.parent.name for path in FOLDER.glob("[!.]*/params.yaml"))
