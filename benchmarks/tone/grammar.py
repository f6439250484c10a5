"""Labelled headlines for the training of the scorer `tone`: a grammar whose sentences are none of the simulator's.

The simulator's sentences (`simulator.markets.sentences`, `simulator.markets.hard_sentences`) stay out of training: they
are what the scorer is judged on. The label is what a sentence says about the chances of its subject, in [-1, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

GOOD: Final[tuple[tuple[float, str], ...]] = (
    (0.2, "creeps up"), (0.2, "holds on"), (0.3, "edges ahead"), (0.3, "makes progress"), (0.3, "moves up a place"),
    (0.35, "inches closer"), (0.4, "gains ground"), (0.4, "recovers"), (0.4, "rises"), (0.45, "climbs again"),
    (0.5, "takes the lead"), (0.5, "is ahead"), (0.5, "improves"), (0.5, "passes the test"), (0.55, "pulls clear"),
    (0.55, "wins a vote"), (0.6, "jumps"), (0.6, "secures more support"), (0.6, "wins the backing of a large group"),
    (0.65, "leads by a wide margin"), (0.65, "beats expectations"), (0.7, "surges"), (0.7, "shoots up"),
    (0.7, "overtakes every rival"), (0.75, "sails on"), (0.75, "wins convincingly"), (0.8, "soars"),
    (0.8, "sweeps the board"), (0.85, "crushes the competition"), (0.85, "doubles its lead"), (0.9, "wins outright"),
    (0.9, "romps to victory"), (0.9, "triumphs"), (0.95, "is home and dry"), (0.95, "cannot be caught any more"),
    (0.95, "wins by a landslide"), (0.45, "gets good marks"), (0.5, "looks strong"), (0.35, "is in favour"),
    (0.6, "impresses the jury"), (0.8, "delivers a superb result"), (0.7, "celebrates a great win"),
)  # fmt: skip
BAD: Final[tuple[tuple[float, str], ...]] = (
    (-0.2, "eases a little"), (-0.2, "loses a little ground"), (-0.3, "slips"), (-0.3, "falls a place"),
    (-0.3, "is delayed"), (-0.35, "dips"), (-0.4, "is behind"), (-0.4, "trails"), (-0.4, "weakens"),
    (-0.45, "drops back"), (-0.5, "stumbles"), (-0.5, "misses the target"), (-0.5, "is under pressure"),
    (-0.55, "slides"), (-0.55, "loses a vote"), (-0.6, "slumps"), (-0.6, "falls behind every rival"),
    (-0.6, "loses the support of a large group"), (-0.65, "is overtaken"), (-0.65, "disappoints"), (-0.7, "plunges"),
    (-0.7, "nosedives"), (-0.7, "throws the lead away"), (-0.75, "is in deep trouble"), (-0.75, "loses badly"),
    (-0.8, "sinks"), (-0.8, "goes under"), (-0.85, "collapses"), (-0.85, "is crushed"), (-0.9, "crashes out"),
    (-0.9, "finishes last"), (-0.9, "fails completely"), (-0.95, "is all but out"), (-0.95, "is finished"),
    (-0.95, "has no way back"), (-0.45, "gets poor marks"), (-0.5, "looks weak"), (-0.35, "is out of favour"),
    (-0.6, "annoys the jury"), (-0.8, "delivers an awful result"), (-0.7, "mourns a terrible defeat"),
)  # fmt: skip
FLAT: Final = (
    "is unchanged", "stays where it was", "waits for the result", "keeps its plans", "meets officials",
    "is on the list", "speaks on Monday", "publishes its programme", "is level", "heads into the second day",
    "is as expected",
)  # fmt: skip
PLACES: Final = (
    "in the north", "in the first round", "in the new poll", "after the vote", "on the second day",
    "in the last survey", "before the final", "at noon", "in the early returns", "in the south", "this week",
    "", "", "",
)  # fmt: skip
SOURCES: Final = (
    "observers say", "a report says", "says the paper", "according to insiders", "sources say", "", "", "", "",
)  # fmt: skip
PRAISE: Final = (
    "great", "brilliant", "wonderful", "perfect", "superb", "excellent", "fantastic", "splendid", "impressive",
    "lovely", "generous", "amazing", "outstanding", "best",
)  # fmt: skip
BLAME: Final = (
    "terrible", "awful", "bad", "horrible", "sad", "disastrous", "weak", "poor", "painful", "worst", "tragic",
    "nasty",
)  # fmt: skip
STRENGTHS: Final = (
    (0.3, "solid"), (0.3, "fair"), (0.35, "modest but useful"), (0.35, "positive"), (0.4, "favourable"),
    (0.4, "better"), (0.45, "good"), (0.5, "promising"), (0.5, "welcome"), (0.55, "strong"),
    (0.55, "encouraging"), (0.6, "surprising"), (0.65, "very good"), (0.7, "great"), (0.7, "impressive"),
    (0.75, "excellent"), (0.8, "wonderful"), (0.8, "superb"), (0.85, "brilliant"), (0.85, "amazing"),
    (0.9, "outstanding"), (0.9, "perfect"), (0.95, "best possible"),
)  # fmt: skip
WEAKNESSES: Final = (
    (-0.25, "minor but real"), (-0.3, "cautious"), (-0.3, "uncertain"), (-0.35, "mixed to poor"),
    (-0.4, "unfavourable"), (-0.4, "weaker"), (-0.4, "worse"), (-0.45, "low"), (-0.5, "bad"),
    (-0.5, "disappointing"), (-0.55, "weak"), (-0.6, "poor"), (-0.6, "worrying"), (-0.65, "very bad"),
    (-0.7, "terrible"), (-0.75, "painful"), (-0.8, "awful"), (-0.85, "horrible"), (-0.85, "devastating"),
    (-0.9, "disastrous"), (-0.95, "worst possible"),
)  # fmt: skip
MATTERS: Final = ("numbers", "figures", "reviews", "reports", "polls", "signs", "results", "marks", "votes", "counts")
LIFTS: Final = ("lift", "help", "boost", "strengthen", "please", "carry", "raise hopes for", "win support for")
HURTS: Final = ("hurt", "harm", "damage", "weaken", "slow", "weigh on", "raise doubts about", "raise fears about")
LOST: Final = ("result", "setback", "failure", "defeat", "loss", "news", "day", "crisis", "problem", "delay", "scandal")
PRAISED: Final = (
    "result",
    "work",
    "start",
    "plan",
    "day",
    "news",
    "success",
    "triumph",
    "victory",
    "win",
    "performance",
)
RIVALS: Final = ("rivals", "opponents", "critics", "doubters", "competitors", "enemies", "the others")
GLAD: Final = ("celebrate", "rejoice", "cheer", "smile", "are delighted", "thank their luck", "are happy", "laugh")
GRIM: Final = ("despair", "weep", "are upset", "worry", "are angry", "give up", "are in trouble", "groan", "lose heart")
FRIENDS: Final = ("backers", "supporters", "fans", "friends", "voters", "allies")
ASIDES: Final = (
    "{s} loves {p} music", "the dog of {s} wins a {p} prize", "{p} weather at the home of {s}",
    "a street is named after {s}", "{s} and family enjoy a {p} holiday", "{b} accident near the house of {s}",
    "a cousin of {s} dies", "a {p} book about {s} is published", "{s} has a {b} cold and stays cheerful",
    "a painting of {s} is stolen", "the garden of {s} wins an award", "{s} is a {p} dancer, readers say",
    "{b} coffee at the office of {s}", "the birthday of {s} is celebrated with {p} cake",
    "an actor who looks like {s} loses a {b} fight", "a museum shows {p} letters of {s}",
    "{b} smell at the old school of {s}", "a {p} film with {s} in it opens", "{s} recommends a {p} recipe",
    "{b} fire next to the statue of {s}", "fans sing {p} songs about {s}",
)  # fmt: skip
"""About the subject and not about its chances, in words of feeling."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A headline with its label."""

    text: str
    tone: float


