"""`python -m benchmarks <command>`: measurements on the last pull or on a recording, run by people and by flows."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.core import log
from pipelines.core.command_line import exit_status


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    league = commands.add_parser("league", help="train every forecaster under one protocol, render the table")
    league.add_argument("kinds", nargs="*", metavar="KIND", help="only these (default: all)")
    stacks = commands.add_parser("stacks", help="train and judge the guide's model stacks on the pull that is there")
    stacks.add_argument("names", nargs="*", metavar="STACK", help="only these (default: all of params.yaml)")
    bots = commands.add_parser("bots", help="temporal arbitrage and spike fading on a recording with an underlying")
    bots.add_argument("recording", type=Path, help="parquet with market_id, timestamp, best_bid, best_ask, asset, spot")
    tune = commands.add_parser("tune", help="Optuna study of the agent's hyper-parameters (after `make run`)")
    tune.add_argument("--trials", type=int, default=20, help="trials to run now (20)")
    tune.add_argument("--timesteps", type=int, help="steps per training (default: those of the learner)")
    commands.add_parser("sweep", help="thousands of parameter sets of the threshold rule -> reports/sweep.json")
    return top


COMMANDS: dict[str, Callable[[argparse.Namespace], object]] = {
    "league": lambda given: importlib.import_module("benchmarks.league").run(given.kinds),
    "stacks": lambda given: importlib.import_module("benchmarks.stacks").run(given.names),
    "bots": lambda given: importlib.import_module("benchmarks.guide_bots.run").run(given.recording),
    "tune": lambda given: importlib.import_module("benchmarks.tune").run(given.trials, given.timesteps),
    "sweep": lambda _given: importlib.import_module("benchmarks.sweep").run(),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the command."""
    arguments = parser().parse_args(argv)
    log.configure(json=not sys.stderr.isatty())
    return exit_status(arguments.command, lambda: COMMANDS[arguments.command](arguments))


if __name__ == "__main__":
    sys.exit(main())
