"""The tree of commands. It imports declarations alone: `oddsmith --help` loads no library of the work behind them."""

import argparse
import importlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks import commands as benchmarks
from drills import commands as drills
from flows import commands as flows
from pipelines import commands as pipelines
from pipelines.core.command_line import SOURCES, Command, whole
from pipelines.core.errors import ParameterError
from serving import commands as serving


def _stage_arguments(parser: argparse.ArgumentParser) -> None:
    text = "; ".join(f"{name}: {said}" for name, said in pipelines.STAGES.items())
    parser.add_argument("stage", choices=tuple(pipelines.STAGES), metavar="STAGE", help=text)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


STAGE = Command(
    name="stage",
    help="run one stage alone, on the existing products",
    work=lambda arguments: pipelines.run_stage(arguments.stage),
    arguments=_stage_arguments,
    example="oddsmith stage featurize",
)


def _own(name: str) -> Callable[[argparse.Namespace], None]:
    """A function of `oddsmith.backtests`, loaded when it is called."""

    def work(arguments: argparse.Namespace) -> None:
        getattr(importlib.import_module("oddsmith.backtests"), name)(arguments)

    return work


def _backtest(arguments: argparse.Namespace) -> None:
    if arguments.policy is not None:
        _own("backtest")(arguments)
        return
    asked = [f"--{name.rstrip('_')}" for name in OWN if getattr(arguments, name)]
    if asked:
        raise ParameterError(f"{', '.join(asked)} belongs to one policy; name it with --policy, or leave it out")
    importlib.import_module("oddsmith.answers").backtest(as_json=arguments.json)


OWN = ("data", "markets", "from_", "to", "set", "bundle", "html", "name")
"""Options of a backtest of one's own."""


def _course_arguments(parser: argparse.ArgumentParser) -> None:
    text = "a recording, CSV or JSON file, or synthetic[:SEED]; without it the last pull"
    parser.add_argument("--data", metavar="FILE", help=text)
    parser.add_argument("--slice", default="selection", help="of the last pull: selection or agent (selection)")
    parser.add_argument(
        "--bundle", type=Path, help="whose forecaster is asked on a file (models/bundle if it is there)"
    )
    pattern = "event:ID, topic:NAME, id:0x..., question:REGEX, or words of the question"
    parser.add_argument("--markets", nargs="+", default=[], metavar="PATTERN", help=pattern)
    parser.add_argument("--from", dest="from_", metavar="DATE", help="first day or time of market time, UTC")
    parser.add_argument("--to", metavar="DATE", help="last day (included), or a time (not included)")
    assignment = "section.key=value, or key=value for a number of the policy; params.yaml stays as it is"
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=assignment)
    _json(parser)


def _backtest_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--policy", metavar="X", help="play this one alone: a kind, or the file of a strategy")
    _course_arguments(parser)
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="where its page goes (var/backtests/NAME/report.html)"
    )
    parser.add_argument("--name", help="under which it is kept in var/backtests (the policy's kind)")


def _policy_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("policy", metavar="POLICY", help="a kind, or the file of a strategy")
    _course_arguments(parser)


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    _policy_argument(parser)
    parser.add_argument("--on", type=whole(1), default=4, help="markets that it is tested on (4)")


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help="name of a backtest that was kept")
    parser.add_argument("second", metavar="B", help="name of another one")
    _json(parser)


def _search_arguments(parser: argparse.ArgumentParser) -> None:
    _policy_argument(parser)
    parser.add_argument("--trials", type=whole(1), default=40, help="sets of numbers to try now (40)")
    text = "what is searched (every number of the policy); repeatable"
    parser.add_argument("--space", nargs="+", action="extend", default=[], metavar="NAME=LOW:HIGH", help=text)


