"""`oddsmith backtest --policy X` and what belongs to it: where its data comes from, and what is printed."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pipelines.core.artifacts import write_bytes
from pipelines.core.errors import ParameterError
from pipelines.core.params import Params
from pipelines.core.products import BUNDLE
from pipelines.core.settings import Settings
from pipelines.history.account import moment
from pipelines.study import choice, compare, own, page, saved, search
from pipelines.study import course as courses
from pipelines.study.course import Course

SYNTHETIC: Final = "synthetic"
EVENTS: Final = 12
"""Events of a synthetic world; the last third is played."""


def course(
    params: Params,
    *,
    data: str | None = None,
    slice_: str = "selection",
    bundle: Path | None = None,
    markets: Sequence[str] = (),
    from_: str | None = None,
    to: str | None = None,
) -> Course:
    """What is played.

    Args:
        data: None for the last pull; a recording, a CSV or JSON file; `synthetic` or `synthetic:SEED` for a world
            that is generated now.
        bundle: whose forecaster is asked on a file; the candidate of this folder where it names none and there is one.
    """
    if data is None:
        found = courses.of_slice(slice_, params)
    elif data.partition(":")[0] == SYNTHETIC and not Path(data).exists():
        found = _synthetic(data, params)
    else:
        there = BUNDLE if (BUNDLE / "manifest.json").is_file() else None
        found = courses.of_file(Path(data), params, bundle or there)
    return found.chosen(markets, moment(from_) if from_ else 0, moment(to, end=True) if to else 2**62)


def _synthetic(data: str, params: Params) -> Course:
    from benchmarks.worlds import HORIZON, world  # noqa: PLC0415 - the generator is loaded where it is asked for
    from pipelines.replay.signals import sizing_table  # noqa: PLC0415

    seed = data.partition(":")[2] or "1"
    if not seed.isdecimal():
        raise ParameterError(f"--data was {data!r}; write synthetic, or synthetic:SEED with a whole number")
    made = world(int(seed), params.simulator.edge, EVENTS, params.execution)
    short = params.model_copy(update={"forecast": params.forecast.model_copy(update={"horizon_bars": HORIZON})})
    return Course(
        about=f"synthetic world {seed} at edge {params.simulator.edge:g}",
        histories=made.later,
        table=sizing_table(made.earlier, short),
        scaler=made.scaler,
        length_s=60,
        forecasts="the best that public data allows (Kalman filter that knows the generator); a trained one is worse",
        sha256=f"synthetic-{seed}-{params.simulator.edge:g}",
    )


def backtest(arguments: argparse.Namespace) -> None:
    """Play one policy, keep it, and print what it earned."""
    kind, params = choice.read(arguments.policy, arguments.set)
    played = own.play(kind, params, _course(arguments, params))
    played.document["settings"] = dict(one.partition("=")[::2] for one in arguments.set)
    folder = saved.keep(played, _kept(), arguments.name or kind)
    if arguments.html is not None:
        write_bytes(arguments.html, page.page(played).encode())
    shown = folder / saved.PAGE if arguments.html is None else arguments.html
    _write(played.document if arguments.json else None, [*_lines(played.document), f"page: {shown}"])


def check(arguments: argparse.Namespace) -> None:
    """Test a policy for looking ahead, memory and chance; a breach is the command's error."""
    kind, params = choice.read(arguments.policy, arguments.set)
    tested = own.verified(kind, params, _course(arguments, params), arguments.on)
    lines = [
        f"{kind} keeps the contract on {tested['markets']} markets and {tested['bars']:,} bars: its targets depend on",
        "nothing but what they are given, whatever comes later, in any order of questions, on every run",
    ]
    _write(tested if arguments.json else None, lines)


def compared(arguments: argparse.Namespace) -> None:
    """Compare two backtests that were kept."""
    found = compare.compare(*(saved.read(_kept(), name) for name in (arguments.first, arguments.second)))
    _write(found if arguments.json else None, _compared_lines(found))


def searched(arguments: argparse.Namespace) -> None:
    """Search the numbers of a policy, and print what the best are worth on later events."""
    kind, params = choice.read(arguments.policy, arguments.set)
    data = _course(arguments, params)
    studies = Settings().var / "studies.sqlite"
    found = search.search(kind, params, data, trials=arguments.trials, ranges=arguments.space, studies=studies)
    _write(found if arguments.json else None, _searched_lines(found))


def _course(arguments: argparse.Namespace, params: Params) -> Course:
    return course(
        params,
        data=arguments.data,
        slice_=arguments.slice,
        bundle=arguments.bundle,
        markets=arguments.markets,
        from_=arguments.from_,
        to=arguments.to,
    )


def _kept() -> Path:
    return Settings().var / "backtests"


def _write(document: Any, lines: Sequence[str]) -> None:
    sys.stdout.write((json.dumps(document, indent=2) if document is not None else "\n".join(lines)) + "\n")


def _interval(one: dict[str, Any]) -> str:
    if one["lower"] is None:
        return f"{one['pusd']:+,.2f} pUSD (one event says nothing of luck)"
    return (
        f"{one['pusd']:+,.2f} pUSD, 95 % interval {one['lower']:+,.2f} to {one['upper']:+,.2f}, {one['events']} events"
    )


def _lines(document: dict[str, Any]) -> list[str]:
    figures, deflated = document["figures"], document["deflated_sharpe"]
    lines = [
        f"{document['policy']} on {document['data']}: {document['markets']} markets, {document['days']:.1f} days",
        f"P&L {_interval(document['pnl'])}",
        f"{figures['round_trips']} round trips, fees {figures['fees_pusd']:,.2f}, max drawdown"
        f" {figures['max_drawdown']:.2%}",
        *(f"{name} {row['pnl_pusd']:+,.2f}" for name, row in document["compared"].items()),
    ]
    if document["random_mean_pnl_pusd"] is not None:
        lines.append(f"entries at random, same turnover {document['random_mean_pnl_pusd']:+,.2f}")
    if deflated is not None:
        lines.append(f"deflated Sharpe ratio {deflated['probability']:.2f} after {page.counted(deflated['trials'])}")
    return [*lines, *(f"note: {one}" for one in document["notes"])]


def _compared_lines(found: dict[str, Any]) -> list[str]:
    first, second = found["first"], found["second"]
    said = {None: "neither is surely better", "first": f"{first} is better", "second": f"{second} is better"}
    lines = [f"{second} less {first}: {_interval(found['gain'])}; {said[found['better']]}"]
    if not found["same_data"]:
        lines.append("note: they were played on different data; only events that both have are compared")
    lines += [f"{name:<14} {_figure(one):>12} {_figure(two):>12}" for name, (one, two) in found["figures"].items()]
    return [*lines, *(f"differs: {name}: {one} -> {two}" for name, (one, two) in found["differs"].items())]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"


def _searched_lines(found: dict[str, Any]) -> list[str]:
    early, later = found["searched_on"], found["later_events"]
    luck = early["deflated_sharpe"]
    after = f", deflated Sharpe ratio {luck['probability']:.2f} after {page.counted(luck['trials'])}" if luck else ""
    return [
        f"best of {found['trials']} trials on {early['events']} events: {early['pnl_pusd']:+,.2f} pUSD{after}",
        f"on {later['events']} later events: {later['best_pusd']:+,.2f} against {later['as_it_is_pusd']:+,.2f} as it"
        f" is; gain {_interval(later['gain'])}",
        f"oddsmith params set {' '.join(found['set'])}",
    ]
