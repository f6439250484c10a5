"""The champion's policy around tonight's forecasts: it stays until another one is surely better.

A policy that passed the gate was picked from older events. To pick again every night, among policies that differ
little, from the few events of one slice, is to pick luck: after a change of the market the slice has hours. So the
backtest plays the champion's policy too and keeps it where it earned, unless a paired comparison over
events says that another one is surely better.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.backtest import learned
from pipelines.backtest.strategies import Comparison, Job, Run, by_event, job
from pipelines.core.domain import Market
from pipelines.core.params import Params
from pipelines.inference import rival
from pipelines.replay import rules
from pipelines.replay.bounds import mean_bound
from pipelines.trading import policies
from pipelines.trading.policies import strategy_files

CASH = "cash"


@dataclass(frozen=True)
class Incumbent:
    """A policy that passed the gate and trades."""

    bundle: str
    """Hash of the champion."""
    kind: str
    params: dict[str, Any]
    folder: Path
    """The champion's bundle, which holds the files of a trained policy."""

    def among(self, jobs: Sequence[Job], comparison: Comparison) -> tuple[list[Job], str]:
        """All jobs with its own, which has tonight's forecasts and sizes, and the name of its row. A rule that is
        played already is not played twice."""
        trained = policies.find(self.kind, comparison.params).files
        for one in jobs:
            if not trained and (one.kind, one.params) == (self.kind, self.params):
                return list(jobs), one.name
        name = f"champion's {self.kind}"
        return [*jobs, job(comparison, self.kind, self.params, name, self.folder)], name


def find(params: Params, length_s: int) -> Incumbent | None:
    """The policy of the champion that data/champion.json names, where it passed the gate, trades, and is still what
    params.yaml and `strategies/` ask for; a kind, number or file that you changed since counts at once."""
    opponent = rival.find()
    if opponent.bundle is None or not opponent.proven:
        return None
    section = opponent.bundle.manifest["policy"]
    kind, values = str(section["kind"]), dict(section["params"])
    if kind == CASH or kind not in policies.candidates(params) or not _still_asked(section, params, length_s):
        return None
    return Incumbent(opponent.bundle.hash, kind, values, opponent.bundle.folder)


def _still_asked(section: Mapping[str, Any], params: Params, length_s: int) -> bool:
    kind = str(section["kind"])
    asked, sealed = rules.policy_params(kind, params, length_s), section["params"]
    given = {name for name in asked if name not in learned.LEARNED.get(kind, ())}
    content = strategy_files.content_of(policies.find(kind, params))
    code = None if content is None else hashlib.sha256(content).hexdigest()
    same = asked.keys() == sealed.keys() and all(asked[name] == sealed[name] for name in given)
    return same and code == section.get("strategy", {}).get("sha256")


def stays(incumbent: Run, others: Sequence[Run], markets: Mapping[str, Market], level: float) -> bool:
    """Whether an incumbent's run earned, and no other candidate is surely better: the one-sided lower bound of the
    difference by event, at `level` for all of them together, is above 0 for none."""
    if incumbent.figures.pnl_pusd <= 0.0:
        return False
    rivals = [run for run in others if run.candidate and run is not incumbent]
    each = 1.0 - (1.0 - level) / max(len(rivals), 1)
    mine = by_event(incumbent, markets)
    return all(mean_bound(by_event(run, markets) - mine, each) <= 0.0 for run in rivals)