BACKTEST = Command(
    name="backtest",
    help="compare every strategy on the selection slice -> reports/backtest.html; or play one policy (--policy)",
    work=_backtest,
    arguments=_backtest_arguments,
    example="oddsmith backtest --policy threshold --from 2026-03-01 --set cost_multiple=2 --html out.html",
    optional=True,
    commands=(
        Command(
            name="check",
            help="test a policy for looking ahead, memory and chance; exit status 1 names market and bar",
            work=_own("check"),
            arguments=_check_arguments,
            example="oddsmith backtest check strategies/breakout.py --data synthetic",
        ),
        Command(
            name="compare",
            help="two backtests that were kept, paired by event, with an interval",
            work=_own("compared"),
            arguments=_compare_arguments,
            example="oddsmith backtest compare before after",
        ),
        Command(
            name="search",
            help="search the numbers of a policy (Optuna) on the earlier events, judged on the later ones",
            work=_own("searched"),
            arguments=_search_arguments,
            example="oddsmith backtest search breakout --trials 40 --space least_units=50:1000",
        ),
    ),
)


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=whole(1024, 65_535), help="dashboard's port (ODDSMITH_SERVICE_PORT, else 3000)")


def _serve(arguments: argparse.Namespace) -> None:
    importlib.import_module("oddsmith.live").serve(arguments.host, arguments.port)


SERVE = Command(
    name="serve",
    help="the live process alone: bot, dashboard and metrics, in the mode of ODDSMITH_MODE",
    work=_serve,
    arguments=_serve_arguments,
    example="oddsmith serve --port 3000",
)


def _simulate(arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("simulator.__main__").serve(arguments))


SIMULATE = Command(
    name="simulate",
    help="the local exchange alone, with a world of its own",
    work=_simulate,
    example="oddsmith simulate --edge 0.5 --seed 2 --speed 60",
)


def _simulator_arguments(parser: argparse.ArgumentParser) -> None:
    importlib.import_module("simulator.__main__").add_arguments(parser)


REMOTE_PARSERS = {"simulate": _simulator_arguments}
"""Commands whose options are computed by the package that runs them, which takes a moment to load."""


def _explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--explain", metavar="KEY", help="a section, or section.key: meaning, unit, range, value now")
    _json(parser)


def _params(arguments: argparse.Namespace) -> None:
    answers = importlib.import_module("oddsmith.parameters")
    answers.show(getattr(arguments, "explain", None), as_json=arguments.json)


def _set(arguments: argparse.Namespace) -> None:
    importlib.import_module("oddsmith.parameters").set_values(arguments.assignments)


def _latency_arguments(parser: argparse.ArgumentParser) -> None:
    said = "report with `latency_ms` (reports/parity.json)"
    parser.add_argument("--from", dest="report", type=Path, help=said)


def _latency(arguments: argparse.Namespace) -> None:
    importlib.import_module("oddsmith.parameters").set_latency(arguments.report)


PARAMS = Command(
    name="params",
    help="list, explain and change the numbers of params.yaml",
    work=_params,
    arguments=_explain_arguments,
    example="oddsmith params --explain risk.stop_loss",
    optional=True,
    commands=(
        Command(
            name="list",
            help="every number with its value now",
            work=_params,
            arguments=_json,
            example="oddsmith params list --json",
        ),
        replace(flows.PARAMS, name="set", work=_set),
        Command(
            name="latency",
            help="write the bot's own latencies, as `oddsmith parity` measured them, to execution.latency_ms",
            work=_latency,
            arguments=_latency_arguments,
            example="oddsmith params latency --from reports/turn_latency.json",
        ),
        serving.RELOAD,
    ),
)

DATA = Command(
    name="data",
    help="choose, import, record, query and export data",
    commands=(pipelines.WINDOW, pipelines.IMPORT, pipelines.RECORD, pipelines.QUERY, pipelines.EXPORT),
)


def _champions(arguments: argparse.Namespace) -> None:
    importlib.import_module("oddsmith.answers").champions(as_json=arguments.json)


