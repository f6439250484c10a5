"""Backtests that were kept: a folder each in `var/backtests`, whole or not there."""

import re
from pathlib import Path
from typing import Any

from pipelines.backtest import report
from pipelines.core.artifacts import read_json, replaced_folder, write_bytes, write_json
from pipelines.core.errors import DataError, ParameterError
from pipelines.study import page
from pipelines.study.own import Played

PAGE = "report.html"


def keep(played: Played, folder: Path, name: str) -> Path:
    """Write a backtest under a name, in place of an earlier one of that name; its folder.

    Raises:
        ParameterError: if the name cannot be that of a folder.
    """
    if not re.fullmatch(r"[\w.-]{1,80}", name) or name.startswith("."):
        raise ParameterError(f"--name was {name!r}; give up to 80 letters, digits, points, hyphens and underscores")
    run, markets = played.runs[0], played.comparison.tape.markets
    with replaced_folder(folder / name) as made:
        write_json(made / page.DOCUMENT, {"name": name} | played.document)
        write_bytes(made / page.TRADES, report.trades_csv(run, markets).encode())
        write_bytes(made / "equity.csv", report.equity_csv(report.once(played.runs)).encode())
        write_bytes(made / PAGE, page.page(played).encode())
    return folder / name


def read(folder: Path, name: str) -> dict[str, Any]:
    """The document of a backtest that was kept.

    Raises:
        DataError: naming those that there are.
    """
    path = folder / name / page.DOCUMENT
    if not path.is_file():
        kept = ", ".join(names(folder)) or "none yet: `oddsmith backtest --policy X --name NAME` keeps one"
        raise DataError(f"there is no backtest {name!r}; kept are {kept}")
    return dict(read_json(path))


def names(folder: Path) -> list[str]:
    """Backtests that are kept, by name."""
    return sorted(path.parent.name for path in folder.glob(f"*/{page.DOCUMENT}"))
