"""Measurements of many members (league, stacks, tune) in MLflow: one run each, with a nested run per member."""

import os
from collections.abc import Mapping
from typing import Any

from flows.local.attach import surroundings
from pipelines.core import log
from pipelines.core.settings import Settings


def remember(name: str, settings: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell the MLflow of this machine; whether it was told. Where none was ever used nothing is made for this alone,
    and one that does not answer is said: hours of measuring are not lost for it."""
    server = os.environ.get("MLFLOW_TRACKING_URI")
    if not server and not (Settings().var / "mlflow.db").is_file():
        return False
    before = dict(os.environ)
    try:
        os.environ.update(surroundings(Settings()))
        from flows import tracking  # noqa: PLC0415 - MLflow reads its address when it is loaded

        tracking.log_study(name, settings, rows)
    except Exception as error:  # whatever a broken store raises
        log.get(name).warning("MLflow was not told", error=f"{type(error).__name__}: {error}")
        return False
    finally:
        # What this process does next is not a part of the running system.
        os.environ.clear()
        os.environ.update(before)
    return True
