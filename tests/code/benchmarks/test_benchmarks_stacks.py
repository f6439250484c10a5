import itertools
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from benchmarks import stacks
from pipelines.backtest.stage import stacks as stacks_for_the_page
from pipelines.core.artifacts import write_json
from pipelines.core.errors import DataError, ParameterError
from pipelines.core.params import load, parse
from pipelines.core.sections import StackParams

STACK = StackParams(scorer="finbert", forecast="gru", agent="dqn", forecast_block=False)


def test_the_guides_stacks_are_there():
    """The guide's four by name, and PPO and DQN in all four cases of forecasts and sentiment."""
    stacks = load().stacks
    assert {"finbert_hybrid_ppo", "llm_gru_dqn", "sentiment_lstm_ppo", "ppo_alone"} <= set(stacks)
    assert stacks["llm_gru_dqn"].agent == "dqn"
    same = [one for one in stacks.values() if one.forecast == "hybrid" and one.scorer in {"none", "vader"}]
    cases = {(one.agent, one.forecast_block, one.scorer) for one in same}
    assert cases == set(itertools.product(("ppo", "dqn"), (True, False), ("none", "vader")))


def test_a_stack_changes_its_parts_and_nothing_else():
    """The stack's parameters are those of params.yaml with scorer, forecaster and agent replaced, and still valid."""
    plain = yaml.safe_load(Path("params.yaml").read_text())
    changed = stacks.configured(yaml.safe_load(Path("params.yaml").read_text()), STACK)
    typed = parse(changed, origin="stack")
    assert (typed.news.scorer, typed.forecast.kind, typed.agent.learner) == ("finbert", "gru", "dqn")
    assert not typed.agent.forecast_block
    assert changed["risk"] == plain["risk"]


@pytest.mark.parametrize("name", sorted(load().stacks))
def test_an_agent_without_forecasts_does_not_imitate_them(name):
    """Every stack's parameters are valid, and only a stack that sees forecasts is warm-started with their rule."""
    document = yaml.safe_load(Path("params.yaml").read_text())
    stack = load().stacks[name]
    typed = parse(stacks.configured(document, stack), origin=name)
    assert (typed.agent.imitation_epochs > 0) == stack.forecast_block


def test_an_unknown_stack_is_named():
    """The error says which stacks there are."""
    with pytest.raises(ParameterError, match=r"'gpt'.*ppo_alone"):
        stacks.run(["gpt"])


def test_without_a_pull_it_says_what_to_do(tmp_path, monkeypatch):
    """Stacks need data: the error names the command that makes it."""
    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="make run"):
        stacks.run()


def test_headlines_are_scored_again(tmp_path, monkeypatch):
    """A stack with another scorer reads its own sentiment; all else of the headline stays."""

    class Optimist:
        def score(self, texts):
            return [0.5 for _ in texts]

    path = tmp_path / "headlines.parquet"
    row = {"headline_id": "h", "market_ids": ["a"], "published_s": 1, "known_s": 2, "text": "t", "sentiment": -1.0}
    pq.write_table(pa.Table.from_pylist([row]), path)
    monkeypatch.setattr(stacks.scorers, "make", lambda params, settings: Optimist())
    stacks.rescore(path, STACK, load())
    assert pq.read_table(path).to_pylist() == [row | {"sentiment": 0.5}]


def test_without_a_scorer_no_headline_has_a_score(tmp_path):
    """A stack without sentiment forgets the scores of the pull and keeps its headlines."""
    path = tmp_path / "headlines.parquet"
    row = {"headline_id": "h", "market_ids": ["a"], "published_s": 1, "known_s": 2, "text": "t", "sentiment": -1.0}
    pq.write_table(pa.Table.from_pylist([row]), path)
    stacks.rescore(path, STACK.model_copy(update={"scorer": "none"}), load())
    assert pq.read_table(path).to_pylist() == [row | {"sentiment": None}]


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Runs stacks with stages that write a line instead of training; the stages that ran, in order."""
    ran = []

    def note(name, folder):
        ran.append((folder.name, name))
        if name == "forecast":
            (folder / "models/forecaster").mkdir(parents=True)
            (folder / "models/forecaster/made_by").write_text(folder.name)
            (folder / "reports").mkdir()
            (folder / "reports/forecast.json").write_text("{}")

    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    Path("data/raw/markets.parquet").write_text("a pull")
    monkeypatch.setattr(stacks, "_stage", note)
    monkeypatch.setattr(stacks, "measured", lambda folder, stack: ROW | {"parts": stack.model_dump()})
    return ran


def test_stacks_with_the_same_forecaster_train_it_once(played):
    """A second stack with the scorer and forecaster of a first takes its forecasts over and trains only its agent."""
    stacks.run(["ppo_alone", "hybrid_dqn", "vader_dqn"])
    assert [name for folder, name in played if folder == "hybrid_dqn"] == ["agent", "backtest"]
    assert [name for folder, name in played if folder == "vader_dqn"] == ["featurize", "forecast", "agent", "backtest"]
    assert Path("var/stacks/hybrid_dqn/models/forecaster/made_by").read_text() == "ppo_alone"
    assert Path("var/stacks/hybrid_dqn/data/raw/markets.parquet").read_text() == "a pull"


def test_a_measurement_says_when_and_on_what(played):
    """The backtest shows stacks with their data, knows when the pull is another one by now, and shows no others."""
    stacks.run(["ppo_alone"])
    shown = stacks_for_the_page()
    assert shown["same_data"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", shown["measured_at"])
    assert shown["data"]["sha256"][:12] in Path("docs/results/stacks.md").read_text()
    Path("data/raw/markets.parquet").write_text("the next pull")
    assert not stacks_for_the_page()["same_data"]
    write_json(Path("reports/stacks.json"), {"stacks": shown["stacks"]})
    assert stacks_for_the_page() == {}


PARTS = STACK.model_dump()
ROW = {
    "pnl_pusd": 0.0, "round_trips": 0, "daily_return": 0.0, "sharpe_bar": None, "win_rate": None,
    "max_drawdown": 0.0, "skill_price_pooled": 0.031, "skill_price_pooled_interval": [0.02, 0.04],
    "threshold_pnl_pusd": 152.4, "markets": 30, "days": 0.61,
}  # fmt: skip


def test_a_skipped_stack_keeps_its_reason():
    """A stack that cannot run here stands in the table with its parts and the reason."""
    text = stacks.render({"llm_gru_dqn": {"parts": PARTS, "skipped": "no endpoint"}}, "Data.", "now")

    assert "| llm_gru_dqn | finbert | gru | dqn | no | not trained: no endpoint |" in text
    assert "no stack could be trained" in text


def test_a_trained_stack_has_every_figure_of_its_row():
    """P&L, trades, return, ratios and skill stand under their heads; an agent that never traded has no win rate."""
    rows = {"ppo_alone": ROW | {"parts": PARTS}, "llm_gru_dqn": {"parts": PARTS, "skipped": "no endpoint"}}
    text = stacks.render(rows, "Data.", "now")

    assert "(30 markets in 0.6 days)" in text
    assert "| +0 | 0 | +0.00% |  |  | 0.0% | +3.1% [+2.0%, +4.0%] | +152 |" in text
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {14}
