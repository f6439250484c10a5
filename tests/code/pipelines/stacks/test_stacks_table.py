from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.core.errors import DataError, ParameterError
from pipelines.core.params import load, parse
from pipelines.core.sections import StackParams
from pipelines.stacks import stage

STACK = StackParams(scorer="finbert", forecast="gru", agent="dqn", forecast_block=False)


def test_the_guides_four_stacks_are_there():
    """FinBERT + hybrid + PPO, LLM + GRU + DQN, sentiment LSTM + PPO, PPO alone: named in params.yaml."""
    assert set(load().stacks) == {"finbert_hybrid_ppo", "llm_gru_dqn", "sentiment_lstm_ppo", "ppo_alone"}
    assert load().stacks["llm_gru_dqn"].agent == "dqn"


def test_a_stack_changes_its_parts_and_nothing_else():
    """The stack's parameters are those of params.yaml with scorer, forecaster and agent replaced, and still valid."""
    plain = yaml.safe_load(Path("params.yaml").read_text())
    changed = stage.configured(yaml.safe_load(Path("params.yaml").read_text()), STACK)
    typed = parse(changed, origin="stack")
    assert (typed.news.scorer, typed.forecast.kind, typed.agent.algorithm) == ("finbert", "gru", "dqn")
    assert not typed.agent.forecast_block
    assert changed["risk"] == plain["risk"]


def test_an_unknown_stack_is_named():
    """The error says which stacks there are."""
    with pytest.raises(ParameterError, match=r"'gpt'.*ppo_alone"):
        stage.run(["gpt"])


def test_without_a_pull_it_says_what_to_do(tmp_path, monkeypatch):
    """Stacks need data: the error names the command that makes it."""
    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="make run"):
        stage.run()


def test_headlines_are_scored_again(tmp_path, monkeypatch):
    """A stack with another scorer reads its own sentiment; all else of the headline stays."""

    class Optimist:
        def score(self, texts):
            return [0.5 for _ in texts]

    path = tmp_path / "headlines.parquet"
    row = {"headline_id": "h", "market_ids": ["a"], "published_s": 1, "known_s": 2, "text": "t", "sentiment": -1.0}
    pq.write_table(pa.Table.from_pylist([row]), path)
    monkeypatch.setattr(stage.scorers, "make", lambda params, settings: Optimist())
    stage.rescore(path, STACK, load())
    assert pq.read_table(path).to_pylist() == [row | {"sentiment": 0.5}]


def test_a_skipped_stack_keeps_its_reason():
    """A stack that cannot run here stands in the table with the reason."""
    text = stage.render({"llm_gru_dqn": {"skipped": "no endpoint"}}, "Data.")

    assert "| llm_gru_dqn | not trained: no endpoint |" in text
    assert "no stack could be trained" in text


def test_a_trained_stack_has_every_figure_of_its_row():
    """P&L, trades, return, ratios and skill stand under their heads; an agent that never traded has no win rate."""
    row = {
        "pnl_pusd": 0.0, "round_trips": 0, "daily_return": 0.0, "sharpe_bar": None, "win_rate": None,
        "max_drawdown": 0.0, "skill_price_pooled": 0.031, "skill_price_pooled_interval": [0.02, 0.04],
        "threshold_pnl_pusd": 152.4, "markets": 30, "days": 0.61,
    }  # fmt: skip
    text = stage.render({"ppo_alone": row, "llm_gru_dqn": {"skipped": "no endpoint"}}, "Data.")

    assert "(30 markets in 0.6 days)" in text
    assert "| ppo_alone | +0 | 0 | +0.00% |  |  | 0.0% | +3.1% [+2.0%, +4.0%] | +152 |" in text
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {10}
