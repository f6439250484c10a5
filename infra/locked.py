"""Prints the pins of requirements.lock, with their hashes, that an installation asks for.

    python infra/locked.py serve train    what pyproject.toml names for these extras
    python infra/locked.py                everything

`--cpu` pins the CPU build of torch, whose version ends in `+cpu`: uv looks a hash up by the exact version.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def normalized(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: str) -> dict[str, str]:
    """The lock's text by package: its pins (more than one where Pythons need different ones) with their hashes."""
    found: dict[str, str] = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock.strip()):
        name = normalized(block.partition("==")[0])
        found[name] = found.get(name, "") + block + "\n"
    return found


def roots(project: str, extras: list[str]) -> list[tuple[str, str]]:
    """(name, its extras in brackets) of every requirement in a pyproject.toml with these extras of the project."""
    table = tomllib.loads(project)["project"]
    optional = table["optional-dependencies"]
    if unknown := [extra for extra in extras if extra not in optional]:
        sys.exit(f"pyproject.toml has no extra {', '.join(unknown)}; it has {', '.join(optional)}")
    lines = [*table["dependencies"], *(line for extra in extras for line in optional[extra])]
    named = [re.match(r"([A-Za-z0-9._-]+)\s*(\[[^\]]*\])?", line) for line in lines]
    return [(normalized(match[1]), match[2] or "") for match in named if match]


def main(words: list[str]) -> str:
    """The asked pins as the text of a requirements file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extras", nargs="*", help="extras of pyproject.toml")
    parser.add_argument("--cpu", action="store_true", help="pin the CPU build of torch")
    asked = parser.parse_args(words)
    lock = pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    if asked.cpu:
        lock["torch"] = re.sub(r"^(torch==[0-9.]+)", r"\1+cpu", lock["torch"])
    if not asked.extras:
        return "".join(lock.values())
    wanted = roots((ROOT / "pyproject.toml").read_text(encoding="utf-8"), asked.extras)
    if missing := sorted({name for name, _ in wanted if name not in lock}):
        sys.exit(f"requirements.lock has no pin of {', '.join(missing)}, which pyproject.toml names; run `make lock`")
    return "".join(re.sub(r"(?m)^([A-Za-z0-9._-]+)==", rf"\1{brackets}==", lock[name]) for name, brackets in wanted)


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]))
