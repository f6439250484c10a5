"""Several sources as one: synthetic and replayed markets on one clock."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from pipelines.core.domain import Headline
from pipelines.core.errors import ParameterError
from simulator.markets import recorded_markets, synthetic
from simulator.markets.events import EPOCH_S, STEP_S
from simulator.markets.recorded_source import ReplayedMarkets
from simulator.markets.source import History, Listing, MarketSource, Prints, SourceOptions, Step


class MixedMarkets:
    """Sources with the same market time and step, advanced together.

    Raises:
        ParameterError: if their clocks or steps differ.
    """

    def __init__(self, sources: Sequence[MarketSource]) -> None:
        clocks = {(source.step_s, source.now_s) for source in sources}
        if len(clocks) != 1:
            raise ParameterError(
                f"the sources have the steps and times {sorted(clocks)}; give ones that share one step and one time"
            )
        self.step_s, self.now_s = clocks.pop()
        self._sources = tuple(sources)
        self._owners: dict[str, MarketSource] = {}

    def listings(self) -> Sequence[Listing]:
        """Markets of all sources that have begun."""
        return [listing for source in self._sources for listing in source.listings()]

    def resolutions(self) -> Sequence[tuple[str, int, int]]:
        """Resolutions of all sources."""
        return [resolution for source in self._sources for resolution in source.resolutions()]

    def headlines(self) -> Sequence[Headline]:
        """Headlines of all sources, oldest first."""
        found = chain.from_iterable(source.headlines() for source in self._sources)
        return sorted(found, key=lambda headline: (headline.known_s, headline.headline_id))

    def history(self, market_id: str) -> History:
        """A market's steps up to now."""
        return self._of(market_id).history(market_id)

    def trades(self, market_id: str) -> Prints:
        """A market's trades up to now."""
        return self._of(market_id).trades(market_id)

    def advance(self) -> Step:
        """One step of every source."""
        steps = [source.advance() for source in self._sources]
        self.now_s = steps[0].ts_s
        return Step(
            self.now_s,
            rows=[row for step in steps for row in step.rows],
            headlines=[headline for step in steps for headline in step.headlines],
            resolved=[resolution for step in steps for resolution in step.resolved],
            listed=[listing for step in steps for listing in step.listed],
        )

    def _of(self, market_id: str) -> MarketSource:
        if market_id not in self._owners:
            self._owners = {listing.market_id: source for source in self._sources for listing in source.listings()}
        return self._owners[market_id]


def open_source(options: SourceOptions) -> MixedMarkets:
    """Synthetic markets and the named recording; its warm bars end at the end of the synthetic history.

    Raises:
        DataError: if the recording is missing, unreadable or empty.
        ParameterError: if no recording is named.
    """
    if options.replay is None:
        raise ParameterError("a mix needs a recording as well as synthetic markets; give --replay FILE")
    made = synthetic.open_source(replace(options, bar_length_s=None))
    replayed = ReplayedMarkets(
        recorded_markets.read(options.replay, options.replay_event),
        step_s=STEP_S,
        warm_bars=options.warm_bars,
        seed=options.seed,
        begins_s=EPOCH_S + options.history_days * 86_400,
        resume_s=options.resume_s,
    )
    return MixedMarkets([made, replayed])
