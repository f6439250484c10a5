"""How much: cap = equity x min(largest fractions, fraction of Kelly x Kelly x confidence)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import read_json, write_json
from pipelines.core.domain import FloatArray


def kelly(win_probability: float, mean_win: float, mean_loss: float) -> float:
    """Kelly fraction p - (1 - p) / b with b = mean win / mean loss; 0 without wins, never above 1.

    >>> kelly(win_probability=0.75, mean_win=0.02, mean_loss=0.02)
    0.5
    """
    if mean_win <= 0.0 or win_probability <= 0.0:
        return 0.0
    if mean_loss <= 0.0:
        return win_probability
    return win_probability - (1.0 - win_probability) * mean_loss / mean_win


def cap_micro(
    equity_micro: int, max_fraction: float, kelly_fraction: float, kelly_full: float, confidence: float
) -> int:
    """Largest cost of a position in pUSD base units; 0 when Kelly is not positive.

    >>> cap_micro(10_000_000_000, max_fraction=0.05, kelly_fraction=0.25, kelly_full=0.5, confidence=0.8)
    500000000
    """
    fraction = min(max_fraction, kelly_fraction * kelly_full * confidence)
    return int(equity_micro * fraction) if fraction > 0.0 else 0


@dataclass(frozen=True, slots=True)
class SizingTable:
    """What trades of the threshold rule earned after costs, one for each bar on which it would have entered; wins and
    losses in pUSD per share. `signals` is the number of these bars."""

    win_probability: float
    mean_win: float
    mean_loss: float
    signals: int
    events: int

    @property
    def kelly(self) -> float:
        """Full Kelly fraction; not positive when the signals did not pay."""
        return kelly(self.win_probability, self.mean_win, self.mean_loss)

    @staticmethod
    def from_trades(net: FloatArray, events: int) -> "SizingTable":
        """The table of trades that earned `net` pUSD per share after costs, in so many events."""
        if len(net) == 0:
            return NO_SIGNALS
        won = net > 0.0
        mean_win, mean_loss = (float(some.mean()) if len(some) else 0.0 for some in (net[won], -net[~won]))
        return SizingTable(float(won.mean()), mean_win, mean_loss, len(net), events)

    @staticmethod
    def read(path: Path) -> "SizingTable":
        """The table of a file; raises ArtifactError when it is missing."""
        return SizingTable.of(read_json(path))

    @staticmethod
    def of(document: Mapping[str, Any]) -> "SizingTable":
        """The table of a parsed document; further keys are ignored."""
        names = ("win_probability", "mean_win", "mean_loss", "signals", "events")
        return SizingTable(*(document[name] for name in names))

    def write(self, path: Path) -> None:
        """Replace the file."""
        write_json(path, {name: getattr(self, name) for name in self.__slots__})


NO_SIGNALS = SizingTable(0.0, 0.0, 0.0, 0, 0)
"""Nothing was measured: Kelly is 0 and nothing that needs a forecast enters."""
