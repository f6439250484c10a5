"""The page of `benchmarks.sentiment` for readers."""

from pathlib import Path
from typing import Any, Final

PAGE: Final = Path("docs/results/sentiment.md")


def page(found: dict[str, Any]) -> str:
    """Markdown: scorers by wording, skill with each, matching."""
    misread = ", ".join(f"`{name}` {_share(value)}" for name, value in found["misread"].items())
    lines = [
        "# Sentiment",
        "",
        "The plain sentences of the simulator are chosen by their VADER score, so VADER reads them as they are meant:"
        " that is circular. `--paraphrase-share`, `--irony-share` and `--irrelevant-share` of `oddsmith simulate` (all"
        " 0 by default) word headlines in ways that a lexicon misreads. The scorer `tone` is trained on sentences of"
        " another grammar (`python -m benchmarks.tone.train`); no sentence below was in its training. Made by"
        " `python -m benchmarks.sentiment`.",
        "",
        "| Scorer | Wording | Sentences | Right sign | Mean absolute error | Correlation |",
        "|---|---|---|---|---|---|",
        *(
            f"| `{name}` | {wording} | {one['sentences']} | {_share(one['right_sign'])} |"
            f" {one['mean_absolute_error']:.2f} | {_number(one['correlation'])} |"
            for name, wordings in found["accuracy"].items()
            for wording, one in wordings.items()
        ),
        "",
        "A sign is asked for where the tone is 0.25 or more; a score within 0.05 of 0 has none. With 30 % paraphrase,"
        " 20 % irony and a headline about something else for every two with news, a scorer misreads (other sign, or"
        f" more than half the scale off): {misread} of the headlines.",
        "",
        *_skill(found["skill"]),
        *_matching(found["matching"]),
        "",
    ]
    return "\n".join(lines)


def _skill(worlds: dict[str, Any]) -> list[str]:
    rows = [
        f"| {world} | {name} | {100 * one['skill']:.2f} % | {_interval(one.get('adds'))} |"
        for world, scorers in worlds.items()
        for name, one in scorers.items()
    ]
    if not rows:
        return []
    return [
        "What headlines add to the pooled skill of the state-space filter in such worlds, with each scorer and none",
        "[95 %, events]:",
        "",
        "| World | Scorer | Skill | Adds |",
        "|---|---|---|---|",
        *rows,
    ]


def _matching(one: dict[str, Any] | None) -> list[str]:
    if one is None:
        return []
    return [
        "",
        f"Matching of {one['headlines']} written headlines (`benchmarks/headlines.json`) to {one['questions']:,}"
        f" questions of the venue: precision {_ratio(one['precision'])}, recall {_ratio(one['recall'])}, averaged over"
        f" headlines [95 %]; of {one['about_no_market']} headlines about no market {one['of_these_matched']} were"
        " matched.",
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _ratio(values: list[float]) -> str:
    return f"{values[0]:.2f} [{values[1]:.2f}, {values[2]:.2f}]"


def _interval(values: list[float] | None) -> str:
    return "-" if values is None else "{:+.2f} [{:+.2f}, {:+.2f}] points".format(*(100 * value for value in values))
