import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import evaluate, null
from benchmarks.commands import EVALUATE
from benchmarks.contest import Contest
from benchmarks.evaluate import by_seed, iqm, ratio, render, summary
from benchmarks.worlds import world
from pipelines.core.command_line import Parser
from pipelines.core.params import read

PARAMS = read(Path("params.yaml"))


def test_the_interquartile_mean_is_the_mean_of_the_middle_half():
    """Of 1..8 the middle half is 3..6; with a number that four does not divide, the ends count in part."""
    assert iqm(np.arange(1.0, 9.0)) == pytest.approx(4.5)
    assert iqm(np.array([0.0, 10.0, 1000.0])) == pytest.approx((10.0 * 1.0 + 0.25 * 0.0 + 0.25 * 1000.0) / 1.5)
    assert iqm(np.array([7.0])) == 7.0


def test_the_table_has_an_interval_and_is_sorted():
    """Each strategy stands with its interval; the best comes first."""
    rows = [{"cash": 0.0, "good": 5.0 + k} for k in range(8)]
    table = summary(rows, samples=200)
    assert table["good"]["low_pusd"] <= table["good"]["iqm_pusd"] <= table["good"]["high_pusd"]
    assert table["good"]["above_zero"] == 1.0
    lines = render(table, 1.0, None).splitlines()
    assert lines.index(next(line for line in lines if line.startswith("| good"))) < len(lines) - 1


def test_judged_time_is_unseen():
    """Every event that agents train on has ended before the first one they are judged on begins."""
    made = world(3, 1.0, 24, PARAMS.execution)
    assert max(one.ts_s[-1] for one in made.earlier) <= min(one.ts_s[0] for one in made.later)
    assert not {one.market.event_id for one in made.earlier} & {one.market.event_id for one in made.later}


def test_ppo_is_measured_against_the_rule():
    """The ratio of interquartile means has an interval, and is not given where the rule lost or PPO did not run."""
    rows = [{"threshold": 100.0 + k, "ppo": 60.0 + k} for k in range(10)]
    shown = ratio(rows)
    assert shown["low"] <= shown["ratio"] <= shown["high"]
    assert shown["ratio"] == pytest.approx(iqm(60.0 + np.arange(10)) / iqm(100.0 + np.arange(10)), abs=1e-3)
    assert ratio([{"threshold": -1.0, "ppo": 1.0}]) is None
    assert ratio([{"threshold": 1.0}]) is None
    assert "PPO earned 62% of the threshold rule on the same forecasts (95 % interval" in by_seed(rows)


def test_with_learned_forecasts_ppo_is_measured_against_the_rule_on_the_best_ones():
    """Where the rule was played on the Kalman-optimal forecast too, that is the yardstick, and the page says so."""
    rows = [{"ppo": 30.0 + k, "threshold": 40.0 + k, "threshold_on_kalman": 120.0 + k} for k in range(10)]
    assert ratio(rows)["ratio"] == pytest.approx(iqm(30.0 + np.arange(10)) / iqm(120.0 + np.arange(10)), abs=1e-3)
    page = by_seed(rows)
    assert "PPO earned 28% of what the threshold rule earns on the Kalman-optimal forecast (95 % interval" in page
    assert "on the same forecasts" not in page
    known = summary(rows, samples=10)
    assert "is the threshold rule on the Kalman limit" in render(known, 1.0, "hybrid")
    assert "is the threshold rule on the Kalman limit" not in render(known, 1.0, None)
    assert ratio([{"ppo": 1.0, "threshold": 5.0, "threshold_on_kalman": -1.0}]) is None


def test_what_tuning_adds_has_an_error():
    """Two settings of PPO are compared world by world; with one of them there is nothing to compare."""
    rows = [{"ppo": 10.0 * k, "ppo_tuned": 10.0 * k + 5.0, "threshold": 1.0} for k in range(4)]
    assert "earned +5 pUSD more on average (standard error over the worlds 0)" in by_seed(rows)
    assert "tuned" not in by_seed([{"ppo": 1.0, "threshold": 1.0}] * 2)


def test_everything_that_decides_a_result_is_in_the_digest():
    """Whatever code an evaluation loads is among the sources whose edit makes kept results stale, except parameters,
    which count by value, and what only reads, writes and reports."""
    code = "import sys, pipelines.agent.export, pipelines.agent.training, benchmarks.evaluate\n"
    code += "print(*(module.__file__ for module in list(sys.modules.values()) if getattr(module, '__file__', None)))"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    ours = {str(path.relative_to(evaluate.ROOT)) for path in map(Path, listed) if evaluate.ROOT in path.parents}
    ours = {name for name in ours if name.startswith(("benchmarks", "pipelines", "simulator"))}
    left_out = {name for name in ours if not name.startswith(evaluate.SOURCES) and not name.endswith("__init__.py")}
    core = ["artifacts", "errors", "full_disk", "interruption", "kinds", "log", "orders", "products", "profile_paths"]
    silent = {f"pipelines/core/{name}.py" for name in core}
    assert left_out == silent | {"pipelines/core/params.py", "pipelines/core/sections.py", "benchmarks/evaluate.py"}


