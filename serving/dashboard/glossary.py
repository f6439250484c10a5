"""The glossary of the documentation as the pages of the dashboard read it: word -> meaning."""

import re
from functools import cache
from pathlib import Path
from typing import Final

from serving.paths import HOME

PAGE: Final = HOME / "docs" / "glossary.md"
"""The one source of every explanation; a bento carries it along."""

_ROW: Final = re.compile(r"^\| \*\*(?P<words>[^|]+)\*\* \| (?P<meaning>[^|]+) \|$")
_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]*\)")


@cache
def terms(page: Path = PAGE) -> dict[str, str]:
    """Word in lower case -> its meaning in plain text, in the order of the page; words that share a row share it.

    >>> terms()["bid"] == terms()["ask"] != ""
    True
    """
    found: dict[str, str] = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        row = _ROW.match(line)
        if row is None:
            continue
        meaning = _LINK.sub(r"\1", row["meaning"]).replace("`", "").replace("**", "").strip()
        for word in row["words"].split(", "):
            found[word.strip().lower()] = meaning
    return found
