"""Evidence that may be looked at after every bar: an e-process on paired losses of two forecasters.

Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting; Choe and Ramdas (2024),
Comparing sequential forecasters. Wealth starts at 1 and is multiplied by 1 + bet x score, where the score in [-1, 1] is
positive when the second forecaster lost less, and the bet is chosen from earlier scores alone. If the second one is not
better, the wealth exceeds x at any time with a probability of at most 1 / x (Ville). So a look costs nothing, and the
test ends when it has seen enough.

Scores of a horizon of `lag` bars overlap. Each of the `lag` interleaved sequences has its own wealth, and the evidence
is their mean (Henzi and Ziegel 2022, Valid sequential inference on probability forecast performance, section 4).
"""

import math
from dataclasses import dataclass, field
from typing import Any

MOST = 0.9
"""Largest bet: a score of -1 leaves a tenth of the wealth."""


@dataclass(slots=True)
class Wealth:
    """One sequence of scores that do not overlap."""

    log: float = 0.0
    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, score: float) -> None:
        """Bet on a score in [-1, 1], then learn from it."""
        self.log += math.log1p(self._bet() * score)
        self.count += 1
        self.total += score
        self.squares += score * score

    def _bet(self) -> float:
        """Kelly's bet for the scores so far (aGRAPA), shrunk by one imaginary score of 0 with a variance of 1/4."""
        mean = self.total / (self.count + 1)
        variance = (0.25 + max(self.squares - self.count * (self.total / max(self.count, 1)) ** 2, 0.0)) / (
            self.count + 1
        )
        return min(max(mean / (variance + mean * mean), 0.0), MOST)


@dataclass(slots=True)
class EProcess:
    """Evidence that the second forecaster loses less, over interleaved sequences of scores."""

    lag: int
    parts: list[Wealth] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parts = self.parts or [Wealth() for _ in range(self.lag)]

    def add(self, bar: int, score: float) -> None:
        """The score of a forecast made at bar number `bar`."""
        self.parts[bar % self.lag].add(min(max(score, -1.0), 1.0))

    @property
    def value(self) -> float:
        """The e-value of now: 1 is no evidence, 20 is what a test at 5 % asks for."""
        return sum(math.exp(min(one.log, 700.0)) for one in self.parts) / self.lag

    def document(self) -> dict[str, Any]:
        """For JSON; `parse` reads it."""
        return {"lag": self.lag, "parts": [[one.log, one.count, one.total, one.squares] for one in self.parts]}

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "EProcess":
        """What `document` wrote."""
        return cls(int(document["lag"]), [Wealth(*row) for row in document["parts"]])


def score(first_loss: float, second_loss: float) -> float:
    """How much less the second forecaster lost, in [-1, 1]; 0 where neither lost anything."""
    both = first_loss + second_loss
    return (first_loss - second_loss) / both if both > 0.0 else 0.0
