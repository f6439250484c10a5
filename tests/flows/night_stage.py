"""The stages of a tiny night, as DVC runs them: `python -m night_stage NAME`. Each takes a moment, so that it can be
killed halfway, and writes as the real ones do."""

import sys
import time
from pathlib import Path

from benchmarks import tiny_bundle
from pipelines.core.artifacts import read_json, replaced_folder, write_json
from pipelines.inference import verdict

SLOW_S = 0.6
PADDING = "x" * 300_000
"""More than a full disk of the drills has room for."""


def main(name: str) -> None:
    """Write the product of a stage."""
    if name in ("pull", "validate"):
        with replaced_folder(Path("data/raw" if name == "pull" else "data/quarantine")) as folder:
            time.sleep(SLOW_S)
            write_json(folder / "rows.json", {"start_s": read_json(Path("data/window.json"))["start_s"], "x": PADDING})
    elif name == "package":
        with replaced_folder(Path("models/bundle")) as folder:
            tiny_bundle.make(folder, pull=read_json(Path("fit.json"))["pull"], source="recorded")
            time.sleep(SLOW_S)
    else:
        time.sleep(SLOW_S)
        made = read_json(Path("models/bundle/manifest.json"))
        said = {"verdict": "promote", "bundle": made["hash"]}
        evidence = {"reasons": ["because"], "evidence": {"skill": 0.02}}
        write_json(Path("reports/gate.json"), said | evidence)
        verdict.write(
            Path("models/verdict.json"), **said, source="recorded", evidence=evidence, as_of_s=made["created_s"],
            valid_days=30,
        )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