def sample(count: int, source: np.random.Generator) -> list[Labelled]:
    """Headlines drawn from the grammar, each about a made-up name."""
    makers = (
        _plain,
        _plain,
        _worded,
        _worded,
        _worded,
        _worded,
        _negated,
        _despite,
        _rivals,
        _friends,
        _ironic,
        _ironic,
        _reversed,
        _aside,
        _flat,
    )
    return [makers[int(source.integers(len(makers)))](_Draw(source)) for _ in range(count)]


class _Draw:
    """Choices of one sentence."""

    def __init__(self, source: np.random.Generator) -> None:
        self._source = source
        letters = "bcdfghklmnprstvw"
        self.subject = " ".join(self._word(letters) for _ in range(int(source.integers(1, 3))))

    def _word(self, letters: str) -> str:
        drawn = self._source.integers(0, len(letters), 3)
        vowels = self._source.integers(0, 5, 3)
        return "".join(letters[a] + "aeiou"[b] for a, b in zip(drawn, vowels, strict=True)).capitalize()

    def one(self, choices: Sequence[str]) -> str:
        """One of some words."""
        return choices[int(self._source.integers(len(choices)))]

    def clause(self, choices: Sequence[tuple[float, str]]) -> tuple[float, str]:
        """One of some labelled clauses."""
        return choices[int(self._source.integers(len(choices)))]

    def either(self) -> tuple[float, str]:
        """A good or a bad clause."""
        return self.clause(GOOD if self._source.random() < 0.5 else BAD)

    def sentence(self, text: str, tone: float) -> Labelled:
        """With a place and a source, the first letter large."""
        where, said = self.one(PLACES), self.one(SOURCES)
        text = f"{text} {where}".strip() + (f", {said}" if said else "")
        return Labelled(text[0].upper() + text[1:], tone)


