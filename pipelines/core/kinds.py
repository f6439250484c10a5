"""Names of the forecasters: each module in pipelines/forecast/kinds, and module paths of those outside the program.

Parameters are checked before anything heavy is imported, so the folder is listed and its modules are not loaded here.
"""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

FOLDER = Path(__file__).parents[1] / "forecast" / "kinds"


def forecasters() -> tuple[str, ...]:
    """Names of the forecasters that come with the program, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_")))


def is_module_path(kind: str) -> bool:
    """Whether a kind names a module outside the program, such as `strategies.my_forecaster`."""
    parts = kind.split(".")
    return len(parts) > 1 and all(part.isidentifier() for part in parts)


def _known(kind: str) -> str:
    # A bento carries no training code: what forecast its bundle holds was decided when it was trained.
    if not FOLDER.is_dir() or kind in forecasters() or is_module_path(kind):
        return kind
    raise ValueError(
        f"known kinds are {', '.join(forecasters())}; one of your own is named by its module, such as"
        " strategies.my_forecaster for the file strategies/my_forecaster.py"
    )


ForecasterKind = Annotated[str, AfterValidator(_known)]
"""A forecaster of the program, or the module path of one outside."""