CHAMPIONS = Command(
    name="champions",
    help="which bundle trades, which ones did, and how that is changed",
    commands=(
        Command(
            name="list",
            help="the champion, the history of champions, and what was withdrawn",
            work=_champions,
            arguments=_json,
            example="oddsmith champions list --json",
        ),
        flows.PROMOTE,
        flows.DEPLOY,
        flows.ROLLBACK,
        serving.INSTALL,
    ),
)


def _at_the_running_exchange(command: Command) -> Command:
    """A command that asks the exchange of the system that runs here, on whichever ports it listens."""

    def work(arguments: argparse.Namespace) -> int | None:
        from flows.local.attach import venue_of_running  # noqa: PLC0415 - loaded by commands that run
        from pipelines.core.settings import Settings  # noqa: PLC0415

        os.environ.update(venue_of_running(Settings()))
        return command.work(arguments)

    return replace(command, work=work)


def _markets(arguments: argparse.Namespace) -> None:
    importlib.import_module("oddsmith.answers").markets(as_json=arguments.json)


MARKETS = Command(
    name="markets",
    help="which markets are followed, and why each other one is not; without a bot, what a start would follow",
    work=_markets,
    arguments=_json,
    example="oddsmith markets --json",
)


def _lineage_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "decision", nargs="?", metavar="DECISION", help="an order id, a fill id, or MARKET@TIME (seconds or ISO 8601)"
    )
    parser.add_argument("--bundle", metavar="HASH", help="the other way: what a bundle decided")
    _json(parser)


def _lineage(arguments: argparse.Namespace) -> None:
    show = importlib.import_module("oddsmith.lineage").show
    show(arguments.decision, arguments.bundle, as_json=arguments.json)


LINEAGE = Command(
    name="lineage",
    help="from a decision to bundle, MLflow run, data, parameters and commit; with --bundle from a bundle to decisions",
    work=_lineage,
    arguments=_lineage_arguments,
    example="oddsmith lineage 0x5ab1e5@2026-01-10T12:00:00Z",
)

MESSAGES = Command(
    name="messages",
    help="test the receivers of messages",
    commands=(pipelines.TEST_MESSAGES,),
)

FLOWS = Command(
    name="flows",
    help="the flows of Prefect: served on their schedules, or run once",
    commands=(flows.SERVE, flows.RUN),
)


def _install_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", choices=("serve",), help="the bot alone, 0.5 GB instead of 5.7 GB: no nights, no exchange"
    )


def _install(arguments: argparse.Namespace) -> int:
    only = {"ONLY": arguments.only} if arguments.only else {}
    command = ["bash", "infra/install.sh"]
    return subprocess.run(command, env={**os.environ, **only}, check=False).returncode


INSTALL = Command(
    name="install",
    help="bring .venv to what requirements.lock names, as `make install` does",
    work=_install,
    arguments=_install_arguments,
    example="oddsmith install --only serve",
)


FAMILIES = ("5m", "15m", "1h", "4h", "ladder")
"""Lengths of series markets, and levels of one price, that `oddsmith.families` knows."""


def _profile_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="lower case letters, digits and hyphens")
    parser.add_argument("--mode", choices=("simulated", "paper", "live"), default="simulated")
    parser.add_argument("--port", type=whole(1024, 65_535), help="of its dashboard (the next that no profile has)")
    parser.add_argument(
        "--policy", default="", metavar="KIND", help="a policy to pin; simulated and paper trading alone"
    )
    parser.add_argument(
        "--champion", choices=("shared", "own"), help="whose champion trades (shared; with --family own)"
    )
    parser.add_argument(
        "--family",
        choices=FAMILIES,
        help="series markets of this length, or ladders: their bars, lookback, horizon and champion",
    )


