"""FinBERT: a BERT that classifies financial text as positive, neutral or negative (extra `nlp`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pipelines.core.errors import SettingError

NEWS_MODEL: Final = "news-model"
"""Folder of a bento that holds the model of its scorer."""
HOME: Final = Path(__file__).resolve().parents[2]
_BATCH = 32


def place_of(model: str, home: Path = HOME) -> str:
    """What is loaded for a model's name or folder: the copy inside a bento, where there is one."""
    inside = home / NEWS_MODEL
    return str(inside) if inside.is_dir() else model


def files_of(model: str) -> Path:
    """The folder with the files of a model: the one that it names, or the download of this machine.

    Raises:
        ImportError: without the extra nlp, where the model is no folder.
        OSError: if the model was not downloaded here.
    """
    if Path(model).is_dir():
        return Path(model)
    from transformers.utils.hub import cached_file  # noqa: PLC0415 - heavy, and an extra

    found = cached_file(model, "config.json", local_files_only=True)
    if found is None:
        raise OSError(f"{model} was not downloaded here")
    return Path(found).parent


class FinBert:
    """Probability of positive minus probability of negative."""

    def __init__(self, model: str) -> None:
        """Load a model by name or from a folder.

        Raises:
            SettingError: if the extra is not installed, or the model is not there or has other classes.
        """
        try:
            from transformers import pipeline  # noqa: PLC0415 - heavy, and an extra
        except ImportError:
            raise SettingError(
                "news.scorer finbert needs the extra nlp; install it with `make install NLP=1`"
            ) from None
        try:
            self._classify: Any = pipeline("text-classification", model=place_of(model), top_k=None)
        except (OSError, ValueError) as error:
            where = "that folder holds no model" if Path(model).is_dir() else "it is not here and was not downloaded"
            raise SettingError(
                f"news.finbert_model {model!r} cannot be loaded ({where}: {type(error).__name__}); let this machine"
                " download it once, or name a folder with such a model"
            ) from None
        self._longest = int(getattr(self._classify.model.config, "max_position_embeddings", 512))
        labels = {str(label).lower() for label in (self._classify.model.config.id2label or {}).values()}
        if not {"positive", "negative"} <= labels:
            raise SettingError(
                f"news.finbert_model {model!r} has the classes {sorted(labels)}; positive and negative are needed"
            )

    def score(self, texts: Sequence[str]) -> list[float]:
        """One number in [-1, 1] per text."""
        if not texts:
            return []
        answers = self._classify(list(texts), batch_size=_BATCH, truncation=True, max_length=self._longest)
        return [_difference({str(c["label"]).lower(): float(c["score"]) for c in classes}) for classes in answers]


def _difference(share: dict[str, float]) -> float:
    return share["positive"] - share["negative"]
