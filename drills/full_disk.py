"""A disk that is full in the middle of each stage of a night: `python -m drills.full_disk [--stages pull gate]`.

The stages are the real ones, in processes of their own, on a small recording and a file system of their own (tmpfs,
which only root may mount). Each runs once with room. Then it runs again where nothing is free, and where a share of
what it writes is: it has to end with one line that says what to do, leave data and models as they were, and every
report and ledger whole. With room it has to write the same data and models again. Prints one JSON line a stage; the
exit status is 1 if a rule was broken.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pipelines.commands import STAGES
from pipelines.core.products import VERDICT
from pipelines.inference import verdict

ROOT = Path(__file__).parents[1]
START_S: Final = 1_767_225_600
LARGE: Final = 256 * 2**20
PAGE: Final = 4_096
PRODUCTS: Final = ("data", "models")
LEDGERS: Final = "var/*.jsonl"
SMALL: Final[dict[str, dict[str, Any]]] = {
    "forecast": {"windows": 256, "epochs": 1, "batch_size": 128, "replicas": 1},
    "conformal": {"windows": 300},
    "ppo_entries": {"timesteps": 2_048, "n_envs": 16, "batch_size": 128, "n_epochs": 1, "critic_steps": 0},
    "agent": {"imitation_epochs": 0},
    "backtest": {"random_seeds": 1},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the drill and print; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m drills.full_disk", description=__doc__)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="which are drilled (all)")
    parser.add_argument("--shares", nargs="+", type=float, default=[0.0, 0.5], help="of what a stage writes (0 0.5)")
    parser.add_argument("--kind", default="mlp", help="forecast.kind (mlp)")
    asked = parser.parse_args(arguments)
    broken = False
    with tempfile.TemporaryDirectory() as folder, Disk.mounted(Path(folder)) as disk:
        night = Night(disk, asked.kind)
        for stage in list(STAGES)[: max(list(STAGES).index(name) for name in asked.stages) + 1]:
            found = night.drilled(stage, asked.shares if stage in asked.stages else [])
            broken |= bool(found["broken"])
            print(json.dumps(found), flush=True)  # noqa: T201 - a line a stage for a person or a program
            if found["status"] != 0:
                break
    return int(broken)


class Disk:
    """A file system whose size can be set while it is used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextmanager
    def mounted(cls, folder: Path) -> "Iterator[Disk]":
        """A large one at a folder.

        Raises:
            PermissionError: where this user may not mount one.
        """
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={LARGE}", "tmpfs", str(folder)], check=False)
        if made.returncode != 0:
            raise PermissionError("mounting a file system needs root; run the drill as root, or in a container")
        try:
            yield cls(folder)
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)

    def used(self) -> int:
        """Bytes in use."""
        found = os.statvfs(self.folder)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    @contextmanager
    def with_room(self, free: int) -> Iterator[None]:
        """Nothing but `free` bytes, in whole pages, can be written in the block."""
        self._resize(self.used() + free // PAGE * PAGE)
        try:
            yield
        finally:
            self._resize(LARGE)

    def _resize(self, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.folder)], check=True)


class Night:
    """The stages of a small night on a disk."""

    def __init__(self, disk: Disk, kind: str, program: str = "pipelines") -> None:
        self._disk, self._folder, self._program = disk, disk.folder, program
        params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        for section, values in SMALL.items():
            params[section] |= values
        params["forecast"]["kind"] = kind
        (self._folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        _recording(self._folder / "recording.parquet")
        self._run("window", "--source", "recorded", "--recording", "recording.parquet").check_returncode()

    def drilled(self, stage: str, shares: Sequence[float]) -> dict[str, Any]:
        """What a stage did with room, and which rules it broke without."""
        before, started = self._disk.used(), time.monotonic()
        whole = self._run(stage)
        found = {"stage": stage, "status": whole.returncode, "seconds": round(time.monotonic() - started, 1)}
        written = max(self._disk.used() - before, PAGE)
        if whole.returncode != 0:
            return found | {"broken": [f"with room it ended with {whole.stderr[-2_000:]}"]}
        broken = [text for share in shares for text in self._without_room(stage, int(share * written))]
        if shares:
            made, again = self._products(), self._run(stage)
            if again.returncode != 0:
                broken.append(f"with room again it ended with {again.stderr[-2_000:]}")
            elif changed := _changed(made, self._products()):
                broken.append(f"with room again it wrote other bytes: {changed}")
        return found | {"written": written, "broken": broken}

    def _without_room(self, stage: str, free: int) -> Iterator[str]:
        before = self._products()
        with self._disk.with_room(free):
            ended = self._run(stage)
        here = f"with {free} bytes free"
        changed = _changed(before, self._products())
        if ended.returncode == 0:
            if changed:
                yield f"{here} it ended well with other products: {changed}"
            return
        said = (ended.stderr.strip().splitlines() or [""])[-1]
        if ended.returncode != 1 or not said.startswith(f"{stage}: ") or "Make room" not in said:
            yield f"{here} it ended with {ended.returncode} and said {ended.stderr[-2_000:]!r}"
        if changed:
            yield f"{here} it changed {changed}"
        for file in (self._folder / "reports").glob("*"):
            if not _is_whole(file.suffix, file.read_text(encoding="utf-8")):
                yield f"{here} it left a part of {file.name}"
        for ledger in sorted(self._folder.glob(LEDGERS)):
            if not all(_is_json(line) for line in ledger.read_text(encoding="utf-8").splitlines()):
                yield f"{here} it left half a line in {ledger.name}"

    def _products(self) -> dict[str, str]:
        """Files of data and models, also half-made ones, and the hashes of their content.

        Of a verdict what it says of which bundle: it also holds when it was given, and how fast a bar was decided.
        """
        files = [file for name in PRODUCTS for file in (self._folder / name).rglob("*") if file.is_file()]
        made = {
            file.relative_to(self._folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
        }
        if VERDICT.as_posix() in made:
            given = verdict.read(self._folder / VERDICT)
            made[VERDICT.as_posix()] = f"{given.verdict} {given.bundle}"
        return made

    def _run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ODDSMITH_")}
        return subprocess.run(
            [sys.executable, "-m", self._program, *command],
            cwd=self._folder,
            env={**kept, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )


def _changed(before: dict[str, str], after: dict[str, str]) -> str:
    """Names of the files that are others, or there in one of the two alone."""
    return ", ".join(sorted(name for name in {*before, *after} if before.get(name) != after.get(name)))


def _is_whole(suffix: str, text: str) -> bool:
    if suffix == ".json":
        return _is_json(text)
    return text.rstrip().endswith("</html>") if suffix == ".html" else text.endswith("\n")


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _recording(path: Path) -> None:
    """Forty events of two markets, 200 minutes each: random walks."""
    rng = np.random.default_rng(1)
    walks = np.clip(5_000 + 50 * np.cumsum(rng.integers(-3, 4, (40, 2, 200)), axis=2), 100, 9_900) / 1e4
    rows = [
        {
            "market_id": f"m{event:02d}-{side}",
            "event_id": f"e{event:02d}",
            "timestamp": START_S + 60 * (100 * event + bar),
            "price": float(price),
        }
        for event, sides in enumerate(walks)
        for side, prices in enumerate(sides)
        for bar, price in enumerate(prices)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


if __name__ == "__main__":
    sys.exit(main())
