"""The command `python -m simulator`: a local Polymarket on four ports."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import get_args

import uvloop

from pipelines.core.command_line import exit_status
from pipelines.core.errors import ParameterError
from simulator.faults.profiles import PROFILES, profile
from simulator.markets.hard_sentences import Styles
from simulator.markets.price_model import World
from simulator.markets.source import SourceOptions
from simulator.run import URLS, run
from simulator.venue.limits import LimitMode
from simulator.venue.options import Options
from simulator.venue.venue import Venue

EPILOG = """\
The CLOB listens on --port (with /ws/market and /ws/user), Gamma on the next port, the Data API on the one after
that, the news feed (RSS) on the last. `curl http://127.0.0.1:8640/ok` answers "OK" once history exists.
Any key that authenticates gets an account with --deposit pUSD. docs/simulator.md shows how to point
py-clob-client-v2, curl and websocat at it."""


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m simulator`."""
    made = argparse.ArgumentParser(
        prog="python -m simulator",
        description="A local Polymarket: matching engine, HTTP APIs, WebSockets, synthetic or replayed markets.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(made)
    return made


def add_arguments(made: argparse.ArgumentParser) -> None:
    """Add the exchange's options to the parser of `python -m simulator` or `oddsmith simulate`."""
    defaults, source = Options(), SourceOptions()
    add = made.add_argument
    add("--port", type=int, default=defaults.port, help="first of four ports; 0 takes any free ones (%(default)s)")
    add("--host", default=defaults.host, help="address to listen on (%(default)s)")
    add("--seed", type=int, default=source.seed, help="seed of the synthetic markets (%(default)s)")
    add(
        "--edge",
        type=float,
        default=source.edge,
        help="share of price moves that revert: at 0 nothing can be earned, 0.5 is like recordings (%(default)s)",
    )
    add(
        "--world",
        choices=get_args(World),
        default=source.world,
        help="which errors quotes make: the default's, or those of a foreign world (%(default)s)",
    )
    add(
        "--size-lean",
        type=float,
        default=source.size_lean,
        help="how much displayed sizes tell of the next moves; 0 tells nothing (%(default)s)",
    )
    add(
        "--large-account",
        type=float,
        default=source.large_account,
        help="share of the minutes with a clear error of the quote in which a large account trades (%(default)s)",
    )
    add(
        "--speed",
        type=float,
        default=defaults.speed,
        help="market minutes per wall minute; at 0 market time does not advance (%(default)s)",
    )
    add("--history-days", type=int, default=source.history_days, help="market days before the start (%(default)s)")
    add(
        "--event-length-min",
        type=int,
        default=source.event_length_min,
        help="life of an event in market minutes (%(default)s)",
    )
    add(
        "--event-every-min",
        type=int,
        default=source.event_every_min,
        help="market minutes between events (%(default)s)",
    )
    add("--markets-per-event", type=int, default=source.markets_per_event, help="markets of each event (%(default)s)")
    add(
        "--neg-risk-share",
        type=float,
        default=source.exclusive_share,
        help="share of synthetic events of whose markets exactly one resolves to YES (%(default)s)",
    )
    for name, meaning in (
        ("paraphrase", "share of headlines in words that VADER's lexicon lacks"),
        ("irony", "share of headlines with weight in words of the other sign"),
        ("irrelevant", "headlines about something else per headline with news"),
    ):
        add(f"--{name}-share", type=float, default=0.0, help=f"{meaning} (%(default)s)")
    add(
        "--deposit",
        type=int,
        default=defaults.deposit_pusd,
        metavar="PUSD",
        help="pUSD that a new account gets (%(default)s)",
    )
    add(
        "--order-versions",
        default="2,3",
        metavar="LIST",
        help="domain versions of orders that are accepted; add 1 for py-clob-client (%(default)s)",
    )
    add(
        "--protocol-v2-share", type=float, default=0.0, help="share of markets that need version 3 orders (%(default)s)"
    )
    add(
        "--named-share",
        type=float,
        metavar="SHARE",
        help="share of markets whose outcomes have names: teams, Over and Under (0, or the profile's)",
    )
    add(
        "--replay",
        type=Path,
        metavar="FILE",
        help="replay a recording (parquet file or folder) instead of synthetic markets",
    )
    add("--mix", action="store_true", help="with --replay: add synthetic markets to the recorded ones")
    add(
        "--series",
        default=source.series,
        metavar="LIST",
        help="series of up/down markets instead of events, such as 5m,15m,eth-1h,ladder, or 5m-spot for another rule"
        " than the venue's of the day (spot, twap30, twap60); a step is a second then",
    )
    add(
        "--series-lag-s",
        type=int,
        default=source.series_lag_s,
        metavar="S",
        help="market seconds by which the quotes of series follow the reference price (%(default)s)",
    )
    add(
        "--series-misquotes-h",
        type=float,
        default=source.series_misquotes_h,
        metavar="N",
        help="how often an hour the maker of each series market errs for some seconds, so that levels of one ladder"
        " contradict each other (%(default)g)",
    )
    add("--replay-event", metavar="NAME", help="only this event of the recording")
    add(
        "--drift-at-min",
        type=float,
        metavar="MIN",
        help="minute of market time since 2026-01-01T00:00Z at which synthetic markets change their regime",
    )
    add("--drift-rel", type=float, default=0.0, help="how much of the price relation breaks then, 0 to 1 (%(default)s)")
    add(
        "--drift-feat", type=float, default=0.0, help="shift of volume, headlines and spread then, 0 to 1 (%(default)s)"
    )
    add(
        "--bar-length-s",
        type=int,
        help="length of a step: whole minutes for synthetic markets; 60 or the recording's own when left out",
    )
    add(
        "--warm-bars",
        type=int,
        default=source.warm_bars,
        help="bars of a replay that are history when the simulator starts (%(default)s)",
    )
    add(
        "--settle-s",
        type=float,
        default=defaults.confirmed_after_s,
        help="wall seconds from MATCHED to CONFIRMED (%(default)s)",
    )
    add(
        "--taker-delay-ms",
        type=float,
        help="delay of crossing orders in crypto and finance markets (0; with --series that of the venue on the day of"
        " the window: 150 since 2026-09-04)",
    )
    add(
        "--rate-limits",
        choices=[mode.value for mode in LimitMode],
        default=defaults.rate_limits.value,
        help="warn: headers show what a signer has left; on: 429 above the limits; off: no limits (%(default)s)",
    )
    add(
        "--rewards",
        type=float,
        default=defaults.rewards_pusd,
        metavar="PUSD",
        help="liquidity rewards that each market pays per market day (%(default)s)",
    )
    add("--rebates", action="store_true", help="pay makers their part of the takers' fees back, once per market day")
    add(
        "--profile",
        choices=list(PROFILES),
        default=defaults.profile,
        help="faults that are on from the start; `venue` has the fault rates of the real venue (%(default)s)",
    )
    add("--faults", type=Path, metavar="FILE", help="schedule of faults (JSON), see docs/simulator.md")
    add(
        "--redeem",
        choices=["auto", "manual"],
        help="auto: resolved shares are paid at once; manual: their owners redeem them (auto, or the profile's)",
    )
    add("--admin", action="store_true", help="serve /admin on the CLOB's port, to loopback addresses only")
    add("--state", type=Path, metavar="FILE", help="save market time, accounts and orders here and resume from it")


def options_of(arguments: argparse.Namespace) -> Options:
    """Options from parsed arguments.

    Raises:
        ParameterError: if a value is out of range; the text names the option and what it takes.
    """
    try:
        versions = tuple(sorted({int(part) for part in arguments.order_versions.split(",")}))
    except ValueError:
        versions = ()
    if not versions or not set(versions) <= {1, 2, 3}:
        raise ParameterError(f"--order-versions was {arguments.order_versions!r}; give a list of 1, 2, 3 such as 2,3")
    limits = {
        "edge": 1,
        "size_lean": 10,
        "large_account": 1,
        "speed": 1e5,
        "protocol_v2_share": 1,
        "named_share": 1,
        "port": 65_532,
        "drift_rel": 1,
        "drift_feat": 1,
        "series_lag_s": 60,
        "series_misquotes_h": 3_600,
        "rewards": 1e6,
    }
    for name, high in limits.items():
        value = getattr(arguments, name)
        if value is not None and not 0 <= value <= high:
            raise ParameterError(f"--{name.replace('_', '-')} was {value:g}; give 0 to {high:g}")
    found = profile(arguments.profile)
    return Options(
        port=arguments.port,
        host=arguments.host,
        speed=arguments.speed,
        deposit_pusd=arguments.deposit,
        order_versions=versions,
        mined_after_s=arguments.settle_s * 0.4,
        confirmed_after_s=arguments.settle_s,
        taker_delay_s=None if arguments.taker_delay_ms is None else arguments.taker_delay_ms / 1000,
        faults=arguments.faults,
        auto_redeem=found.auto_redeem if arguments.redeem is None else arguments.redeem == "auto",
        profile=arguments.profile,
        admin=arguments.admin,
        state=arguments.state,
        rate_limits=LimitMode(arguments.rate_limits),
        rewards_pusd=arguments.rewards,
        rebates=arguments.rebates,
        protocol_v2_share=arguments.protocol_v2_share,
        named_share=found.named_share if arguments.named_share is None else arguments.named_share,
        source=SourceOptions(
            seed=arguments.seed,
            edge=arguments.edge,
            world=arguments.world,
            size_lean=arguments.size_lean,
            large_account=arguments.large_account,
            history_days=arguments.history_days,
            event_length_min=arguments.event_length_min,
            event_every_min=arguments.event_every_min,
            markets_per_event=arguments.markets_per_event,
            exclusive_share=arguments.neg_risk_share,
            styles=Styles(arguments.paraphrase_share, arguments.irony_share, arguments.irrelevant_share),
            bar_length_s=arguments.bar_length_s,
            replay=arguments.replay,
            replay_event=arguments.replay_event,
            warm_bars=arguments.warm_bars,
            mix=arguments.mix,
            series=arguments.series,
            series_lag_s=arguments.series_lag_s,
            series_misquotes_h=arguments.series_misquotes_h,
            drift_at_min=arguments.drift_at_min,
            drift_rel=arguments.drift_rel,
            drift_feat=arguments.drift_feat,
        ),
    )


def announce(urls: dict[str, str], venue: Venue) -> None:
    """Print one line per address, and one when the venue is ready."""
    for name, url in urls.items():
        print(f"{URLS[name]} {url}", flush=True)
    alive, known = len(venue.open_markets), len(venue.exchange.markets)
    print(
        f"ready   {known} markets, {alive} open, market time {venue.now_s}, speed {venue.options.speed:g}", flush=True
    )


def serve(arguments: argparse.Namespace) -> int:
    """Serve the exchange that the arguments describe, until interrupted; the exit status.

    Raises:
        OddsmithError: if an argument is not allowed, or the exchange cannot start.
    """
    options = options_of(arguments)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(options, announce))
    return 0


def main() -> int:
    """Run the command. Returns its exit status: 0, 1 after an error that it printed, 130 after Ctrl-C."""
    arguments = parser().parse_args()
    return exit_status("simulator", lambda: serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
