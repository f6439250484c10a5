"""What `make run` on the small configuration has to have left behind; exit status 1 and one line if not."""

import json
import sys
from pathlib import Path

report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
problems = []
if set(report) < {"steps", "gate", "policy", "orders", "ledger_equals_venue", "urls"}:
    problems.append(f"keys are missing, there are {sorted(report)}")
if report.get("gate", {}).get("verdict") not in {"promote", "hold"}:
    problems.append(f"the gate said {report.get('gate')}")
if report.get("ledger_equals_venue") is not True:
    problems.append("the ledger differs from the venue's account")
if not report.get("decisions"):
    problems.append("the bot decided nothing")
if problems:
    sys.exit("make run: " + "; ".join(problems))
print("make run: " + json.dumps({key: report[key] for key in ("gate", "orders", "steps")}))
