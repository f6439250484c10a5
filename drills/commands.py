"""`oddsmith drill`: the virtual world from the command line. Nothing heavy is imported until it runs."""

import argparse
import importlib
from pathlib import Path

from pipelines.core.command_line import Command, whole

KINDS = {
    "singles": "every fault alone",
    "pairs": "every pair of faults alone",
    "cover": "every pair of faults, eight faults at once",
    "crowd": "eight faults that a seed draws",
    "silence": "stream and list of trades silent together, while rests fill in part and are cancelled",
    "deaths": "the bot killed at each commit, request and answer, without faults and with eight",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=whole(1, 100_000), default=1, help="seeds of each schedule (1)")
    parser.add_argument("--first-seed", type=whole(0), default=1, help="the first of them (1)")
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=KINDS,
        default=["singles", "cover"],
        metavar="KIND",
        help="; ".join(f"{name}: {said}" for name, said in KINDS.items()) + " (singles cover)",
    )
    parser.add_argument("--faults", nargs="+", default=[], metavar="FAULT", help="only these (default: all)")
    parser.add_argument(
        "--policy",
        choices=("clock", "maker"),
        default="clock",
        help="what the bot trades by: one order at a time, or the two quotes of a maker (clock)",
    )
    parser.add_argument(
        "--every", type=whole(1, 10_000), default=1, help="kill at every N-th point only (1: at all of them)"
    )
    parser.add_argument("--workers", type=whole(1, 256), default=1, help="processes (1)")
    parser.add_argument("--state", type=Path, help="file of finished schedules; a run with the same file continues it")
    parser.add_argument("--replay", type=Path, help="play the schedule of this JSON file alone, with the bot's log")
    parser.add_argument("--shrink", action="store_true", help="print the smallest schedule of each failure")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def _drill(arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("drills.drill").run(arguments))


DRILL = Command(
    name="drill",
    help="bot and exchange on a virtual clock, with faults, pairs of faults and kills; checks the rules of a safe bot",
    work=_drill,
    arguments=_arguments,
    example="oddsmith drill --seeds 10 --kinds singles deaths --workers 2 --json",
)
