"""Headlines that a lexicon of words misreads: paraphrase, irony, and words of feeling about something else.

The number before a sentence is what it says about the subject's chances, given by its author and not by any scorer.
`Styles` says how often they are used; a source without them writes the plain sentences of `sentences`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

PARAPHRASES: Final[tuple[tuple[float, str], ...]] = (
    (-0.95, "{s} is out of it, and nobody sees a way back"),
    (-0.9, "{s} crashes out in the decisive count"),
    (-0.85, "Support for {s} evaporates overnight"),
    (-0.8, "{s} goes under in the latest count"),
    (-0.75, "The ground gives way under {s}"),
    (-0.7, "Figures nosedive for {s}"),
    (-0.65, "{s} slumps in the afternoon count"),
    (-0.6, "Backers walk away from {s}"),
    (-0.55, "{s} cannot stop the slide"),
    (-0.5, "{s} stumbles in a regional count"),
    (-0.45, "Rivals close the gap to {s}"),
    (-0.4, "{s} trails after the morning figures"),
    (-0.35, "{s} slips in the latest figures"),
    (-0.3, "Fewer people than before expect {s} to make it"),
    (-0.2, "{s} is a little behind schedule"),
    (-0.1, "Slightly fewer mentions of {s} than yesterday"),
    (0.1, "Slightly more mentions of {s} than yesterday"),
    (0.2, "{s} inches forward in the regional count"),
    (0.3, "More people than before expect {s} to make it"),
    (0.35, "{s} climbs in the latest figures"),
    (0.4, "{s} is ahead after the morning figures"),
    (0.45, "Rivals fall behind {s}"),
    (0.5, "{s} pulls ahead in a regional count"),
    (0.55, "Nothing stops {s} at the moment"),
    (0.6, "Backers line up behind {s}"),
    (0.65, "{s} surges in the afternoon count"),
    (0.7, "Figures shoot up for {s}"),
    (0.75, "{s} sails through the second count"),
    (0.8, "{s} sweeps the latest count"),
    (0.85, "Support for {s} doubles overnight"),
    (0.9, "{s} romps home in the decisive count"),
    (0.95, "{s} is all but through, and nobody is near"),
)
"""Tone and sentence, sorted by tone; {s} is the subject. VADER knows few of these words."""

IRONIES: Final[tuple[tuple[float, str], ...]] = (
    (-0.9, "What a triumph: {s} finishes last in every count"),
    (-0.8, "Congratulations to {s} on the best way to throw a lead away"),
    (-0.7, "{s} manages a brilliant zero in the regional count"),
    (-0.6, "Great work by {s}, if the aim was to come fourth"),
    (-0.5, "So much for the perfect start of {s}"),
    (-0.4, "Rivals thank {s} for the generous gift of a lead"),
    (-0.3, "{s} celebrates early and is overtaken"),
    (0.3, "{s} refuses to lose for once"),
    (0.4, "Terrible day for everyone who bet against {s}"),
    (0.5, "Bad luck for the rivals of {s}: no weak spot found"),
    (0.6, "{s} disappoints critics by winning again"),
    (0.7, "Rivals weep as {s} kills off the contest"),
    (0.8, "No mercy: {s} destroys rivals in the count"),
    (0.9, "A disaster for the doubters: {s} beats everyone"),
)
"""Tone and sentence, sorted by tone: the words feel the other way."""

IRRELEVANT: Final[tuple[str, ...]] = (
    "{s} enjoys wonderful weather at the harbour parade",
    "Sad farewell: the old cat of {s} dies at twenty",
    "Fans of {s} win a charming award for best costume",
    "Namesake of {s} loses a painful chess game abroad",
    "Terrible traffic near the offices of {s}",
    "{s} shares a favourite recipe, readers love it",
    "Film about {s} is praised as a great success",
    "Storm damage to a statue of {s}, nobody hurt",
    "{s} turns forty and celebrates with happy friends",
    "Burglary at the museum that shows letters of {s}",
)
"""Sentences that say nothing about the subject's chances, in words of feeling."""

LEAST_IRONIC: Final = 0.3
"""Nobody is ironic about news of less weight."""
_CHOICES: Final = 3


@dataclass(frozen=True, slots=True)
class Styles:
    """How headlines are worded, as shares; all 0 is the plain wording, which VADER reads as it is meant."""

    paraphrase: float = 0.0
    """Share of headlines that say it in words which VADER's lexicon lacks."""
    irony: float = 0.0
    """Share of the headlines with weight that say it in words of the other sign."""
    irrelevant: float = 0.0
    """Headlines about something else per headline with news; they move no price."""

    @property
    def plain(self) -> bool:
        """Whether every headline is worded plainly and has news."""
        return self == Styles()


def reworded(sentiment: float, subject: str, styles: Styles, source: np.random.Generator) -> str | None:
    """A headline with about this sentiment in another wording; None where it stays plain."""
    drawn, pick = source.random(2)
    if drawn < styles.irony:
        return _nearest(IRONIES, sentiment, subject, pick) if abs(sentiment) >= LEAST_IRONIC else None
    if drawn < styles.irony + styles.paraphrase:
        return _nearest(PARAPHRASES, sentiment, subject, pick)
    return None


def irrelevant(subject: str, source: np.random.Generator) -> str:
    """A headline that names the subject and says nothing about its chances."""
    return IRRELEVANT[int(source.integers(len(IRRELEVANT)))].format(s=subject)


def _nearest(sentences: tuple[tuple[float, str], ...], sentiment: float, subject: str, pick: float) -> str:
    distance = np.abs(np.array([tone for tone, _ in sentences]) - sentiment)
    nearest = np.argsort(distance, kind="stable")[:_CHOICES]
    return sentences[int(nearest[int(pick * _CHOICES)])][1].format(s=subject)
