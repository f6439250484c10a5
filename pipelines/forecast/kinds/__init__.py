"""Forecasters, one module each with its `FORECASTER`. A file that is added here is known everywhere by its name.

`find` also loads a forecaster from outside the program by its module path. Importing a module loads what it trains
with; `pipelines.core.kinds` lists the names without that.
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from pipelines.core.artifacts import sha256_file
from pipelines.core.errors import ParameterError
from pipelines.core.kinds import forecasters, is_module_path
from pipelines.forecast.forecaster import Forecaster


def find(kind: str) -> Forecaster:
    """The forecaster of a kind.

    Raises:
        ParameterError: if the kind is unknown, its module cannot be imported, or declares no forecaster.
    """
    found = getattr(_module(kind), "FORECASTER", None)
    if not isinstance(found, Forecaster):
        raise ParameterError(f"forecast.kind was {kind!r}: its module declares no FORECASTER = Forecaster(...)")
    return found


def source(kind: str) -> dict[str, Any] | None:
    """Module and SHA-256 of the file of a forecaster from outside the program; None for one that comes with it."""
    if not is_module_path(kind):
        return None
    file = _module(kind).__file__
    assert file is not None, "a module that declares a forecaster has a file"
    return {"module": kind, "sha256": sha256_file(Path(file))}


def _module(kind: str) -> ModuleType:
    if kind in forecasters():
        return importlib.import_module(f"{__name__}.{kind}")
    if not is_module_path(kind):
        raise ParameterError(f"forecast.kind was {kind!r}; known kinds are {', '.join(forecasters())}")
    try:
        return importlib.import_module(kind)
    except ImportError as error:
        raise ParameterError(
            f"forecast.kind was {kind!r} and the module cannot be imported ({error}); put the file"
            f" {kind.replace('.', '/')}.py below the working folder, or install its package"
        ) from None
