"""`oddsmith data record`: books, trades, reference prices and headlines as they come, for weeks.

A line is what arrived: `{"recv_ms", "source", "frame"}`, or `{"recv_ms", "source", "gap"}` where nothing is known of
what came before: a connection broke, fell silent or is new, or the recorder stops. So nobody takes a gap for a quiet
market. `pull.frame_segments` says where the lines lie.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from pipelines.core import log
from pipelines.core.domain import Market
from pipelines.core.errors import OddsmithError, VenueError
from pipelines.core.params import Params
from pipelines.core.sections import MarketsParams
from pipelines.core.settings import Mode, Settings
from pipelines.news import sources
from pipelines.pull.frame_segments import Segments
from pipelines.pull.subscriptions import Change, Subscriptions
from pipelines.reference import exchange, rtds
from pipelines.venue import clob, gamma
from pipelines.venue.channel import Channel, Garbled, Lost, Opened
from pipelines.venue.http import VenueHttp
from pipelines.venue.listing_facts import UNKNOWN, ListingFacts
from pipelines.venue.wanted import unwanted

SILENT_AFTER_S: Final = 30.0
RESCAN_S: Final = 10.0
LISTED: Final = 2_000
"""Markets of the listing that are read where `markets` of params.yaml chooses among them."""
WITNESSES: Final = 50
REMEMBERED: Final = 50_000
"""Headlines that are known to be kept already; feeds show far fewer."""

_log = log.get("record")


async def record(settings: Settings, params: Params, seconds: float | None = None) -> None:
    """Record until cancelled, or for a time."""
    segments = Segments(settings.var / "landing", by_message=settings.mode is Mode.SIMULATED)
    _log.info("recording", into=str(settings.var / "landing"))
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            followed = Subscriptions(time.monotonic)
            tasks.create_task(_markets(settings, params, segments, followed))
            tasks.create_task(_reference(settings, segments))
            if settings.exchange_url:
                tasks.create_task(_exchange(settings, segments, followed))
            tasks.create_task(_headlines(settings, params, segments))
    except TimeoutError:
        pass
    finally:
        segments.end()


async def _markets(settings: Settings, params: Params, segments: Segments, followed: Subscriptions) -> None:
    """Books and trades of the markets that take orders: new ones join as they are listed, ended ones leave."""
    await _rescan(settings, params, segments, followed)
    while not followed.tokens():
        await asyncio.sleep(RESCAN_S)
        await _rescan(settings, params, segments, followed)

    def hello() -> Mapping[str, Any]:
        return {"type": "market", "assets_ids": followed.tokens(), "custom_feature_enabled": True}

    async def rescan() -> None:
        while True:
            await asyncio.sleep(RESCAN_S)
            change = await _rescan(settings, params, segments, followed)
            gone, fresh = [one.token_yes for one, _ in change.left], [one.token_yes for one in change.joined]
            if gone:
                await channel.send({"assets_ids": gone, "operation": "unsubscribe"})
            if fresh:
                await channel.send({"assets_ids": fresh, "operation": "subscribe", "custom_feature_enabled": True})

    channel = Channel(f"{settings.clob_ws_url}/ws/market", hello, silence_s=SILENT_AFTER_S)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rescan())
        tasks.create_task(_keep("market", channel, segments, followed.see))


async def _rescan(settings: Settings, params: Params, segments: Segments, followed: Subscriptions) -> Change:
    """Bring what is followed up to date with the listing. What joins and what leaves are lines too."""
    try:
        async with VenueHttp(settings.gamma_url) as http:
            listed = await _wanted(http, settings, params)
            others = await gamma.accepting(http, followed.unlisted(listed))
            is_open = {one.market_id for one in (*listed, *others)}
            payouts = await gamma.payouts(http, followed.to_ask(is_open))
    except OddsmithError as error:
        segments.write("listing", gap=str(error))
        return Change([], [])
    change = followed.look(listed, is_open, payouts)
    if change.joined:
        segments.write("listing", markets=[market_line(one) for one in change.joined])
    if change.left:
        ended = [{"market_id": one.market_id, "token_id": one.token_yes, "payout": paid} for one, paid in change.left]
        segments.write("listing", ended=ended)
    return change


async def _wanted(http: VenueHttp, settings: Settings, params: Params) -> list[Market]:
    """Listed markets that the bot would follow, the most traded first; of a series the present window and the next."""
    rules, facts = params.markets, dict[str, ListingFacts]()
    if rules == MarketsParams():
        return await gamma.tradable(http, params.serving.max_markets, [])
    listed = await gamma.tradable(http, LISTED, [], facts)
    now_s = await _market_time_s(settings, listed)
    about = ((one, facts.get(one.market_id, UNKNOWN)) for one in listed)
    kept = [one for one, told in about if not unwanted(one, rules, now_s, told, is_followed=False)]
    return kept[: params.serving.max_markets]


async def _market_time_s(settings: Settings, listed: Sequence[Market]) -> int:
    """The venue's market time by some of its books; the wall's where none is shown."""
    async with VenueHttp(settings.clob_url) as exchange:
        books = await clob.books(exchange, [one.token_yes for one in listed[:WITNESSES]])
    return clob.market_time_ms(books.values()) // 1_000 if books else int(time.time())


def market_line(market: Market) -> dict[str, Any]:
    """What a reader of frames needs to know of a market."""
    rule = None if market.settlement is None else market.settlement.text()
    return {
        "market_id": market.market_id,
        "token_id": market.token_yes,
        "question": market.question,
        "event": market.event_id,
        "end_s": market.end_s,
        "settlement": rule,
    }


async def _reference(settings: Settings, segments: Segments) -> None:
    wanted = [{"topic": topic, "type": "*", "filters": ""} for topic in rtds.TOPICS]
    channel = Channel(
        settings.rtds_url, lambda: {"action": "subscribe", "subscriptions": wanted}, silence_s=rtds.SILENT_AFTER_S
    )
    await _keep("rtds", channel, segments)


async def _exchange(settings: Settings, segments: Segments, followed: Subscriptions) -> None:
    """Trades of the exchange in the assets that followed markets settle on, as a source of their own."""
    while True:
        if followed.assets():
            break
        await asyncio.sleep(RESCAN_S)
    subscription = exchange.Subscription(followed.assets)
    channel = exchange.channel(settings.exchange_url, subscription)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(subscription.follow(channel))
        tasks.create_task(_keep("exchange", channel, segments))


async def _keep(
    source: str, channel: Channel, segments: Segments, see: Callable[[Mapping[str, Any]], None] | None = None
) -> None:
    """Every frame of a channel, and every gap; `see` is shown each frame once it is kept."""
    try:
        async for frame in channel.frames():
            if isinstance(frame, Mapping):
                segments.write(source, frame=frame)
                if see is not None:
                    see(frame)
            else:
                segments.write(source, gap=_gap(frame))
    except asyncio.CancelledError:
        segments.write(source, gap="the recorder stops")
        raise


def _gap(frame: Opened | Lost | Garbled) -> str:
    """Why nothing is known of what came before."""
    if isinstance(frame, Opened):
        return f"connection {frame.attempt} begins"
    return frame.reason if isinstance(frame, Lost) else f"no message: {frame.text}"


async def _headlines(settings: Settings, params: Params, segments: Segments) -> None:
    seen: dict[str, None] = {}
    async with sources.opened(settings, params.serving.news_poll_s) as texts:
        while texts:
            for source in texts:
                try:
                    for item in await source.read():
                        if item.item_id not in seen:
                            seen[item.item_id] = None
                            segments.write("news", frame=msgspec.to_builtins(item))
                except VenueError as error:
                    segments.write("news", gap=str(error))
            for old in list(seen)[:-REMEMBERED]:
                del seen[old]
            await asyncio.sleep(params.serving.news_poll_s)
