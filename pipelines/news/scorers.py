"""How good a headline is for its subject, in [-1, 1]. One protocol, the scorer is chosen by `news.scorer`."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Protocol

from pipelines.core import artifacts
from pipelines.core.domain import Headline
from pipelines.core.errors import SettingError
from pipelines.core.sections import NewsParams
from pipelines.core.settings import Settings


class Scorer(Protocol):
    """Scores texts; 0 is neutral."""

    def score(self, texts: Sequence[str]) -> list[float]:
        """One number in [-1, 1] per text, in their order."""
        ...


class Vader:
    """VADER's compound score: a lexicon with rules for negation and emphasis, no model to load."""

    def __init__(self) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415 - reads its lexicon

        self._analyzer = SentimentIntensityAnalyzer()

    def score(self, texts: Sequence[str]) -> list[float]:
        """Compound scores."""
        return [float(self._analyzer.polarity_scores(text)["compound"]) for text in texts]


class Remembered:
    """A scorer that asks an expensive one only for texts that it has not seen, and keeps the answers in a file.

    Texts that the expensive one leaves unscored (NaN) are neutral here, and are asked for again the next time.
    """

    def __init__(self, scorer: Scorer, path: Path) -> None:
        self.scorer = scorer
        self._path = path
        self._known: dict[str, float] = artifacts.read_json(path) if path.is_file() else {}

    def score(self, texts: Sequence[str]) -> list[float]:
        """Scores, remembered or new; what was paid for is on disk before more is asked."""
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        for some in _chunks(list(fresh), 100):
            answers = zip(some, self.scorer.score([fresh[key] for key in some]), strict=True)
            self._known |= {key: value for key, value in answers if not math.isnan(value)}
            artifacts.write_json(self._path, self._known)
        return [self._known.get(key, 0.0) for key in keys]


def _chunks(keys: list[str], size: int) -> Iterable[list[str]]:
    return (keys[begin : begin + size] for begin in range(0, len(keys), size))


def cost_usd(scorer: Scorer) -> float:
    """What a scorer has spent since it was made."""
    spent = getattr(getattr(scorer, "scorer", scorer), "spent", None)
    return float(spent.usd) if spent is not None else 0.0


@cache
def _vader() -> Vader:
    """One for the process: its lexicon takes a moment to read, and every session asks for a scorer."""
    return Vader()


def make(params: NewsParams, settings: Settings) -> Scorer:
    """The scorer that the parameters name.

    Raises:
        SettingError: if it lacks its extra, its model or its key.
    """
    if params.scorer == "vader":
        return _vader()
    if params.scorer == "tone":
        from pipelines.news.tone import Tone  # noqa: PLC0415 - loads a model

        return Tone()
    scores = settings.var / "scores"
    if params.scorer == "finbert":
        from pipelines.news.finbert import FinBert  # noqa: PLC0415 - loads a model

        return Remembered(FinBert(params.finbert_model), scores / f"{_file_name(params.finbert_model)}.json")
    from pipelines.news.language_model import LanguageModel  # noqa: PLC0415 - only when asked for

    if settings.openai_key is None:
        raise SettingError("news.scorer openai needs a key; set ODDSMITH_OPENAI_KEY (any text for a local endpoint)")
    asked = LanguageModel(settings.openai_url, settings.openai_key.get_secret_value(), params)
    return Remembered(asked, scores / f"{_file_name(params.openai_model)}.json")


def _file_name(model: str) -> str:
    return "".join(c if c.isalnum() or c in "-." else "_" for c in model)


def scored(headlines: Iterable[Headline], scorer: Scorer) -> list[Headline]:
    """The headlines with their sentiment. Equal texts are scored once."""
    kept = list(headlines)
    texts = sorted({h.text for h in kept})
    values = dict(zip(texts, scorer.score(texts), strict=True))
    return [replace(h, sentiment=min(max(values[h.text], -1.0), 1.0)) for h in kept]
