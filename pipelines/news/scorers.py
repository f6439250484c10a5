"""How good a headline is for its subject, in [-1, 1]. One protocol, the scorer is chosen by a parameter."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from pipelines.core.domain import Headline


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


def make(name: str) -> Scorer:
    """The scorer of a name in params.yaml."""
    return Vader()


def scored(headlines: Iterable[Headline], scorer: Scorer) -> list[Headline]:
    """The headlines with their sentiment. Equal texts are scored once."""
    kept = list(headlines)
    texts = sorted({h.text for h in kept})
    values = dict(zip(texts, scorer.score(texts), strict=True))
    return [replace(h, sentiment=min(max(values[h.text], -1.0), 1.0)) for h in kept]
