"""A small Transformer that reads a headline for its subject, as ONNX: the scorer `tone`, trained by this project.

`python -m benchmarks.tone.train` makes the files in tone_model from sentences of a grammar. It reads words and what
VADER's lexicon says of each; names are all the same unknown word to it. It is no FinBERT: it knows what sentences of
markets' headlines look like, and little of the rest of the language.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

MODEL: Final = Path(__file__).with_name("tone_model")
LENGTH: Final = 22
"""Words of a headline that are read."""
PADDING, UNKNOWN = 0, 1
_BATCH: Final = 256


def words_of(text: str) -> list[str]:
    """Words in small letters, without a possessive, and the marks that change what a sentence says.

    >>> words_of("What a win: Alden Marsh's rivals weep!")
    ['what', 'a', 'win', ':', 'alden', 'marsh', 'rivals', 'weep', '!']
    """
    found = re.findall(r"[a-z']+|[:,!?]", text.lower().replace("’", "'"))
    return [word.removesuffix("'s").strip("'") or word for word in found]


def encoded(
    texts: Sequence[str], words: Mapping[str, int], lexicon: Mapping[str, float]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Numbers of the words and their valence in VADER's lexicon (a quarter of it), (n, LENGTH) each."""
    numbers = np.full((len(texts), LENGTH), PADDING, dtype=np.int64)
    valences = np.zeros((len(texts), LENGTH), dtype=np.float32)
    for row, text in enumerate(texts):
        for place, word in enumerate(words_of(text)[:LENGTH]):
            numbers[row, place] = words.get(word, UNKNOWN)
            valences[row, place] = lexicon.get(word, 0.0) / 4.0
    return numbers, valences


class Tone:
    """Scores of the trained model."""

    def __init__(self, folder: Path = MODEL) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415 - reads its lexicon

        self._lexicon: Mapping[str, float] = SentimentIntensityAnalyzer().lexicon
        self._words: Mapping[str, int] = json.loads((folder / "words.json").read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = str(folder / "tone.onnx")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def score(self, texts: Sequence[str]) -> list[float]:
        """One number in [-1, 1] per text; 0 for one without a word that could be read."""
        found: list[float] = []
        for first in range(0, len(texts), _BATCH):
            numbers, valences = encoded(texts[first : first + _BATCH], self._words, self._lexicon)
            said = self._session.run(None, {"words": numbers, "valences": valences})[0]
            found += np.where((numbers != PADDING).any(axis=1), said, 0.0).astype(float).tolist()
        return found
