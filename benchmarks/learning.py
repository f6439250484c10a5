"""What learning to trade is worth: `python -m benchmarks.learning --edge 1.0 --worlds 30`.

Agents and a policy search learn on synthetic worlds of their own, are chosen on others, and are tested with the rules
on the later part of worlds that nobody looked at: one account with every limit, after costs, in compiled replays that
are equal to the event-driven one. Forecasts are the Kalman limit of the public data, or those of `--forecaster`; one of
`make run` knows world 1, so with it the tests begin at `--first 2`. What learns on varied worlds learns on recordings
too, if ODDSMITH_RECORDINGS has them. Everything that is finished is kept in
var/benchmarks and not done again; with `--minutes` it ends with status 75 where there is more to do. One JSON line;
tables in docs/results.
"""

import argparse
import gc
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evaluate import iqm
from benchmarks.kept_rows import digest
from benchmarks.learning_agents import RECIPES, allocated, full, play_agent, searched, train
from benchmarks.learning_page import render
from benchmarks.learning_portfolio import RegimeChooser, block_pnl, hedge, regimes
from benchmarks.learning_varied import dearer, recordings, varied
from benchmarks.learning_worlds import DECIDES, LENGTH_S, Tapes, both_parts, tapes
from pipelines.core.artifacts import read_json, sha256_path, write_bytes, write_json
from pipelines.core.command_line import exit_status, number, whole
from pipelines.core.domain import FloatArray
from pipelines.core.errors import Stopped
from pipelines.core.money import MICRO
from pipelines.core.params import Params, read
from pipelines.inference.predictor import Predictor
from pipelines.replay.account import Played, play_policy, play_rule, play_shared, rule_numbers
from pipelines.replay.market_history import IntArray
from pipelines.replay.policy_search import Trained
from pipelines.replay.signals import threshold_params
from pipelines.trading import compiled, policies
from pipelines.trading.policies.kelly import Kelly
from pipelines.trading.policies.threshold_plain import ThresholdPlain
from pipelines.trading.threshold_rule import Rule

STATE = Path("var/benchmarks/learning")
SOURCES = (
    *DECIDES, "pipelines/agent", "pipelines/replay", "pipelines/trading", "benchmarks/learning.py",
    "benchmarks/learning_agents.py", "benchmarks/learning_portfolio.py", "benchmarks/learning_varied.py",
)  # fmt: skip
"""Code that decides results: rows and agents that were kept by another version of it are measured again."""
PAST, CHOOSING = (*range(101, 117), *range(201, 225)), range(121, 131)
"""Seeds of the worlds that are learned from and of those that decide what is kept; the test worlds begin at 1."""
VARIED = range(141, 171)
"""Seeds of the worlds of several generators, edges and costs."""
ALLOCATED = range(101, 115)
"""Seeds of the worlds on which allocators are searched: each costs such a search as much again."""
DEFAULT = (
    "ppo_scratch-1", "ppo_warm-1", "ppo_warm_start-1", "ppo_shuffled-1", "ppo_scratch-2", "ppo_scratch-3", "dqn-1",
    "qrdqn-1", "sac-1", "ppo_guide-1", "ppo_varied-1",
)  # fmt: skip
LEARNED = (
    "tuned",
    "allocator",
    "ppo_scratch-1",
    "ppo_scratch-2",
    "ppo_scratch-3",
    "ppo_warm-1",
    "dqn-1",
    "qrdqn-1",
    "sac-1",
)
"""Rows among which the best one is taken, by what it earned on the choosing worlds."""

BY_ID, FULL, HEDGE, STATIC, REGIMES = "by_id", "full", "chooser", "static", "regime_chooser"
"""Words in the names of rows, and three rows. `full` doubles the positions, to the limit of a tenth of the account, so
that three of them fill the exposure limit while five places are free."""
PORTFOLIO = {"": "allocator", FULL: "allocator_full"}
"""The allocator that was searched with such positions."""
CHOSEN_ALONE = ("threshold_plain", "threshold", "ppo_warm-1")
"""Among which the static choice takes the one that earned most in the earlier part of the same world, or cash."""
CHOOSABLE = ("threshold_plain", "threshold", "kelly", "ppo_warm-1")
"""Strategies that the online chooser distributes its money over; cash is one more."""
YARDSTICKS = {"threshold": "threshold_plain", "late_exits": "threshold", "kelly": "kelly"}
"""Name in the keys of the line -> row. The threshold rule of the keys is the one without hysteresis, which learning was
first compared with; the one of today, with its late exits, is the rule with late exits."""

Row = dict[str, float]


