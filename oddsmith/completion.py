"""`oddsmith completion`: a script for a shell, made from the command line itself."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import shtab

from oddsmith.parameters import keys

FILES = {"recording", "archive"}
"""Arguments that are files although they are kept as text."""


def show(shell: str, parser: argparse.ArgumentParser) -> None:
    """Print the completion script of bash, zsh or fish; paths complete as files, keys as those of params.yaml."""
    for action in _actions(parser):
        if action.type is Path or action.dest in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        if action.dest == "explain":
            action.choices = list(keys())
    sys.stdout.write(shtab.complete(parser, shell=shell) + "\n")


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _actions(child)
