"""Looking back over HTTP: the days of the account, one day's trades and P&L, the equity curve of any period.

What reads the journal does so in a thread of its own, so a question about a month delays no turn.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pipelines.core.errors import DataError, OddsmithError, ParameterError
from pipelines.history.account import History, documents, moment
from serving.dashboard import equity_curve
from serving.dashboard.api_description import takes
from serving.dashboard.site import NOT_KEPT, json_response

COLUMNS: Final = 800
"""Columns of the picture where a question names none."""
MOST_COLUMNS: Final = 10_000

CENT_MICRO: Final = 10_000


class Remembers(Protocol):
    """A bot that has a journal, and keeps the curve of its equity."""

    def equity(self) -> Sequence[tuple[int, int]]:
        """(market time, equity in base units) of every bar that is kept, oldest first."""
        ...

    def history(self, from_s: int = 0, to_s: int = 2**62, *, against_model: bool = False) -> History:
        """Its own account between two market times. Blocking."""
        ...


def routes(bot: Callable[[], Remembers]) -> list[BaseRoute]:
    """`GET /api/days`, `GET /api/day/2026-03-01`, `GET /api/curve?from=&to=&columns=`, and `GET /api/equity`."""

    async def every_day(_request: Request) -> Response:
        """Every market day of the account: trades, P&L, fees, slippage, equity at the first and last bar."""
        return await _answer(lambda: days(bot()))

    @takes(query={"against": "`model`: slippage against the backtest's fills too, which takes longer."})
    async def one_day(request: Request) -> Response:
        """One market day: summary, closed trades, P&L by reason, equity of every bar, and the days around it."""
        against_model = request.query_params.get("against") == "model"
        return await _answer(lambda: day(bot(), request.path_params["day"], against_model=against_model))

    @takes(
        query={
            "from": "First day or time, UTC; the account's first bar without it.",
            "to": "Last day (included) or a time (not included).",
            "columns": f"Width of the picture, 1 to {MOST_COLUMNS} ({COLUMNS}).",
        }
    )
    async def curve_of_period(request: Request) -> Response:
        """Equity and drawdown of a period at the width of a picture; no extreme is lost."""
        given = request.query_params
        first, last, columns = given.get("from"), given.get("to"), given.get("columns", str(COLUMNS))
        return await _answer(lambda: curve(bot(), first, last, columns))

    @takes(
        query={
            "columns": f"Width of the picture, 1 to {MOST_COLUMNS} ({COLUMNS}).",
            "from_s": "First market time in seconds; the first bar without it.",
            "to_s": "Last market time in seconds; the newest bar without it.",
        }
    )
    async def equity(request: Request) -> Response:
        """The equity curve at the width of a picture: `start_s`, then for every point the seconds since the one before
        and the equity in cents; `bars` says how many there are."""
        try:
            asked = {name: _number(request, name, *limits) for name, limits in _CURVE.items()}
        except ParameterError as error:
            return JSONResponse({"error": str(error)}, status_code=400, headers=NOT_KEPT)
        return json_response(_curve(bot().equity(), **asked))

    return [
        Route("/api/days", every_day),
        Route("/api/day/{day}", one_day),
        Route("/api/curve", curve_of_period),
        Route("/api/equity", equity),
    ]


async def _answer(work: Callable[[], dict[str, Any]]) -> Response:
    try:
        found = await asyncio.to_thread(work)
    except ParameterError as error:
        return JSONResponse({"error": str(error)}, status_code=400, headers=NOT_KEPT)
    except DataError as error:
        return JSONResponse({"error": str(error)}, status_code=404, headers=NOT_KEPT)
    except OddsmithError as error:
        return JSONResponse({"error": str(error)}, status_code=503, headers=NOT_KEPT)
    return json_response(found)


def days(bot: Remembers) -> dict[str, Any]:
    """Every market day on which a bar was decided or something was booked: its P&L, as `oddsmith pnl --by day`."""
    history = bot.history()
    try:
        return {"account": history.account, "days": history.pnl("day")}
    finally:
        history.close()


def day(bot: Remembers, text: str, *, against_model: bool = False) -> dict[str, Any]:
    """One market day: summary, closed trades, P&L by reason, equity of every bar, and the days around it.

    Raises:
        ParameterError: if the text is no day.
    """
    try:
        about = date.fromisoformat(text)
    except ValueError:
        raise ParameterError(f"{text!r} is no day; ask for one as /api/day/2026-03-01") from None
    history = bot.history(moment(about.isoformat()), moment(about.isoformat(), end=True), against_model=against_model)
    try:
        first, last = history.days()
        before, after = (about + timedelta(days=step) for step in (-1, 1))
        return {
            "account": history.account,
            "day": about.isoformat(),
            "previous": min(before.isoformat(), last) if before.isoformat() >= first else None,
            "next": max(after.isoformat(), first) if after.isoformat() <= last else None,
            "summary": history.summary(),
            "by_reason": history.pnl("reason"),
            "trades": documents(history.trades()),
            "bars": history.bar_count(),
            "equity": history.curve(MOST_COLUMNS),
        }
    finally:
        history.close()


def curve(bot: Remembers, first: str | None, last: str | None, columns: str) -> dict[str, Any]:
    """Equity and drawdown of a period, drawn from fewer points than bars with no extreme lost.

    Raises:
        ParameterError: if a date or the number of columns cannot be read.
    """
    if not columns.isdecimal() or not 1 <= int(columns) <= MOST_COLUMNS:
        raise ParameterError(f"columns was {columns!r}; give the width of the picture, 1 to {MOST_COLUMNS}")
    history = bot.history(moment(first) if first else 0, moment(last, end=True) if last else 2**62)
    try:
        return {
            "account": history.account,
            "bars": history.bar_count(),
            "names": ["ts_s", "equity_pusd", "drawdown"],
            "points": history.curve(int(columns)),
        }
    finally:
        history.close()


_CURVE: Final = {"columns": (1, MOST_COLUMNS, COLUMNS), "from_s": (0, 2**62, 0), "to_s": (0, 2**62, 2**62)}
"""Whole numbers that a question about the curve may give: lowest, highest, and without it."""


def _number(request: Request, name: str, low: int, high: int, without: int) -> int:
    text = request.query_params.get(name, str(without))
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and low <= int(text) <= high):
        raise ParameterError(f"{name} was {text!r}; give a whole number from {low} to {high}")
    return int(text)


def _curve(points: Sequence[tuple[int, int]], columns: int, from_s: int, to_s: int) -> dict[str, Any]:
    drawn, bars = equity_curve.part(points, columns, from_s, to_s)
    times = [one.ts_s for one in drawn]
    steps = [after - before for before, after in itertools.pairwise(times)]
    return {
        "start_s": times[0] if times else None,
        "step_s": [0, *steps] if times else [],
        "cents": [round(one.micro / CENT_MICRO) for one in drawn],
        "bars": bars,
    }
