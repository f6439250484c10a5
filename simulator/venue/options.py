"""What the command line decides about a simulated venue."""

from dataclasses import dataclass, field
from pathlib import Path

from simulator.markets.source import SourceOptions
from simulator.venue.limits import LimitMode


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that `python -m simulator` takes. Durations are wall seconds unless they say otherwise."""

    port: int = 8640
    """CLOB; Gamma, Data API and news follow on the next three ports. 0 takes any free ports."""
    host: str = "127.0.0.1"
    speed: float = 60.0
    """Market minutes per wall minute; 0 does not advance until the admin API steps."""
    deposit_pusd: int = 10_000
    order_versions: tuple[int, ...] = (2, 3)
    mined_after_s: float = 0.2
    confirmed_after_s: float = 0.5
    taker_delay_s: float = 0.0
    """How long crossing orders of crypto and finance markets are held before they match (`itode` on the wire)."""
    faults: Path | None = None
    profile: str = "off"
    """Named set of faults that is on from the start."""
    auto_redeem: bool = True
    """Whether shares of a resolved market are paid out at once; else their owners redeem them through the relayer."""
    admin: bool = False
    state: Path | None = None
    rate_limits: LimitMode = LimitMode.WARN
    rewards_pusd: float = 0.0
    """Liquidity rewards of each open market and market day."""
    rebates: bool = False
    """Whether makers get their part of the takers' fees back."""
    named_share: float = 0.0
    """Share of markets whose outcomes are not Yes and No but names: teams, players, Over and Under."""
    protocol_v2_share: float = 0.0
    """Share of markets that need version 3 orders."""
    source: SourceOptions = field(default_factory=SourceOptions)