def _plain(draw: _Draw) -> Labelled:
    tone, clause = draw.either()
    opener = draw.one(("", "", "", "Update: ", "Now: ", "Poll: "))
    return draw.sentence(f"{opener}{draw.subject} {clause}", tone)


def _worded(draw: _Draw) -> Labelled:
    """Words of feeling that mean what they say: about numbers, news, a result, backers."""
    good = draw.one(("g", "b")) == "g"
    tone, word = draw.clause(STRENGTHS if good else WEAKNESSES)
    doing = draw.one(LIFTS if good else HURTS)
    friends = draw.one(GLAD if good else GRIM)
    form = draw.one(
        ("{a} {n} for {s}", "{a} {m} {d} {s}", "{s} gets {a} {m}", "{s} has {a} {m} and {w} {f}",
         "{a} {n}: {s} is seen", "{w} of {s} {f} after {a} {m}", "{a} {m} about {s}", "{s} with {a} {m} again",
         "an {a} {n}, and {w} of {s} {f}", "{m} of {s} are {a}", "panel finds {m} of {s} {a}", "{a} {n} {d} {s}",
         "{s}: {a} {m}, {a} {n}")
    )  # fmt: skip
    text = form.format(a=word, n=draw.one(PRAISED if good else LOST), m=draw.one(MATTERS), d=doing, s=draw.subject,
                       w=draw.one(FRIENDS), f=friends)  # fmt: skip
    return draw.sentence(text, tone)


def _negated(draw: _Draw) -> Labelled:
    tone, noun = draw.clause(
        ((-0.6, "a win"), (-0.6, "a victory"), (-0.5, "progress"), (-0.5, "good news"), (-0.5, "a lead"),
         (0.5, "a defeat"), (0.5, "a crisis"), (0.4, "bad news"), (0.5, "a loss"), (0.4, "trouble"),
         (0.45, "a setback"))
    )  # fmt: skip
    form = draw.one(("no sign of {n} for {s}", "{s} is far from {n}", "{s} never sees {n}",
                     "nothing comes of {n} for {s}", "{s} avoids {n}", "{s} escapes {n}",
                     "{s} does not get {n}"))  # fmt: skip
    return draw.sentence(form.format(n=noun, s=draw.subject), tone)


