"""Stand-ins for scorers that a machine lacks, so that every stack of the guide has a row: named in the table.

FinBERT is replaced by the project's own small transformer (`news.scorer: tone`), a language model by a local
OpenAI-compatible server whose model is a rule: VADER's score with noise of a standard deviation of NOISE, drawn from a
hash of the text, so that equal texts have equal scores. It is a real process boundary: the scorer speaks HTTP to it.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from statistics import NormalDist
from typing import Final

from pydantic import SecretStr

from pipelines.core.sections import NewsParams
from pipelines.core.settings import Settings
from pipelines.news.scorers import Vader

NOISE: Final = 0.2
MODEL: Final = "rule-with-noise"
_LINE: Final = re.compile(r"^\d+\. (.*)$", re.M)


def needed(scorer: str, params: NewsParams, settings: Settings) -> str:
    """Description of the stand-in for a scorer whose model or key is missing; empty if the scorer itself can run."""
    if scorer == "finbert" and (find_spec("transformers") is None or not Path(params.finbert_model).is_dir()):
        return "tone, trained here"
    if scorer == "openai" and settings.openai_key is None:
        return f"a local rule with noise of {NOISE:g}"
    return ""


@contextmanager
def scorer(name: str, params: NewsParams, settings: Settings) -> Iterator[tuple[NewsParams, Settings]]:
    """Parameters and settings under which the scorer, or its stand-in, can be made."""
    if not needed(name, params, settings):
        yield params.model_copy(update={"scorer": name}), settings
    elif name == "finbert":
        yield params.model_copy(update={"scorer": "tone"}), settings
    else:
        with served() as url:
            local = {"openai_url": url, "openai_key": SecretStr("local")}
            chosen = params.model_copy(update={"scorer": name, "openai_model": MODEL})
            yield chosen, settings.model_copy(update=local)


@contextmanager
def served() -> Iterator[str]:
    """The address of the server while it runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Chat) as server:
        worker = threading.Thread(target=server.serve_forever, daemon=True)
        worker.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            worker.join()


def rated(text: str, plain: float) -> float:
    """A score with the noise of its text, within [-1, 1]."""
    share = (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) + 0.5) / 2.0**64
    return min(max(plain + NOISE * NormalDist().inv_cdf(share), -1.0), 1.0)


class _Chat(BaseHTTPRequestHandler):
    """POST /v1/chat/completions: numbered headlines in, their scores out."""

    _vader = Vader()

    def do_POST(self) -> None:
        """Answer as a chat model does that followed the instruction."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = asked["messages"][-1]["content"]
        texts = _LINE.findall(said)
        scores = [rated(text, plain) for text, plain in zip(texts, self._vader.score(texts), strict=True)]
        content = json.dumps({"scores": scores})
        usage = {"prompt_tokens": len(said) // 4, "completion_tokens": len(content) // 4}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        answer = {"object": "chat.completion", "model": asked["model"], "choices": [choice], "usage": usage}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing of each request."""
