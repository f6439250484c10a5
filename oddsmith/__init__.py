"""The program `oddsmith`, and what a notebook imports: `import oddsmith as om`.

* `commands`: the tree of commands; each is declared once, in the `commands.py` of the package that does the work.
* `__main__`: what is typed is parsed, checked and dispatched; nothing heavy is imported before.
* `parameters`, `live`, `answers`, `completion`, `backtests`: the few commands that belong to no package below.
* `notebook`, `plots`: `load_bars`, `load_trades`, `backtest`, `compare`, `plot_market`, `plot_forecast`, `plot_equity`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oddsmith.notebook import Backtest, backtest, compare, load_bars, load_equity, load_trades
    from oddsmith.plots import plot_equity, plot_forecast, plot_market

__all__ = [
    "Backtest",
    "backtest",
    "compare",
    "load_bars",
    "load_equity",
    "load_trades",
    "plot_equity",
    "plot_forecast",
    "plot_market",
]


def __getattr__(name: str) -> Any:
    """What a notebook asks for, loaded at the first question, so that the command line waits for none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    module = "oddsmith.plots" if name.startswith("plot_") else "oddsmith.notebook"
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
