"""Where the live process finds its files: next to the packages in a bento, else in the working directory."""

from pathlib import Path

from pipelines.core import params, profile_paths
from pipelines.core.params import Params

HOME = Path(__file__).resolve().parent.parent
"""Folder that holds the packages: the repository, or `src` of a bento."""

EMBEDDED = HOME / "bundle"
"""The sealed bundle of a bento; absent in the repository."""

DASHBOARD = Path(__file__).resolve().parent / "dashboard"
"""The static page."""


def parameters_file() -> Path:
    """What a bot reads when it is asked for other limits: params.yaml of the working directory, else of the bento."""
    own = profile_paths.parameters_file()
    return own if own.is_file() else HOME / "params.yaml"


def parameters() -> Params:
    """params.yaml of the working directory, or the one that was built into the bento."""
    own = HOME / "params.yaml"
    return params.read(own) if EMBEDDED.is_dir() and own.is_file() else params.load()
