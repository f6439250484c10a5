"""Whether the champion surely loses money on the gate slice: then it stops trading, also where nobody follows it."""

from dataclasses import asdict, dataclass
from typing import Any

from pipelines.core.params import Params
from pipelines.gate.contender import Contender
from pipelines.replay.bounds import total_bound


@dataclass(frozen=True)
class Losing:
    """What the champion's own policy made on the slice after costs, with one-sided upper bounds, in pUSD."""

    pnl_pusd: float
    upper_by_event: float
    upper_by_period: float

    @property
    def surely(self) -> bool:
        """Whether both bounds are below 0."""
        return max(self.upper_by_event, self.upper_by_period) < 0.0

    @property
    def text(self) -> str:
        """For people."""
        return (
            f"The champion made {self.pnl_pusd:+.2f} pUSD after costs on the gate slice; its upper bounds over events"
            f" and over periods are {self.upper_by_event:+.2f} and {self.upper_by_period:+.2f}. Both are below 0: it"
            " surely loses and is retired; nothing is opened until the gate promotes another bundle."
        )

    def document(self) -> dict[str, Any]:
        """For the report."""
        bounds = {name: value if value < float("inf") else None for name, value in asdict(self).items()}
        return {**bounds, "surely": self.surely, "text": self.text if self.surely else ""}


def judge(champion: Contender, params: Params) -> Losing | None:
    """The champion's P&L on the slice; None where it opens nothing already."""
    if champion.in_cash:
        return None
    level, samples = params.gate.confidence_level, params.gate.bootstrap_samples
    by_event, by_period = champion.traded.by_event.values(), champion.traded.by_period.values()
    upper = [-total_bound([-one for one in values], level=level, samples=samples) for values in (by_event, by_period)]
    return Losing(sum(by_event), *upper)
