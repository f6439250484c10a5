"""A synthetic world as the feature table that `featurize` would write of it, with the best forecast of public data.

The bars, headlines and slices are those of a pull: tones are VADER's scores of the headlines' texts. The generator's
truth is read for the limit alone.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.worlds import market_context
from pipelines.core.domain import FloatArray
from pipelines.core.params import Params
from pipelines.features import compute
from pipelines.features.feature import IntArray
from pipelines.featurize import slices
from pipelines.forecast.training_windows import Rows
from pipelines.news import decay
from pipelines.news.scorers import Scorer, Vader
from simulator.markets.events import STEP_S, Event, Family, build
from simulator.markets.hard_sentences import Styles
from simulator.markets.limits import limit
from simulator.markets.price_model import Model
from simulator.markets.truth import Mispricing, Truth, truth

PLAIN = Styles()


@dataclass(frozen=True)
class SkillWorld:
    """Rows of a world, and the latent model behind them: markets in the order of the truth, minutes each."""

    rows: Rows
    known: Truth

    def limit(self, horizon: int) -> FloatArray:
        """Forecasts of the best observer of the public data, or the bound of them that is known in this world: changes
        of log-odds 1..H bars ahead at every row, (bars, H)."""
        best: Mispricing = limit(self.known)
        steps = [best.forecast(self.known.model, step).ravel() for step in range(1, horizon + 1)]
        return np.stack(steps, axis=1)


def skill_world(
    seed: int, edge: float, params: Params, days: int, styles: Styles = PLAIN, scorer: Scorer | None = None
) -> SkillWorld:
    """The world of a seed with the shape of params.yaml's simulator section, `days` long, cut like a pull of it.

    Its headlines are worded in `styles` and scored by `scorer` (VADER).
    """
    shape = params.simulator
    family = Family(
        seed,
        Model(edge=edge, world=shape.world, size_lean=shape.size_lean),
        event_length_min=shape.event_length_min,
        event_every_min=shape.event_every_min,
        markets_per_event=shape.markets_per_event,
        styles=styles,
    )
    count = (days * 1_440 - shape.event_length_min) // shape.event_every_min
    built = [build(family, number) for number in range(count)]
    known = truth(family, built)
    return SkillWorld(_rows(known, built, params, scorer or Vader()), known)


def _rows(known: Truth, built: list[Event], params: Params, scorer: Scorer) -> Rows:
    markets, minutes = known.paths.mid_units.shape
    sides = len(built[0].listings)
    start = np.array([event.start_s for event in built])[known.event]
    ts = start[:, None] + STEP_S * np.arange(minutes, dtype=np.int64)
    ends = np.empty(markets, dtype=np.int64)
    sentiment, tone, features = np.empty(ts.shape), np.empty(ts.shape), []
    headlines = np.empty(ts.shape, dtype=np.int64)
    for row in range(markets):
        event = built[int(known.event[row])]
        listing = event.listings[row % sides]
        ends[row] = listing.end_s
        mine = [one for one in event.headlines if listing.market_id in one.market_ids]
        at = np.array([one.known_s for one in mine], dtype=np.int64)
        scores = np.array(scorer.score([one.text for one in mine]), dtype=np.float64)
        tone[row], headlines[row] = decay.impulses(ts[row], at, scores, STEP_S)
        sentiment[row] = decay.batch(ts[row], at, scores)
        bars = known.paths.mid_units[row], known.paths.volume_micro[row]
        features.append(compute.batch(ts[row], *bars, listing.end_s))
    run = minutes * np.arange(markets)
    return Rows(
        market_id=np.repeat([f"m{row}" for row in range(markets)], minutes),
        event=np.repeat(known.event, minutes),
        ts_s=ts.ravel(),
        slice_name=_slices(ts, known.event, params),
        mid_units=known.paths.mid_units.astype(np.int64).ravel(),
        volume_micro=known.paths.volume_micro.astype(np.int64).ravel(),
        end_s=np.repeat(ends, minutes),
        run_start=np.repeat(run, minutes),
        run_end=np.repeat(run + minutes, minutes),
        length_s=STEP_S,
        sentiment=sentiment.ravel(),
        tone=tone.ravel(),
        headlines=headlines.ravel(),
        features=np.concatenate(features),
        context=market_context(known, built).reshape(markets * minutes, -1),
    )


def _slices(ts: IntArray, event: IntArray, params: Params) -> np.ndarray:
    spans = {str(number): (int(row[0]), int(row[-1])) for number, row in zip(event.tolist(), ts, strict=True)}
    embargo = (params.forecast.lookback_bars + params.forecast.horizon_bars) * STEP_S
    made = slices.cut(spans, params.slices.model_dump(), embargo)
    named = {name: made.of_bars(name, np.array(span)) for name, span in spans.items()}
    if made.mode != "whole_events":
        raise ValueError("the world is too short to keep events whole; ask for more days")
    return np.repeat([named[str(number)][0] for number in event.tolist()], ts.shape[1])
