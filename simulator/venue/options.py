"""Options of a simulated venue, as the command line sets them."""

from dataclasses import dataclass, field
from pathlib import Path

from simulator.markets.source import SourceOptions
from simulator.venue.limits import LimitMode

TAKER_DELAYED = ("crypto", "finance")
"""Categories in lower case whose crossing orders wait `taker_delay_s` before they match."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `python -m simulator`. Durations are wall seconds unless their docstring says otherwise."""

    port: int = 8640
    """CLOB; Gamma, Data API and news follow on the next three ports. 0 takes any free ports."""
    host: str = "127.0.0.1"
    speed: float = 60.0
    """Market minutes per wall minute; 0 does not advance until the admin API steps."""
    deposit_pusd: int = 10_000
    """pUSD that a new account gets."""
    order_versions: tuple[int, ...] = (2, 3)
    """Domain versions of signed orders that are accepted: 1, 2, 3."""
    mined_after_s: float = 0.2
    confirmed_after_s: float = 0.5
    """Time from MATCHED to MINED and to CONFIRMED."""
    taker_delay_s: float | None = None
    """How long crossing orders of TAKER_DELAYED markets are held before they match (`itode`, `takerDelayMs`). None: on
    series as long as the venue held them on the day of the window, on other markets not at all."""
    faults: Path | None = None
    """JSON file with a schedule of faults."""
    profile: str = "off"
    """Name of the fault profile that is on from the start."""
    auto_redeem: bool = True
    """Whether shares of a resolved market are paid at once. If not, their owners redeem them through the relayer."""
    admin: bool = False
    """Whether /admin is served."""
    state: Path | None = None
    """File in which the state is saved."""
    rate_limits: LimitMode = LimitMode.WARN
    rewards_pusd: float = 0.0
    """Liquidity rewards that each open market pays per market day."""
    rebates: bool = False
    """Whether makers get a part of the takers' fees."""
    named_share: float = 0.0
    """Share of markets whose outcomes have names (teams, players, Over and Under) instead of Yes and No."""
    protocol_v2_share: float = 0.0
    """Share of markets that need version 3 orders."""
    source: SourceOptions = field(default_factory=SourceOptions)