def _add_profile(arguments: argparse.Namespace) -> None:
    profiles, family = importlib.import_module("oddsmith.profiles"), arguments.family
    champion = arguments.champion or ("own" if family else "shared")
    changes = importlib.import_module("oddsmith.families").assignments(family) if family else ()
    given = (arguments.name, arguments.mode, arguments.port, arguments.policy, champion, changes)
    print(profiles.add(*given))  # noqa: T201 - the answer


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a profile with a champion of its own")
    parser.add_argument("--source", choices=SOURCES, default="simulated", help="where data comes from (simulated)")
    parser.add_argument("--recording", help="parquet file or folder of the recorded source")
    parser.add_argument("--fresh", action="store_true", help="advance the data window to now")


def _train(arguments: argparse.Namespace) -> None:
    training = importlib.import_module("oddsmith.profile_training")
    given = (arguments.name, arguments.source, arguments.recording)
    print(training.train(*given, fresh=arguments.fresh))  # noqa: T201 - the answer


def _profiles(arguments: argparse.Namespace) -> None:
    importlib.import_module("oddsmith.profiles").show(as_json=arguments.json)


PROFILES = Command(
    name="profiles",
    help="several bots of one clone, each with its own parameters, account, journal and port",
    commands=(
        Command(
            name="list",
            help="every profile: mode, champion, pinned policy, page",
            work=_profiles,
            arguments=_json,
            example="oddsmith profiles list --json",
        ),
        Command(
            name="add",
            help="make a profile in profiles/NAME, with a copy of params.yaml",
            work=_add_profile,
            arguments=_profile_arguments,
            example="oddsmith profiles add careful --mode paper --policy kelly",
        ),
        Command(
            name="train",
            help="every stage for the markets of a profile with its own champion; promotion if the gate allows",
            work=_train,
            arguments=_train_arguments,
            example="oddsmith profiles train btc5m --source polymarket --fresh",
        ),
    ),
)


def _completion_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def _completion(arguments: argparse.Namespace) -> None:
    importlib.import_module("oddsmith.completion").show(arguments.shell, arguments.parser(whole=True))


def _costs_arguments(parser: argparse.ArgumentParser) -> None:
    _json(parser)
    parser.add_argument(
        "--billed", action="store_true", help="next to it what AWS has billed (costs 0.01 USD a question)"
    )
    parser.add_argument("--days", type=whole(1, 365), default=30, help="whole days of the bill (30)")


def _costs(arguments: argparse.Namespace) -> None:
    if arguments.billed:
        importlib.import_module("flows.billed").show(arguments.days, as_json=arguments.json)
    else:
        pipelines.COSTS.work(arguments)


COSTS = replace(pipelines.COSTS, work=_costs, arguments=_costs_arguments)

COMPLETION = Command(
    name="completion",
    help="print a script that makes a shell complete commands and options",
    work=_completion,
    arguments=_completion_arguments,
    example="oddsmith completion bash > ~/.local/share/bash-completion/completions/oddsmith",
)

QUERY_EXAMPLE = 'oddsmith query "SELECT reason, count(*) FROM fills GROUP BY 1"'

COMMANDS = (
    replace(flows.UP, name="run"),
    *(flows.STOP, flows.STATUS, SERVE, SIMULATE, _at_the_running_exchange(serving.DOCTOR), MESSAGES),
    _at_the_running_exchange(MARKETS),
    PROFILES,
    INSTALL,
    *(serving.PAUSE, serving.RESUME, serving.CLOSE, serving.RESET, serving.UPGRADE),
    *(pipelines.TRADES, pipelines.PNL, pipelines.FUNNEL, replace(pipelines.QUERY, example=QUERY_EXAMPLE)),
    *(PARAMS, DATA, CHAMPIONS, LINEAGE, flows.NIGHTLY, FLOWS),
    *(STAGE, BACKTEST, _at_the_running_exchange(pipelines.INGEST), pipelines.DRIFT, pipelines.PARITY),
    *benchmarks.COMMANDS,
    drills.DRILL,
    *(COSTS, flows.BACKUP, flows.RESTORE, flows.SPOT, COMPLETION),
)
