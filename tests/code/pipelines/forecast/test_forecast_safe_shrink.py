"""The safe shrink keeps what surely came true, and no more of it than is harmless on a smaller later sample."""

import numpy as np
import pytest

from pipelines.forecast.safe_shrink import HARMLESS, SURE, Unseen, safe_shrink


def _seen(added, moved, event, before=None, ts_s=None, later=40):
    before = np.zeros_like(added) if before is None else before
    return Unseen(added, before, moved, event, 60 * np.arange(len(added)) if ts_s is None else ts_s, later)


def _shrink(*seen, **more):
    return safe_shrink(_seen(*seen, **more))


def _upper(error, null, event, samples=400):
    """Upper 95 % bound of the RMSE over that of persistence, events drawn with repetition, as a report states it."""
    sums = np.stack([np.bincount(event, part**2) for part in (error, null)])
    picks = np.random.default_rng(1).integers(0, sums.shape[1], (samples, sums.shape[1]))
    drawn = sums[:, picks].sum(axis=2)
    return np.quantile(np.sqrt(drawn[0] / drawn[1]), 0.975)


def test_a_forecast_is_multiplied_by_what_surely_came_true():
    """The slope of what happened on what was forecast less its standard error, in [0, 1], horizon by horizon: noise
    and a wrong sign give exactly 0, half a truth a little less than a half, too careful a forecast 1."""
    rng = np.random.default_rng(3)
    forecast, noise = rng.normal(size=(2, 20_000, 3))
    event = np.repeat(np.arange(40), 500)
    assert _shrink(forecast, noise, event).max() < 0.03
    half = _shrink(forecast, 0.5 * forecast + noise, event)
    slope = 0.5 + np.sum(forecast * noise, axis=0) / np.sum(forecast**2, axis=0)
    assert ((half > slope - 0.02) & (half < slope - 0.003)).all()
    assert (_shrink(forecast, 2.0 * forecast + noise, event) == 1.0).all()
    assert (_shrink(forecast, -forecast, event) == 0.0).all()
    assert (_shrink(np.zeros_like(forecast), noise, event) == 0.0).all()


