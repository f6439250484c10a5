"""The measurements that people and flows ask for by name, on the last pull or on a recording. Each is loaded when it
runs. Other measurements are modules of their own: `python -m benchmarks.<name> --help`."""

import argparse
import importlib
from pathlib import Path

from pipelines.core.command_line import Command, number, whole


def _league_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="only these (default: all)")
    parser.add_argument("--edge", type=number(0, 1), nargs="*", default=[], help="synthetic worlds, not the last pull")
    parser.add_argument(
        "--world", nargs="*", default=[], help="kinds of synthetic worlds, with --edge: those of simulator.world"
    )
    parser.add_argument("--worlds", type=whole(1), default=1, help="of every edge, from seed 1 on (1)")
    parser.add_argument("--recorded", type=Path, nargs="*", default=[], help="Parquet recordings, not the last pull")
    parser.add_argument("--seeds", type=whole(1), default=1, help="of the training (1)")
    parser.add_argument("--size", choices=("small", "large"), default="small", help="large: five times the windows")
    parser.add_argument("--keep-limit", action="store_true", help="do not measure the Kalman limit again")


def _league(arguments: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.league").run(arguments)


LEAGUE = Command(
    name="league",
    help="train every forecaster under one protocol -> docs/results/league.md",
    work=_league,
    arguments=_league_arguments,
    example="oddsmith league hybrid gru",
)


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    edge = "share of every price move that reverts, 0 to 1 (1)"
    parser.add_argument("--edge", type=number(0, 1), default=1.0, help=edge)
    parser.add_argument("--seeds", type=whole(1, 1000), default=10, help="worlds, from seed 1 on (10)")
    parser.add_argument("--forecaster", type=Path, help="folder of one that `benchmarks.forecaster` trained")
    parser.add_argument("--agents", nargs="*", metavar="AGENT", help="only these (default: five of them)")
    parser.add_argument("--events", type=whole(6), help="of one world; two thirds are for training (42)")
    parser.add_argument("--timesteps", type=whole(0), help="of every agent's training, instead of params.yaml's")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder of the table (docs/results)")


def _evaluate(arguments: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.evaluate").run(arguments)


EVALUATE = Command(
    name="evaluate",
    help="strategies and agents over synthetic worlds, resumable -> docs/results/strategies-*.md",
    work=_evaluate,
    arguments=_evaluate_arguments,
    example="oddsmith evaluate --edge 0.5 --seeds 10",
)


def _tune_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trials", type=whole(1), default=20, help="trials to run now (20)")
    parser.add_argument("--timesteps", type=whole(1), help="steps per training (default: those of the learner)")


def _tune(arguments: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.tune").run(arguments.trials, arguments.timesteps)


TUNE = Command(
    name="tune",
    help="Optuna study of the agent's hyper-parameters on the last pull; goes on where it stopped",
    work=_tune,
    arguments=_tune_arguments,
    example="oddsmith tune --trials 40",
)


def _sweep(_arguments: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.sweep").run()


SWEEP = Command(
    name="sweep",
    help="thousands of settings of the threshold rule on the last pull -> reports/sweep.json",
    work=_sweep,
    example="oddsmith sweep",
)


def _stacks_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="STACK", help="only these (default: all of params.yaml)")


def _stacks(arguments: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.stacks").run(arguments.names)


STACKS = Command(
    name="stacks",
    help="train and judge the guide's model stacks on the last pull -> docs/results/stacks.md",
    work=_stacks,
    arguments=_stacks_arguments,
    example="oddsmith stacks hybrid_ppo hybrid_dqn",
)


def _bots_arguments(parser: argparse.ArgumentParser) -> None:
    columns = "parquet with market_id, timestamp, best_bid, best_ask, asset, spot"
    parser.add_argument("recording", type=Path, help=columns)


def _bots(arguments: argparse.Namespace) -> None:
    importlib.import_module("benchmarks.guide_bots.run").run(arguments.recording)


BOTS = Command(
    name="bots",
    help="the guide's documented bots (temporal arbitrage, spike fading) on a recording with an underlying",
    work=_bots,
    arguments=_bots_arguments,
    example="oddsmith bots hourly.parquet",
)

COMMANDS = (LEAGUE, EVALUATE, TUNE, SWEEP, STACKS, BOTS)