class Study:
    """One edge and one source of forecasts: worlds, what was learned, and P&L by world, all kept."""

    def __init__(self, edge: float, params: Params, forecaster: Path | None, minutes: float = 0.0) -> None:
        self.edge, self.params = edge, params
        self._ends = time.monotonic() + 60.0 * minutes if minutes else float("inf")
        kind = "kalman" if forecaster is None else str(read_json(forecaster / "meta.json")["kind"])
        named = kind if forecaster is None else f"{kind}-{sha256_path(forecaster)[:8]}"
        self._predictor = None if forecaster is None else (named, Predictor(forecaster))
        self.name = f"edge-{edge:g}-{kind}"
        decides = hashlib.sha256(params.model_dump_json(exclude={"compute"}).encode()).hexdigest()[:8]
        self._folder = STATE / f"edge-{edge:g}-{named}-{digest(SOURCES)}-{decides}"
        self._rows = self._folder / "rows.jsonl"
        self.cash = params.backtest.cash_pusd * MICRO
        self._regime_chooser: RegimeChooser | None = None
        self.results: dict[str, dict[int, float]] = {}
        for line in self._rows.read_text().splitlines() if self._rows.is_file() else []:
            row = json.loads(line)
            self.results.setdefault(row["row"], {})[row["world"]] = row["pnl_pusd"]

    def _begin(self, what: str) -> None:
        """Begin nothing after the time that was asked for.

        Raises:
            Stopped: with what is to do next.
        """
        if time.monotonic() >= self._ends:
            raise Stopped(f"the minutes are over before {what}; what is finished is kept, the same command goes on")

    def world(self, seed: int) -> Tapes:
        """The tapes of a world.

        Raises:
            Stopped: after the minutes that were asked for.
        """
        self._begin(f"world {seed}")
        return tapes(seed, self.edge, self.params, self._predictor)

    def learn(self, name: str) -> dict[str, Any]:
        """What was learned under that name, now or before."""
        about = self._folder / f"{name}.json"
        if not about.is_file():
            began = time.process_time()
            seeds = ALLOCATED if name in PORTFOLIO.values() else PAST
            past, choosing = ([self.world(seed) for seed in some] for some in (seeds, CHOOSING))
            self._begin(name)
            self._folder.mkdir(parents=True, exist_ok=True)
            rule = rule_numbers(threshold_params(self.params, LENGTH_S).rule)
            if name == "tuned":
                found = searched(past, choosing, rule, self.params)
            elif name in PORTFOLIO.values():
                found = allocated(past, choosing, rule, self.params, 1, fills=name == PORTFOLIO[FULL])
            else:
                found = self._train(name, past, choosing)
            write_json(about, found | {"seconds": round(time.process_time() - began, 1)})
            gc.collect()  # learner, environment and callbacks refer to each other: some 3 GB that nothing else frees
            print(json.dumps({"learned": name, "choosing_pusd": found["choosing_pusd"]}), file=sys.stderr, flush=True)
        return dict(read_json(about))

    def _train(self, name: str, past: Sequence[Tapes], choosing: Sequence[Tapes]) -> dict[str, Any]:
        recipe, seed = name.rsplit("-", 1)
        several = RECIPES[recipe].varied
        accounts = varied(VARIED, self.params) if several else both_parts(past, self.params)
        found = train(RECIPES[recipe], int(seed), accounts, choosing, self.params, self._folder / f"{name}.onnx")
        return found | ({"recordings": [one.stem for one in recordings()]} if several else {})

    def player(self, name: str) -> Callable[[Tapes, Trained], Played]:
        """How a row is played on the later part of a world."""
        if name in ("threshold", "threshold_plain", "tuned"):
            numbers = self._numbers(name)
            return lambda _, one: play_rule(one.tape, one.par, numbers, self.cash)
        if name in PORTFOLIO.values():
            rule, shared = self._numbers("threshold"), np.array(self.learn(name)["numbers"])
            return lambda _, one: play_shared(one.tape, one.par, rule, shared, self.cash)
        if name == "kelly":
            given = Kelly.Parameters.model_validate(policies.parameters(Kelly, self.params, LENGTH_S))
            keep = rule_numbers(Rule(0.0, given.exit_multiple, given.max_hold_bars * LENGTH_S))
            return lambda made, one: play_policy(
                one.tape, one.par, lambda _, rows: (made.kelly[0][rows], made.kelly[1][rows]), self.cash, keep
            )
        self.learn(name)
        return lambda _, one: play_agent(self._folder / f"{name}.onnx", one, self.cash)

    def _numbers(self, name: str) -> FloatArray:
        if name == "tuned":
            return np.array(self.learn(name)["numbers"])
        if name == "threshold":
            return rule_numbers(threshold_params(self.params, LENGTH_S).rule)
        given = ThresholdPlain.Parameters.model_validate(policies.parameters(ThresholdPlain, self.params, LENGTH_S))
        return rule_numbers(given.rule)

    def test(self, names: Sequence[str], worlds: Sequence[int]) -> None:
        """Play what is missing; with a cost in its name (`tuned x2`) fees and impact are that many times as high."""
        self._folder.mkdir(parents=True, exist_ok=True)
        players: dict[str, Any] = {}
        for seed in worlds:
            missing = [name for name in names if seed not in self.results.get(name, {})]
            if not missing:
                continue
            made = self.world(seed)
            for name in missing:
                above = {HEDGE: self._chooser, STATIC: self._static, REGIMES: self._regimes}.get(name)
                pnl = self._played(name, made, players).pnl_pusd if above is None else above(made)
                self.results.setdefault(name, {})[seed] = pnl
                row = {"row": name, "world": seed, "pnl_pusd": round(pnl, 2)}
                with self._rows.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(row) + "\n")

    def _played(self, name: str, made: Tapes, players: dict[str, Any]) -> Played:
        plain, *changed = name.split()
        if plain not in players:
            players[plain] = self.player(plain)
        one = made.trained(self.params, "later")
        for word in changed:
            if word == BY_ID:
                one = replace(one, tape=made.later)
            elif word == FULL:
                one = replace(one, par=full(one.par))
            else:
                one = dearer(one, float(word.removeprefix("x")))
        played: Played = players[plain](made, one)
        return played

    def _curves(self, made: Tapes) -> tuple[IntArray, list[IntArray]]:
        """Times of the later part, and the equity of cash and of the strategies of CHOOSABLE there."""
        players: dict[str, Any] = {}
        curves = [self._played(name, made, players).equity_micro for name in CHOOSABLE]
        ts_s = made.later.field.bars[made.later.rows[made.later.edges[:-1]], compiled.TS]
        return ts_s, [np.full(len(ts_s), self.cash), *curves]

    def _chooser(self, made: Tapes) -> float:
        """P&L of the online chooser over the strategies of CHOOSABLE and cash."""
        return hedge(*self._curves(made), self.cash).online_pusd

    def _regimes(self, made: Tapes) -> float:
        """P&L of the chooser that reads what the market looks like, fitted on the choosing worlds."""
        if self._regime_chooser is None:
            past = [self.world(seed) for seed in CHOOSING]
            rows = [(regimes(one.later), block_pnl(*self._curves(one), self.cash)) for one in past]
            self._regime_chooser = RegimeChooser(rows)
        blocks = block_pnl(*self._curves(made), self.cash)
        taken = self._regime_chooser.chosen(regimes(made.later))
        return float(blocks[taken, np.arange(len(taken))].sum())

    def _static(self, made: Tapes) -> float:
        """P&L in the later part of the strategy of CHOSEN_ALONE that earned most in the earlier one; 0 for cash."""
        earlier = made.trained(self.params, "earlier")
        past = {name: self.player(name)(made, earlier).pnl_pusd for name in CHOSEN_ALONE}
        best = max(past, key=lambda name: past[name])
        return self._played(best, made, {}).pnl_pusd if past[best] > 0.0 else 0.0

    def values(self, name: str, worlds: Sequence[int]) -> FloatArray:
        """P&L of a row on some worlds."""
        return np.array([self.results[name][seed] for seed in worlds])


