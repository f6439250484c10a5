"""Where the live process finds its files: beside the packages in a bento, else in the working directory."""

import os
from pathlib import Path

from pipelines.core import params
from pipelines.core.params import Params
from pipelines.core.products import BUNDLE

HOME = Path(__file__).resolve().parent.parent
"""Folder that holds the packages: the repository, or `src` of a bento."""

EMBEDDED = HOME / "bundle"
"""The sealed bundle of a bento; absent in the repository."""

CANDIDATE = BUNDLE
"""What the last run of `package` wrote."""

DASHBOARD = Path(__file__).resolve().parent / "dashboard"
"""The static page."""


def parameters() -> Params:
    """params.yaml of the working directory, or the one that was built into the bento."""
    own = HOME / "params.yaml"
    return params.read(own) if EMBEDDED.is_dir() and own.is_file() else params.load()


def bento_store(var: Path) -> Path:
    """BENTOML_HOME of a machine: never inside the build context, else the copy would contain itself."""
    return Path(os.environ.get("BENTOML_HOME", str((var / "bento").absolute())))
