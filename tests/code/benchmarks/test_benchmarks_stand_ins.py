"""Stand-ins of scorers: a real local endpoint, equal texts with equal scores, named where they are used."""

import numpy as np
from pydantic import SecretStr

from benchmarks import stacks, stand_ins
from pipelines.core.params import load
from pipelines.core.settings import Settings
from pipelines.news import scorers
from pipelines.news.scorers import Vader


def test_the_local_model_scores_over_http_with_the_noise_that_is_stated(tmp_path):
    """The scorer of an OpenAI-compatible endpoint gets VADER's scores with the stated noise, the same for equal texts,
    and what it asked for is counted."""
    texts = [f"The bill number {k} passes easily" for k in range(300)]
    settings = Settings(var=tmp_path)
    with stand_ins.scorer("openai", load().news, settings) as (news, local):
        found = np.array(scorers.make(news, local).score(texts))
        again = scorers.make(news, local).score(texts[:3])

    left = found - np.array(Vader().score(texts))
    assert abs(left.std() - stand_ins.NOISE) < 0.03
    assert abs(left.mean()) < 0.05
    assert again == found[:3].tolist()
    assert (tmp_path / "scores" / f"{stand_ins.MODEL}.json").is_file(), "kept apart from a real model's scores"


def test_a_scorer_that_is_there_needs_no_stand_in(tmp_path):
    """A key or a folder with a model is used as it is; without them the table names what was used instead."""
    news = load().news
    with_key = Settings(var=tmp_path, openai_key=SecretStr("x"))

    assert stand_ins.needed("openai", news, with_key) == ""
    assert stand_ins.needed("vader", news, Settings()) == ""
    assert "0.2" in stand_ins.needed("openai", news, Settings(openai_key=None))
    with stand_ins.scorer("finbert", news, Settings()) as (chosen, _):
        assert chosen.scorer == "tone"


def test_the_table_names_a_stand_in():
    """A row that a stand-in made says so where the scorer is named."""
    row = {
        "parts": {"scorer": "openai", "forecast": "gru", "agent": "dqn", "forecast_block": True},
        "stand_in": "a local rule", "skill_price_pooled_interval": (0.01, 0.03), "skill_price_pooled": 0.02,
        "pnl_pusd": 1.0, "round_trips": 2, "daily_return": 0.1, "sharpe_bar": None, "win_rate": None,
        "max_drawdown": 0.1, "threshold_pnl_pusd": 3.0, "markets": 4, "days": 1.0,
    }  # fmt: skip

    assert "openai (stand-in: a local rule)" in stacks.render({"llm": row}, "Data.", "now")