def difference(more: FloatArray, samples: int = 2_000) -> list[float]:
    """Interquartile mean of paired differences over worlds and its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = [iqm(more[rng.integers(0, len(more), len(more))]) for _ in range(samples)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return [round(iqm(more), 1), round(float(low), 1), round(float(high), 1)]


def measured(study: Study, names: Sequence[str], worlds: range) -> dict[str, Any]:
    """Every figure of the JSON line and the page."""
    rows = {name: study.values(name, worlds) for name in names}
    versus = {
        yard: {name: difference(values - rows[yard]) for name, values in rows.items() if name != yard}
        for yard in YARDSTICKS.values()
        if yard in rows
    }
    plain = [name for name in names if " " not in name]
    known = (*LEARNED, *PORTFOLIO.values())
    learned = {
        name.split()[0]: study.learn(name.split()[0])
        for name in names
        if name.split()[0] in known or name.split("-")[0] in RECIPES
    }
    order = sorted((name for name in learned if name in LEARNED), key=lambda one: -learned[one]["choosing_pusd"])
    scratch = [rows[name] for name in plain if name.startswith("ppo_scratch-")]
    found: dict[str, Any] = {"benchmark": "learning", "edge": study.edge, "worlds": len(worlds), "first": worlds[0]}
    found["iqm_pusd"] = {name: round(iqm(values), 1) for name, values in rows.items()}
    found["minus"] = versus
    for called, yard in YARDSTICKS.items():
        if yard not in rows:
            continue
        if scratch:
            value = difference(np.mean(scratch, axis=0) - rows[yard])
            found |= {f"scratch_minus_{called}": value[0], f"scratch_minus_{called}_lower": value[1]}
        if order and yard != order[0]:
            value = versus[yard][order[0]]
            found |= {f"best_minus_{called}": value[0], f"best_minus_{called}_lower": value[1]}
    found |= {"best": order[0]} if order else {}
    warm = [rows[name] for name in plain if name.startswith("ppo_warm-")]
    if warm and "ppo_warm_start-1" in rows:
        value = difference(np.mean(warm, axis=0) - rows["ppo_warm_start-1"])
        found |= {"warm_minus_start": value[0], "warm_minus_start_lower": value[1]}
    for name in plain:
        if f"{name} {BY_ID}" in rows:
            found.setdefault("move_minus_id", {})[name] = difference(rows[name] - rows[f"{name} {BY_ID}"])
    found["allocation"] = _allocation(rows)
    if {HEDGE, STATIC} <= rows.keys():
        found["chooser_minus_static"] = difference(rows[HEDGE] - rows[STATIC])
        found["static_minus_threshold"] = difference(rows[STATIC] - rows["threshold"])
    for row in {HEDGE, REGIMES} & rows.keys():
        best = np.maximum(np.array([rows[name] for name in CHOOSABLE]).max(axis=0), 0.0)
        found[f"{row}_minus_threshold"] = difference(rows[row] - rows["threshold"])
        found[f"{row}_regret"] = difference(best - rows[row])
    if "ppo_shuffled-1" in rows:
        value = difference(rows["ppo_shuffled-1"])
        found |= {"shuffled_pusd": value[0], "shuffled_interval": value[1:]}
    shown = ("choosing_pusd", "seconds", "recordings")
    found["learned"] = {name: {key: one[key] for key in shown if key in one} for name, one in learned.items()}
    found["above_zero"] = {name: int(np.sum(values > 0.0)) for name, values in rows.items()}
    return found


def _allocation(rows: Mapping[str, FloatArray]) -> dict[str, list[float]]:
    """P&L gained by the allocator and by the order of moves, at the shipped position limit and at the full one."""
    found = {}
    for word, allocator in PORTFOLIO.items():
        by_move, end = f"threshold {word}".strip(), f" {word}" if word else ""
        by_id, shared = f"threshold {BY_ID}{end}", f"{allocator}{end}"
        if {by_move, by_id, shared} <= rows.keys():
            found[f"allocator_minus_id{end}"] = difference(rows[shared] - rows[by_id])
            found[f"allocator_minus_move{end}"] = difference(rows[shared] - rows[by_move])
            found[f"move_minus_id{end}"] = difference(rows[by_move] - rows[by_id])
    return found


def sections(path: Path) -> str:
    """The sections of a page that are written by hand: those below headings of their own, which no table has."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return text[at:] if (at := text.find("\n## ")) >= 0 else ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what is missing, print one line and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning", description=__doc__)
    parser.add_argument("--edge", type=number(0, 1), default=1.0)
    parser.add_argument("--worlds", type=whole(2), default=30)
    parser.add_argument("--first", type=whole(1), default=1, help="seed of the first test world (1)")
    parser.add_argument("--forecaster", type=Path, help="folder of a trained forecaster instead of the Kalman limit")
    parser.add_argument("--rows", nargs="*", default=list(DEFAULT), help="what learns, name-seed; rules always play")
    parser.add_argument("--costs", nargs="*", default=[], help="multiples of fees and impact to test at, such as 0.5 2")
    parser.add_argument("--alone", action="store_true", help="leave out orders of markets, allocators and choosers")
    parser.add_argument("--minutes", type=number(0, 10_000), default=0.0, help="begin nothing later (0: no end)")
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    asked = parser.parse_args(arguments)
    study = Study(asked.edge, read(Path("params.yaml")), asked.forecaster, asked.minutes)
    worlds = range(asked.first, asked.first + asked.worlds)
    plain = ["threshold_plain", "threshold", "kelly", "tuned", *asked.rows]
    if not asked.alone:
        plain += [f"{name} {BY_ID}" for name in ("threshold", "kelly", "tuned")]
        plain += [PORTFOLIO[""], f"threshold {FULL}", f"threshold {BY_ID} {FULL}", f"{PORTFOLIO[FULL]} {FULL}"]
        plain += [HEDGE, STATIC, REGIMES] if set(CHOOSABLE) <= set(plain) else []
    names = plain + [f"{name} x{cost}" for cost in asked.costs for name in ("threshold", "tuned", "ppo_scratch-1")]
    study.test(names, worlds)
    found = measured(study, names, worlds)
    path = asked.out / f"learning-{study.name}.md"
    write_bytes(path, (render(found, study.name) + sections(path)).encode())
    print(json.dumps(found))


if __name__ == "__main__":
    sys.exit(exit_status("learning", main))
