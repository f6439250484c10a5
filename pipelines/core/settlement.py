"""How a market of a reference price is settled: which price, how it is taken at both ends, and what pays.

A value of `Market`. `pipelines.venue.settlement_rules` reads it from a listing's text, `pipelines.reference.fair`
prices it, and the simulator states it.
"""

import json
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from pipelines.core.errors import DataError


class RuleKind(StrEnum):
    """How the settling price is taken."""

    SPOT = "spot"
    """The price at a moment."""
    TWAP = "twap"
    """The mean over the last `average_s` seconds before a moment, every instant with the same weight."""
    CANDLE = "candle"
    """Open and close of an exchange's candle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The rule of one market. YES (or Up) pays when the price at `end_s` is at least `strike` (and below `upper`)."""

    symbol: str
    """The asset in capitals, such as BTC."""
    source: str
    """Whose price: chainlink or binance."""
    kind: RuleKind
    start_s: int
    end_s: int
    average_s: int = 0
    """Length of the average; 0 for a spot price or a candle. Unit: seconds."""
    strike: float | None = None
    """The level; None where it is the price at `start_s`, taken by the same rule."""
    upper: float | None = None
    """End of a range, not included; None where there is none."""

    @property
    def name(self) -> str:
        """What people call the rule.

        >>> Settlement(symbol="BTC", source="chainlink", kind=RuleKind.TWAP, start_s=0, end_s=300, average_s=60).name
        'twap 60'
        """
        return f"{self.kind} {self.average_s}" if self.average_s else str(self.kind)

    @property
    def length_s(self) -> int:
        """Seconds from the start of the range to its end."""
        return self.end_s - self.start_s

    def text(self) -> str:
        """One line of JSON that `parse` reads back."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def parse(cls, text: str | None) -> "Settlement | None":
        """The rule that `text` described; None for an empty text.

        Raises:
            DataError: if it is something else.
        """
        if not text:
            return None
        try:
            return cls.of(json.loads(text))
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(
                f"a settlement rule was {text[:80]!r} ({error}); pull the markets again, or correct the column"
            ) from None

    @classmethod
    def of(cls, document: dict[str, Any] | None) -> "Settlement | None":
        """The rule of a mapping with its fields; None for None."""
        if document is None:
            return None
        known = {field.name for field in fields(cls)}
        if unknown := document.keys() - known:
            raise KeyError(f"unknown {', '.join(sorted(unknown))}")
        return cls(**{**document, "kind": RuleKind(document["kind"])})
