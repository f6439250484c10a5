"""Any OpenAI-compatible endpoint as a scorer: headlines in batches, every token's cost counted, within a budget."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2
import msgspec
import stamina

from pipelines.core import log
from pipelines.core.errors import DataError, SettingError, VenueUnavailable
from pipelines.core.sections import NewsParams

_TASK = (
    "You rate news headlines for a prediction market. For each numbered headline answer how good it is for the"
    " person, team, asset or project that it is about: a number from -1 (worst possible) through 0 (neutral) to 1"
    " (best possible)."
    ' Answer with JSON only: {"scores": [number, ...]}, one number per headline, in their order.'
)


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class _Scores(msgspec.Struct):
    scores: list[float]


@dataclass
class Spent:
    """What the scorer asked for so far."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0


class LanguageModel:
    """Scores by asking a chat model. `spent` says what it cost; past the budget the rest is left unscored."""

    def __init__(
        self, url: str, key: str, params: NewsParams, *, transport: httpx2.BaseTransport | None = None
    ) -> None:
        self._params = params
        self._client = httpx2.Client(
            base_url=url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(60.0, connect=5.0),
            transport=transport,
        )
        self.spent = Spent()

    def score(self, texts: Sequence[str]) -> list[float]:
        """One number in [-1, 1] per text; NaN for those that the budget leaves out.

        Raises:
            SettingError: if the endpoint refuses the key or the model.
            VenueUnavailable: if it does not answer.
            DataError: if it answers twice something else than one number per headline.
        """
        found: list[float] = []
        for begin in range(0, len(texts), self._params.openai_batch):
            if self.spent.usd >= self._params.openai_budget_usd:
                left = len(texts) - begin
                log.get("news").warning("budget spent", usd=round(self.spent.usd, 4), unscored=left)
                return found + [math.nan] * left
            found += self._batch(texts[begin : begin + self._params.openai_batch])
        return found

    def _batch(self, texts: Sequence[str]) -> list[float]:
        for _ in range(2):
            said = self._ask(texts)
            try:
                scores = msgspec.json.decode(_json_part(said), type=_Scores).scores
            except (ValueError, RecursionError):
                continue
            if len(scores) == len(texts):
                return [min(max(score, -1.0), 1.0) for score in scores]
        raise DataError(
            f"{self._params.openai_model} gave no scores for {len(texts)} headlines, twice; its last answer"
            f" was {said[:120]!r}. Choose another news.openai_model, or news.scorer vader"
        )

    def _ask(self, texts: Sequence[str]) -> str:
        numbered = "\n".join(f"{n}. {' '.join(text.split())}" for n, text in enumerate(texts, 1))
        messages = [{"role": "system", "content": _TASK}, {"role": "user", "content": numbered}]
        body = {"model": self._params.openai_model, "messages": messages, "temperature": 0}
        for attempt in stamina.retry_context(on=VenueUnavailable, attempts=4, wait_initial=0.5, wait_max=10.0):
            with attempt:
                answer = self._post(body)
        self._count(answer.usage or _Usage())
        return (answer.choices[0].message.content or "") if answer.choices else ""

    def _post(self, body: dict[str, object]) -> _Completion:
        where = f"the language model at {self._client.base_url}"
        try:
            response = self._client.post("chat/completions", json=body)
        except httpx2.TransportError as error:
            raise VenueUnavailable(f"{where} did not answer ({error}); check ODDSMITH_OPENAI_URL") from None
        if response.status_code in (401, 403):
            raise SettingError(f"{where} refused the key ({response.status_code}); check ODDSMITH_OPENAI_KEY")
        if response.status_code == 429 or response.status_code >= 500:
            raise VenueUnavailable(f"{where} answered {response.status_code}: {response.text[:120]}")
        if response.status_code != 200:
            raise SettingError(
                f"{where} answered {response.status_code}: {response.text[:120]}; check news.openai_model"
            )
        try:
            return msgspec.json.decode(response.content, type=_Completion)
        except ValueError as error:
            raise DataError(f"{where} answered in an unknown shape: {error}; is it OpenAI-compatible?") from None

    def _count(self, usage: _Usage) -> None:
        spent, params = self.spent, self._params
        spent.requests += 1
        spent.tokens_in += usage.prompt_tokens
        spent.tokens_out += usage.completion_tokens
        spent.usd += usage.prompt_tokens * params.openai_usd_per_million_in / 1e6
        spent.usd += usage.completion_tokens * params.openai_usd_per_million_out / 1e6


def _json_part(text: str) -> str:
    """The outermost braces: models like to wrap JSON in words or fences."""
    begin, end = text.find("{"), text.rfind("}")
    return text[begin : end + 1] if 0 <= begin < end else text