def test_few_events_are_trusted_less():
    """The error is clustered: copies of a bar do not help; below 20 events two errors are taken off, and one or two
    events alone prove nothing."""
    rng = np.random.default_rng(5)
    forecast = rng.normal(size=(2_000, 1))
    moved = 0.5 * forecast + rng.normal(size=(2_000, 1))
    many, few = np.repeat(np.arange(20), 100), np.repeat(np.arange(19), 106)[:2_000]
    assert _shrink(forecast, moved, few)[0] < _shrink(forecast, moved, many)[0]
    often = [np.tile(part, (5, 1)) for part in (forecast, moved)]
    at = np.tile(60 * np.arange(2_000), 5)
    assert _shrink(*often, np.tile(many, 5), ts_s=at) == pytest.approx(_shrink(forecast, moved, many))
    assert _shrink(forecast, moved, np.arange(2_000) // 1_000)[0] == 0.0


def test_what_was_there_in_one_stretch_of_time_is_not_kept():
    """A relation that dozens of events of one day show, and those of 23 other days do not, is one piece of evidence."""
    rng = np.random.default_rng(7)
    forecast, noise = rng.normal(size=(2, 24_000, 1))
    event = np.arange(24_000) // 30
    day = np.arange(24_000) // 1_000
    everywhere = _shrink(forecast, 0.2 * forecast + noise, event)
    once = _shrink(forecast, 3.0 * forecast * (day == 3)[:, None] + noise, event)
    assert everywhere[0] > 0.15
    assert once[0] == 0.0


def test_events_of_the_same_days_count_once():
    """Where all events of a day share what moves them, many events a day are no more evidence than few: of 200
    relations that are luck, hardly one in twenty is kept."""
    rng = np.random.default_rng(11)
    shared = rng.normal(size=(24, 200)).repeat(200, axis=0)
    forecast = rng.normal(size=(4_800, 200))
    moved = 0.3 * shared * forecast + 0.3 * rng.normal(size=(4_800, 200))
    kept = _shrink(forecast, moved, np.arange(4_800) // 10)
    assert np.mean(kept > 0.0) < 0.1


@pytest.mark.parametrize("tail", [3.0, 1.5])
def test_later_events_rarely_show_harm(tail):
    """Of forecasts that are right on average in 120 events, a few of which move far more than the others, about one in
    ten (SURE) shows an upper bound above what is harmless in 60 later events; not shrunk, one in three does."""
    rng = np.random.default_rng(13)
    shape = 3_600, 150
    size = (1.0 + rng.pareto(tail, size=(180, 150))).repeat(20, axis=0)
    right = rng.normal(1.0, 2.0, size=(180, 150)).repeat(20, axis=0)
    forecast = 0.15 * size * rng.normal(size=shape)
    moved = right * forecast + 2.0 * size * rng.normal(size=shape)
    event = np.arange(3_600) // 20
    early, late = slice(0, 2_400), slice(2_400, None)
    shrink = _shrink(forecast[early], moved[early], event[early], later=60)
    whole, kept = (
        [
            _upper(left, null, event[late] - 120) > HARMLESS
            for left, null in zip((moved - share * forecast)[late].T, moved[late].T, strict=True)
        ]
        for share in (1.0, shrink)
    )
    assert np.mean(whole) > 0.3
    assert np.mean(kept) < 1.5 * (1.0 - SURE)


def test_a_part_is_judged_together_with_those_before_it():
    """A second part that takes back what the first did wrongly is kept; one that only makes the sum's error wider than
    is harmless is kept less than it would be alone."""
    rng = np.random.default_rng(17)
    signal, wrong, noise = rng.normal(size=(3, 20_000, 1))
    event = np.repeat(np.arange(40), 500)
    moved = signal + noise
    assert _shrink(signal - wrong, moved, event, before=wrong)[0] > 0.95
    assert _shrink(0.1 * signal, moved, event, before=0.5 * wrong)[0] == 0.0
    assert _shrink(0.1 * signal, moved, event)[0] == 1.0


def test_harm_on_bars_that_were_learned_from_counts():
    """What unseen bars confirm is kept less where the bars of more days show that it was wrong there."""
    rng = np.random.default_rng(19)
    forecast, noise = rng.normal(size=(2, 20_000, 1))
    event = np.arange(20_000) // 100
    early = (event < 150)[:, None]
    moved = np.where(early, -0.2, 0.2) * forecast + noise
    whole = _seen(0.2 * forecast, moved, event)
    unseen = _seen(*(part[15_000:] for part in (whole.added, whole.moved, event)))
    alone, both = safe_shrink(unseen)[0], safe_shrink(unseen, whole)[0]
    assert alone > 0.7
    assert both < 0.2


def _harmful(events, later, markets=100, bars=20, horizons=6):
    """Share of markets' forecasts, of no use on average and alike at all horizons, that show harm at any horizon."""
    rng = np.random.default_rng(23)
    total = events + later
    size = (1.0 + rng.pareto(2.0, size=(markets, total))).repeat(bars, axis=1)[..., None]
    right = rng.normal(0.5, 1.5, size=(markets, total)).repeat(bars, axis=1)[..., None]
    forecast = 0.4 * size * rng.normal(size=size.shape) * np.ones(horizons)
    moved = right * forecast + size * rng.normal(size=forecast.shape)
    event, early = np.arange(total).repeat(bars), np.arange(total * bars) < events * bars
    harmful = []
    for made, came in zip(forecast, moved, strict=True):
        shrink = _shrink(made[early], came[early], event[early], later=later)
        late = (came - shrink * made)[~early], came[~early]
        harmful.append(max(_upper(*pair, event[~early] - events) for pair in zip(*(x.T for x in late), strict=True)))
    return np.mean(np.array(harmful) > HARMLESS)


def test_few_events_let_hardly_any_harm_through():
    """Where 14 events decide and 11 later ones judge all horizons together, about one forecast in ten shows harm."""
    assert _harmful(14, 11) < 0.15


def test_what_one_of_few_events_shows_is_not_kept():
    """A gain that would be none without one event is not kept of few events, and is where each of them shows it."""
    rng = np.random.default_rng(29)
    forecast, noise = rng.normal(size=(2, 2_400, 1))
    event = np.arange(2_400) // 100
    one = (event == 5)[:, None]
    assert (
        _shrink(np.where(one, forecast, 0.1 * forecast), np.where(one, forecast, 0.0) + 0.05 * noise, event)[0] == 0.0
    )
    assert _shrink(forecast, 0.5 * forecast + noise, event)[0] > 0.3
