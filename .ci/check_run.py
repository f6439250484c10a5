"""What `make run` on the small configuration has to have left behind; exit status 1 and one line if not."""

import json
import sys
from pathlib import Path
from typing import Any

RUN_KEYS = {"steps", "gate", "policy", "orders", "decisions", "ledger_equals_venue", "urls"}
PARITY_KEYS = {"bars", "decisions", "different", "not_replayed", "unreplayable", "differences"}


def problems_of(run: dict[str, Any], parity: dict[str, Any]) -> list[str]:
    """What is wrong with var/run.json and reports/parity.json, one sentence each; empty if nothing is."""
    problems = [
        f"{name} lacks {', '.join(sorted(wanted - set(found)))}; it has {', '.join(sorted(found))}"
        for name, found, wanted in (("the run's report", run, RUN_KEYS), ("the parity report", parity, PARITY_KEYS))
        if wanted - set(found)
    ]
    if problems:
        return problems
    if not isinstance(run["gate"], dict) or run["gate"].get("verdict") not in {"promote", "promote_in_cash", "hold"}:
        problems.append(f"the gate said {run['gate']}")
    if run["ledger_equals_venue"] is not True:
        problems.append("the ledger differs from the venue's account")
    if not run["decisions"]:
        problems.append("the bot decided nothing")
    if not parity["decisions"] or parity["different"] or parity["not_replayed"]:
        counts = {key: parity[key] for key in ("decisions", "different", "not_replayed", "unreplayable")}
        problems.append(f"the replay of the journal is not identical and whole: {counts}, {parity['differences']}")
    return problems


def main(run_path: str, parity_path: str) -> None:
    """Print the figures, or end with what is wrong."""
    run, parity = (json.loads(Path(path).read_text(encoding="utf-8")) for path in (run_path, parity_path))
    if problems := problems_of(run, parity):
        sys.exit("make run: " + "; ".join(problems))
    print("make run: " + json.dumps({key: run[key] for key in ("gate", "orders", "steps")}))
    print(
        "make parity: " + json.dumps({key: parity[key] for key in ("bars", "decisions", "different", "not_replayed")})
    )


if __name__ == "__main__":
    main(*sys.argv[1:3])
