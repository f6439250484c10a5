"""What `make run` on the small configuration has to have left behind; exit status 1 and one line if not."""

import json
import sys
from pathlib import Path

report, parity = (json.loads(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:3])
problems = []
if set(report) < {"steps", "gate", "policy", "orders", "ledger_equals_venue", "urls"}:
    problems.append(f"keys are missing, there are {sorted(report)}")
if report.get("gate", {}).get("verdict") not in {"promote", "hold"}:
    problems.append(f"the gate said {report.get('gate')}")
if report.get("ledger_equals_venue") is not True:
    problems.append("the ledger differs from the venue's account")
if not report.get("decisions"):
    problems.append("the bot decided nothing")
if not parity["decisions"] or parity["different"] or parity["not_replayed"]:
    counts = {key: parity[key] for key in ("decisions", "different", "not_replayed", "unreplayable")}
    problems.append(f"the replay of the journal is not identical and whole: {counts}, {parity['differences']}")
if problems:
    sys.exit("make run: " + "; ".join(problems))
print("make run: " + json.dumps({key: report[key] for key in ("gate", "orders", "steps")}))
print("make parity: " + json.dumps({key: parity[key] for key in ("bars", "decisions", "different", "not_replayed")}))
