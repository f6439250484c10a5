"""Scorers beyond VADER: a language model behind a real local server, FinBERT on a tiny model, both remembered."""

import importlib.util
import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import stamina
from pydantic import SecretStr

from pipelines.core import params
from pipelines.core.errors import DataError, SettingError, VenueUnavailable
from pipelines.core.sections import NewsParams
from pipelines.core.settings import Settings
from pipelines.news import scorers
from pipelines.news.language_model import LanguageModel

SHIPPED = params.read(Path(__file__).parents[4] / "params.yaml").news


def news(**changes: Any) -> NewsParams:
    """The shipped parameters, changed."""
    return SHIPPED.model_copy(update=changes)


class Endpoint(BaseHTTPRequestHandler):
    """A chat endpoint that scores a headline by its last word; `script` holds answers that it gives first."""

    script: ClassVar[list[tuple[int, str]]] = []
    asked: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        """Answer a completion."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
        lines = body["messages"][1]["content"].splitlines()
        content = "Here you are: " + json.dumps({"scores": [float(line.split()[-1]) for line in lines]})
        status, content = self.script.pop(0) if self.script else (200, content)
        usage = {"prompt_tokens": 1_000, "completion_tokens": 100}
        answer = json.dumps({"choices": [{"message": {"content": content}}], "usage": usage}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """A local server; retries happen at once."""
    Endpoint.script, Endpoint.asked = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stamina.set_testing(True, attempts=3)
    yield f"http://127.0.0.1:{server.server_port}/v1"
    stamina.set_testing(False)
    server.shutdown()
    server.server_close()


def test_headlines_are_asked_in_batches_and_paid_for(url: str) -> None:
    """Each batch is one request with model and key; scores keep their order and range, tokens cost their price."""
    model = LanguageModel(url, "k", news(openai_batch=2))

    assert model.score(["good 0.9", "bad -0.8", "wild 7"]) == [0.9, -0.8, 1.0]
    assert [a["path"] for a in Endpoint.asked] == ["/v1/chat/completions"] * 2
    assert {(a["key"], a["model"]) for a in Endpoint.asked} == {("Bearer k", SHIPPED.openai_model)}
    assert (model.spent.requests, model.spent.tokens_in, model.spent.tokens_out) == (2, 2_000, 200)
    assert math.isclose(model.spent.usd, 2_000 * 0.15e-6 + 200 * 0.60e-6)


def test_the_budget_ends_the_asking(url: str) -> None:
    """Once the budget is spent nothing more is asked; the rest is unscored."""
    model = LanguageModel(url, "k", news(openai_batch=1, openai_budget_usd=0.0003))
    found = model.score(["a 0.1", "b 0.2", "c 0.3"])

    assert found[:2] == [0.1, 0.2]
    assert math.isnan(found[2])
    assert len(Endpoint.asked) == 2


def test_a_bad_answer_is_asked_again_once(url: str) -> None:
    """Words instead of numbers get a second chance; a second bad answer is an error that quotes it."""
    Endpoint.script = [(200, "I cannot do that")]
    assert LanguageModel(url, "k", news()).score(["a 0.1"]) == [0.1]

    Endpoint.script = [(200, '{"scores": [1, 2]}'), (200, "no")]
    with pytest.raises(DataError, match="twice; its last answer was 'no'"):
        LanguageModel(url, "k", news()).score(["a 0.1"])


def test_trouble_passes_and_a_wrong_token_does_not(url: str) -> None:
    """A rate limit is waited out; a refused key, an unknown model and an absent server are said plainly."""
    Endpoint.script = [(429, "slow down")]
    assert LanguageModel(url, "k", news()).score(["a 0.1"]) == [0.1]

    Endpoint.script = [(401, "")]
    with pytest.raises(SettingError, match="check ODDSMITH_OPENAI_KEY"):
        LanguageModel(url, "wrong", news()).score(["a 0.1"])

    Endpoint.script = [(404, "")]
    with pytest.raises(SettingError, match=r"check news\.openai_model"):
        LanguageModel(url, "k", news()).score(["a 0.1"])

    with pytest.raises(VenueUnavailable, match="check ODDSMITH_OPENAI_URL"):
        LanguageModel("http://127.0.0.1:9/v1", "k", news()).score(["a 0.1"])


def test_what_was_paid_for_is_remembered(url: str, tmp_path: Path) -> None:
    """Another process asks only for what is new; what the budget left out is neutral and asked for again."""
    settings = Settings(var=tmp_path, openai_url=url, openai_key=SecretStr("k"))
    chosen = news(scorer="openai", openai_batch=1, openai_budget_usd=0.0002)

    first = scorers.make(chosen, settings)
    assert first.score(["a 0.1", "b 0.2"]) == [0.1, 0.0]
    assert scorers.cost_usd(first) > 0

    assert scorers.make(chosen, settings).score(["a 0.1", "b 0.2"]) == [0.1, 0.2]
    assert len(Endpoint.asked) == 2


def test_the_default_costs_nothing(tmp_path: Path) -> None:
    """VADER is the shipped scorer and is free."""
    scorer = scorers.make(SHIPPED, Settings(var=tmp_path))

    assert isinstance(scorer, scorers.Vader)
    assert scorers.cost_usd(scorer) == 0.0


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    """The openai scorer without a key refuses before anything is asked."""
    with pytest.raises(SettingError, match="ODDSMITH_OPENAI_KEY"):
        scorers.make(news(scorer="openai"), Settings(var=tmp_path, openai_key=None))


needs_nlp = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None or importlib.util.find_spec("torch") is None,
    reason="the extra nlp (transformers, torch) is not installed",
)


def tiny_bert(folder: Path, labels: tuple[str, ...]) -> Path:
    """A BERT of a few hundred parameters with a vocabulary of ten words, saved like a downloaded model."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "news", "win", "loss"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        max_position_embeddings=16, num_labels=len(labels), id2label=dict(enumerate(labels)),
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@needs_nlp
@pytest.mark.slow
def test_finbert_scores_and_is_remembered(tmp_path: Path) -> None:
    """A model in a folder is loaded without network; scores lie in [-1, 1], long texts included, and are kept."""
    model = tiny_bert(tmp_path / "tiny", ("positive", "negative", "neutral"))
    scorer = scorers.make(news(scorer="finbert", finbert_model=str(model)), Settings(var=tmp_path / "var"))
    found = scorer.score(["good news", "bad loss " * 40, "good news"])

    assert all(-1.0 <= score <= 1.0 for score in found)
    assert found[0] == found[2]
    assert len(list((tmp_path / "var" / "scores").iterdir())) == 1


@needs_nlp
@pytest.mark.slow
def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A model without the classes positive and negative, or that is not there, is named."""
    model = tiny_bert(tmp_path / "tiny", ("spam", "ham"))

    with pytest.raises(SettingError, match=r"\['ham', 'spam'\]"):
        scorers.make(news(scorer="finbert", finbert_model=str(model)), Settings(var=tmp_path))
    with pytest.raises(SettingError, match="cannot be loaded"):
        scorers.make(news(scorer="finbert", finbert_model=str(tmp_path / "none")), Settings(var=tmp_path))
