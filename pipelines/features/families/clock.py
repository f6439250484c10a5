"""Where the bar lies in the day, in the week and in the market's life."""

from typing import Final

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.features.feature import Feature, Point, Rolling, Series

UNKNOWN_TIME_YEARS: Final = 0.5
"""Time to resolution of a market without a scheduled end."""

YEAR_S: Final = 365 * 86_400


def _hour(series: Series) -> FloatArray:
    hour: FloatArray = series.ts_s % 86_400 // 3_600 / 24
    return hour


def _rolling_hour() -> Rolling:
    return lambda bar: bar.ts_s % 86_400 // 3_600 / 24


def _day(series: Series) -> FloatArray:
    day: FloatArray = (series.ts_s // 86_400 + 3) % 7 / 7
    return day


def _rolling_day() -> Rolling:
    return lambda bar: (bar.ts_s // 86_400 + 3) % 7 / 7


def _years_left(series: Series) -> FloatArray:
    if series.end_s is None:
        return np.full(len(series.ts_s), UNKNOWN_TIME_YEARS)
    years: FloatArray = np.maximum(series.end_s - series.ts_s, 0) / YEAR_S
    return years


def _rolling_years_left() -> Rolling:
    def push(bar: Point) -> float:
        return UNKNOWN_TIME_YEARS if bar.end_s is None else max(bar.end_s - bar.ts_s, 0) / YEAR_S

    return push


FEATURES: Final = (
    Feature("hour", "hour of the day, UTC, over 24", "[0, 1)", _hour, _rolling_hour),
    Feature("day_of_week", "day of the week, UTC, Monday 0, over 7", "[0, 1)", _day, _rolling_day),
    Feature(
        "time_to_resolution",
        "time to the scheduled end; 0.5 when it is unknown, 0 after it",
        "years of 365 days",
        _years_left,
        _rolling_years_left,
    ),
)