def test_an_edit_makes_kept_results_stale(tmp_path, monkeypatch):
    """Another line in any source, or another calibration of the forecaster, is another digest."""
    for source in evaluate.SOURCES:
        file = tmp_path / source if source.endswith(".py") else tmp_path / source / "one.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x = 1\n")
    forecaster = tmp_path / "forecaster"
    forecaster.mkdir()
    for name in ("forecaster.onnx", "confidence.json"):
        (forecaster / name).write_text("{}")
    monkeypatch.setattr(evaluate, "ROOT", tmp_path)
    seen = [evaluate.digest(PARAMS, 42, forecaster)]
    for file in (path for path in sorted(tmp_path.rglob("*")) if path.is_file()):
        file.write_text("{ }")
        seen.append(evaluate.digest(PARAMS, 42, forecaster))
    assert len(set(seen)) == len(seen) == len(evaluate.SOURCES) + 3
    assert evaluate.digest(PARAMS, 42, None) not in seen


def main(arguments: list[str]) -> None:
    """Run `oddsmith evaluate` with these arguments, its errors as they are."""
    parser = Parser()
    EVALUATE.arguments(parser)
    evaluate.run(parser.parse_args(arguments))


@pytest.fixture
def small(tmp_path, monkeypatch):
    """An empty folder with the shipped parameters, for a contest of a few events."""
    shipped = Path("params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(re.sub(r"imitation_epochs: \d+", "imitation_epochs: 1", shipped))
    monkeypatch.chdir(tmp_path)
    return ["--seeds", "2", "--events", "12", "--timesteps", "512", "--out", "out", "--agents"]


@pytest.mark.nightly
@pytest.mark.slow
def test_finished_strategies_are_not_run_again(small, monkeypatch):
    """An interrupted evaluation goes on with what is missing; other parameters begin anew (cash stands for all)."""
    ran = []
    play = Contest.rule

    def counted(contest, kind, given=None):
        ran.append(kind)
        if len(ran) == 4:
            raise KeyboardInterrupt
        return play(contest, "cash")

    monkeypatch.setattr(Contest, "rule", counted)
    with pytest.raises(KeyboardInterrupt):
        main(small)
    assert len(Path("var/evaluate/edge-1-kalman.jsonl").read_text().splitlines()) == 3
    main(small)
    finished = len(ran)
    assert ran.count("cash") == 2
    with Path("var/evaluate/edge-1-kalman.jsonl").open("a") as stream:
        stream.write('{"digest": "torn')
    main(small)
    assert len(ran) == finished
    changed = Path("params.yaml").read_text().replace("cash_pusd: 10000", "cash_pusd: 9000")
    Path("params.yaml").write_text(changed)
    main(small)
    assert len(ran) == 2 * finished - 1


@pytest.mark.nightly
@pytest.mark.slow
def test_two_seeds_make_a_table(small):
    """The whole evaluation, made small: two worlds, rules and PPO with and without forecasts, one table."""
    main([*small, "ppo", "ppo_without_forecasts"])
    page = Path("out/strategies-edge-1-kalman.md").read_text()
    assert all(f"| {name} | " in page for name in ("threshold", "kelly", "ppo", "ppo_without_forecasts", "random"))
    assert "| 2 | +0 |" in page


def test_without_costs_a_round_trip_is_free():
    """The null study's other half trades at the mid: entering and leaving at one price changes nothing."""
    contest = Contest.of(world(1, 0.0, 14, PARAMS.execution, believed_edge=1.0), PARAMS, null.BELIEVED, free=True)
    result = contest.rule("threshold")
    assert result.fills
    assert result.fees_micro == 0
    mids = {(one.market.market_id, ts_s): one.bar.mid_units for ts_s, step in contest.tape.steps for one in step}
    for fill in result.fills:
        mid = mids[fill.market_id, fill.ts_s]
        assert fill.price_units == (mid if fill.outcome == "YES" else 10_000 - mid)


def test_the_filter_of_another_edge_is_sure_and_wrong():
    """Without an edge the right filter expects nothing; that of edge 1 expects moves that do not come."""
    right, wrong = (world(2, 0.0, 14, PARAMS.execution, believed_edge=edge) for edge in (None, 1.0))
    assert max(np.abs(one.mean).max() for one in right.later) < 1e-9
    expected = np.concatenate([one.mean[:-24, 23] for one in wrong.later])
    odds = [np.log(one.mid_units / (10_000 - one.mid_units)) for one in wrong.later]
    came = np.concatenate([one[24:] - one[:-24] for one in odds])
    assert np.abs(expected).max() > 0.05
    assert abs(np.corrcoef(expected, came)[0, 1]) < 0.1


def test_the_share_of_fooled_trials_has_its_interval():
    """A trial is fooled when its interval lies above 0; the share comes with the exact binomial interval."""
    made = [null.Trial("reversion", k, "kelly", True, 1.0, 1.0 if k == 0 else -1.0, 2.0, 5) for k in range(40)]
    row = null.share(made)
    assert (row["fooled"], row["trials"]) == (1, 40)
    assert row["low"] == pytest.approx(1 - 0.975 ** (1 / 40))
    assert row["low"] < 0.025 < row["high"] < 0.15
    assert "| kelly | 40 | 1 | 2.5% |" in null.render(
        [*made, null.Trial("reversion", 0, "kelly", False, 0.0, -1.0, 1.0, 1)]
    )