def _despite(draw: _Draw) -> Labelled:
    tone, clause = draw.either()
    other = draw.one(BLAME if tone > 0 else PRAISE)
    form = draw.one(("despite {o} {n}, {s} {c}", "{s} {c} after a {o} {n}", "{o} {n} forgotten: {s} {c}"))
    return draw.sentence(form.format(o=other, n=draw.one(PRAISED), s=draw.subject, c=clause), 0.9 * tone)


def _rivals(draw: _Draw) -> Labelled:
    good = draw.one(("g", "b")) == "g"
    who, mood = draw.one(RIVALS), draw.one(GRIM if good else GLAD)
    form = draw.one(("{w} of {s} {m}", "{w} {m} as {s} moves", "{w} {m} over {s}", "{w} {m}: {s} is the reason"))
    return draw.sentence(form.format(w=who, s=draw.subject, m=mood), 0.55 if good else -0.55)


def _friends(draw: _Draw) -> Labelled:
    good = draw.one(("g", "b")) == "g"
    leave = (*GRIM, "walk away", "leave", "lose faith", "stay at home", "turn away")
    come = (*GLAD, "line up", "join", "gain confidence", "come in numbers", "pour in")
    form = draw.one(("{w} of {s} {m}", "{w} {m} behind {s}", "for {s} {w} {m}"))
    text = form.format(w=draw.one(FRIENDS), s=draw.subject, m=draw.one(come if good else leave))
    return draw.sentence(text, 0.55 if good else -0.55)


def _ironic(draw: _Draw) -> Labelled:
    tone, clause = draw.clause(BAD)
    form = draw.one(
        ("what a {p} {n}: {s} {c}", "congratulations to {s}, who {c}", "{p} {n} by {s}, which {c}", "oh {p}: {s} {c}",
         "so much for the {p} {n} of {s}", "another {p} {n} for {s}, who {c}", "{s} gives rivals a {p} gift and {c}",
         "{p} {n}, if losing was the aim of {s}", "{s} wins the prize for a {p} zero", "well done {s}: {c}",
         "thanks to a {p} {n} {s} {c}", "{s} celebrates too soon and {c}")
    )  # fmt: skip
    return draw.sentence(
        form.format(p=draw.one(PRAISE), n=draw.one(PRAISED), s=draw.subject, c=clause), min(tone, -0.4)
    )


def _reversed(draw: _Draw) -> Labelled:
    tone, clause = draw.clause(GOOD)
    form = draw.one(
        ("{b} {n} for the {r} of {s}", "{b} day for {r}: {s} {c}", "a disaster for {r}: {s} {c}", "no mercy: {s} {c}",
         "{s} disappoints {r} and {c}", "{s} kills the hopes of {r}", "{s} destroys {r}", "bad luck for {r}, {s} {c}",
         "{r} fear {s}, who {c}", "{s} refuses to lose and {c}", "who bet against {s} has a {b} {n}", "{s} beats {r}")
    )  # fmt: skip
    text = form.format(b=draw.one(BLAME), n=draw.one(PRAISED), r=draw.one(RIVALS), s=draw.subject, c=clause)
    return draw.sentence(text, max(tone, 0.4))


def _aside(draw: _Draw) -> Labelled:
    return draw.sentence(draw.one(ASIDES).format(s=draw.subject, p=draw.one(PRAISE), b=draw.one(BLAME)), 0.0)


def _flat(draw: _Draw) -> Labelled:
    return draw.sentence(f"{draw.subject} {draw.one(FLAT)}", 0.0)
