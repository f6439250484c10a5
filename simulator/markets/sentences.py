"""Sentences of headlines. Their tone says how good the news is for a market's YES token.

The number before each sentence is its VADER compound score; a test compares them. The feed needs no scorer of its own.
Whoever scores a headline gets the sentiment that moved the market, to the precision of the nearest sentence.
"""

from typing import Final

import numpy as np

TONES: Final[tuple[tuple[float, str], ...]] = (
    (-0.9531, "Worst possible news: {s} loses badly, a terrible failure, and backers despair"),
    (-0.9517, "Scandal and failure hurt {s}, and worried backers fear a defeat"),
    (-0.9482, "Disastrous failure for {s}: worst result so far, backers devastated"),
    (-0.9001, "Horrible day for {s}: a painful defeat, lost support, awful figures"),
    (-0.8979, "Crisis for {s}: horrible figures and angry backers"),
    (-0.8779, "{s} fails again, and backers fear the worst"),
    (-0.8591, "{s} is defeated in the decisive count, a painful loss for sad backers"),
    (-0.836, "{s} under fire after a disappointing failure"),
    (-0.7579, "Poor figures hurt {s}"),
    (-0.7351, "Terrible figures leave {s} in a weak position"),
    (-0.7269, "Backers of {s} are upset after a bad result"),
    (-0.7269, "Backers of {s} fear a weak count"),
    (-0.7003, "{s} hit by criticism and a weak count"),
    (-0.7003, "{s} in trouble after poor figures"),
    (-0.6908, "Weak numbers raise fears about {s}"),
    (-0.5994, "Figures disappoint backers of {s}, and doubts remain"),
    (-0.5719, "{s} failed to pass the regional review, officials warn"),
    (-0.5423, "Bad news for {s} as the first count comes in"),
    (-0.5106, "Low figures raise some doubts about {s}"),
    (-0.4767, "Backers of {s} are disappointed by the latest figures"),
    (-0.4767, "{s} suffers a setback in the early count"),
    (-0.4404, "Unfavourable ruling damages {s}"),
    (-0.4404, "Weaker figures weigh on {s}"),
    (-0.4215, "Alarm over {s}: the latest count is clearly worse"),
    (-0.4019, "Problems slow {s} down"),
    (-0.3818, "Panel sounds a cautious and uncertain note on {s}"),
    (-0.3182, "Loss of momentum for {s} in a regional count"),
    (-0.3182, "Minor delay for {s}, officials say"),
    (-0.3182, "{s} left with a loss in the regional count"),
    (-0.3182, "{s} loses ground in the latest figures"),
    (-0.296, "Critics question the plan behind {s}"),
    (-0.296, "Doubts about {s} linger after a local report"),
    (-0.296, "Experts are worried about {s}"),
    (-0.2732, "Officials stop short of backing {s}"),
    (-0.25, "{s} faces a further review, and a panel is a bit unsure"),
    (-0.2263, "{s} misses a small target in the afternoon figures"),
    (0.0, "Early count leans a little toward {s}"),
    (0.0, "New figures on {s} are published, in line with earlier ones"),
    (0.0, "{s} heads into the evening with little changed"),
    (0.0, "{s} keeps its lead in a quiet count, and little else is new"),
    (0.0, "{s} stays on schedule, officials say"),
    (0.1531, "{s} looks solid after the latest review"),
    (0.2023, "Committee agrees with the plan behind {s}"),
    (0.296, "Backers of {s} share the morning figures"),
    (0.296, "{s} receives a supportive note from a regional panel"),
    (0.3182, "Late figures on {s} please some observers"),
    (0.34, "{s} gains ground in the latest figures"),
    (0.3818, "Favourable ruling helps {s}"),
    (0.4215, "{s} makes modest progress, a local panel reports"),
    (0.4404, "Experts say {s} is better placed than a week ago"),
    (0.4404, "Good news for {s} as the first count comes in"),
    (0.4404, "Panel calls the outlook for {s} good"),
    (0.4588, "Backers of {s} welcome the latest figures"),
    (0.4939, "Officials say they are fairly confident about {s}"),
    (0.5106, "Analysts see a fair chance for {s}"),
    (0.5106, "Strong figures lift {s}"),
    (0.5267, "A small gain for {s} in the afternoon figures"),
    (0.5719, "{s} wins one more regional count"),
    (0.5927, "Small but useful step for {s}, a panel notes"),
    (0.6808, "{s} wins the backing of an important group"),
    (0.6908, "{s} attracts interest after the morning figures"),
    (0.7003, "{s} clears an important hurdle, and backers are happy"),
    (0.7351, "Promising figures boost the chances of {s}"),
    (0.7506, "Surprisingly good numbers strengthen {s}"),
    (0.7506, "{s} wins support in a second count"),
    (0.7906, "Backers of {s} celebrate a strong result"),
    (0.7906, "Excellent figures put {s} in a strong position"),
    (0.7964, "{s} secures fresh support from an important group"),
    (0.8658, "Great news for {s}: the latest count is clearly better"),
    (0.8885, "Experts impressed as {s} gains support and confidence"),
    (0.891, "{s} wins praise after an impressive result"),
    (0.8979, "{s} triumphs in the decisive count, and delighted backers celebrate"),
    (0.9022, "Brilliant result: {s} wins decisive support"),
    (0.91, "{s} wins again, and backers celebrate a great day"),
    (0.9118, "Superb figures, a win for {s} and happy backers all around"),
    (0.9419, "Amazing success for {s}: best result so far, backers thrilled"),
    (0.9485, "Outstanding win for {s}, the best and most impressive result yet"),
    (0.9712, "Best possible news: {s} wins easily, a superb success, and backers celebrate"),
    (0.9712, "Perfect day for {s}: a brilliant win, great support, excellent figures"),
)
"""Tone in [-1, 1] and sentence, sorted by tone; {s} is the subject."""

_SCORES: Final = np.array([tone for tone, _ in TONES])
_CHOICES: Final = 2


def sentence(sentiment: float, subject: str, pick: float) -> str:
    """A headline about a subject with about this sentiment; `pick` in [0, 1) chooses among the nearest sentences."""
    nearest = np.argsort(np.abs(_SCORES - sentiment), kind="stable")[:_CHOICES]
    return TONES[int(nearest[int(pick * _CHOICES)])][1].format(s=subject)
