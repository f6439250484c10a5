"""Cases that the weights of the fill model are fitted on: a resting order, and the book at two looks."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.trading.fill_model import (
    NOT_FIRST,
    logistic,
    queue_features,
    queue_left,
    queue_seen,
    touch_features,
    trades_chance,
    weighed,
)


@dataclass(frozen=True, slots=True)
class Resting:
    """A resting order and the book at two looks, seen from its own side. Sizes in base units, prices in 1e-4."""

    before_units: int
    after_units: int
    """Distance of the other side's touch from the limit at both looks, above 0."""
    seconds: float
    """Between the looks."""
    ahead_micro: int
    """Displayed at its level at the first look."""
    spread_units: int
    tick_units: int
    own_micro: int
    other_micro: int
    """Displayed at the touch of its own side and of the other one, at the first look."""
    move_units: int
    """Move of the mid between the looks, positive towards the order."""
    left_s: float
    """Seconds to the market's end at the first look."""

    def features(self) -> tuple[float, ...]:
        """The inputs of the model, in the order of NAMES."""
        return touch_features(*(getattr(self, name) for name in self.__dataclass_fields__))

    def chance(self, weights: Sequence[float]) -> float:
        """Probability that the other side's touch came to the order between the looks."""
        return logistic(weighed(weights, self.features()))


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue before a resting order at two looks at the book. Sizes in base units."""

    ahead_micro: int
    """Shares before it at the first look."""
    shown_micro: int
    """Displayed at its level at the first look; 0 where the order is alone before its side's touch."""
    vanished_micro: int
    """By how much the size displayed at its level fell between the looks."""
    emptied: bool
    """Whether its side's touch fell back behind the limit between the looks."""
    seconds: float
    """Between the looks."""

    def _seen(self) -> tuple[int, int, int, bool]:
        return self.ahead_micro, self.shown_micro, self.vanished_micro, self.emptied

    def features(self) -> tuple[float, ...]:
        """The inputs of the model, in the order of QUEUE_NAMES."""
        return queue_features(*self._seen())

    def chance(self, weights: Sequence[float]) -> float:
        """Probability that trades came through the queue to the order between the looks."""
        return trades_chance(weights, self.features(), self.seconds)

    def left_micro(self, trade_share: float) -> int:
        """Shares before the order at the second look."""
        return queue_left(*self._seen(), trade_share)


def queue(distances: tuple[int, int], shown_micro: tuple[int, int], ahead_micro: int, seconds: float) -> Queue | None:
    """The queue before an order at two looks; None where the order is behind its side's touch.

    Args:
        distances: of its side's touch from the limit at both looks, positive where the touch is better, price units.
        shown_micro: displayed at its side's touch at both looks.
        ahead_micro: shares before the order at the first look.
        seconds: between the looks.
    """
    ahead, shown, vanished, emptied = queue_seen(*distances, *shown_micro, ahead_micro)
    return None if shown == NOT_FIRST else Queue(ahead, shown, vanished, emptied, seconds)
