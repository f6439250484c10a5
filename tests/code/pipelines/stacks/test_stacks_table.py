from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.core.errors import DataError, ParameterError
from pipelines.core.params import StackParams, load, parse
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
    assert "| llm_gru_dqn | skipped: no endpoint |" in stage.render({"llm_gru_dqn": {"skipped": "no endpoint"}})
