"""JSON of markets and events in Gamma, with the keys and types of the venue."""

import json
from typing import Any

import numpy as np

from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.api import formats
from simulator.api.clob_documents import PUSD, REWARDS_MAX_SPREAD, REWARDS_MIN_SIZE, question_id, rules
from simulator.api.data_base import FIRST_EVENT
from simulator.engine.markets import LiveMarket, MarketState, neg_risk_id
from simulator.markets.source import History, Listing
from simulator.venue.incentives import rebate_share
from simulator.venue.venue import Venue

CREATOR = "0x91430CaD2d3975766499717fA0D66A78D814E5c5"
RESOLVER = "0x157Ce2d672854c848c9b79C49a8Cc6cc89176a49"
FEE_TYPES = {
    "crypto": "crypto_fees_v2",
    "sports": "sports_fees_v3",
    "politics": "politics_fees",
    "economics": "economics_fees",
    "weather": "weather_fees",
}
WINDOWS_S = {"24hr": 86_400, "1wk": 7 * 86_400, "1mo": 30 * 86_400, "1yr": 365 * 86_400}
CHANGES_S = {
    "oneHourPriceChange": 3_600,
    "oneDayPriceChange": 86_400,
    "oneWeekPriceChange": 7 * 86_400,
    "oneMonthPriceChange": 30 * 86_400,
    "oneYearPriceChange": 365 * 86_400,
}


def market(venue: Venue, listed: LiveMarket) -> dict[str, Any]:
    """A market without its event."""
    history = venue.source.history(listed.listing.market_id)
    return {
        **_description(venue, listed),
        **_trading(listed),
        **_activity(venue, listed, history),
        **_optional(listed),
    }


def _description(venue: Venue, listed: LiveMarket) -> dict[str, Any]:
    listing = listed.listing
    begin = formats.iso(listing.start_s)
    end = None if listed.shown_end_s is None else formats.iso(listed.shown_end_s)
    return {
        "id": str(listed.number),
        "question": listing.question,
        "conditionId": listing.market_id,
        "slug": listing.slug,
        "resolutionSource": "",
        "endDate": end,
        "startDate": begin,
        "image": "",
        "icon": "",
        "description": rules(listed),
        "outcomes": json.dumps(list(listed.labels)),
        "active": True,
        "closed": listed.state is not MarketState.OPEN,
        "marketMakerAddress": "",
        "createdAt": begin,
        "updatedAt": formats.iso(venue.now_s),
        "new": False,
        "featured": False,
        "submitted_by": CREATOR,
        "archived": False,
        "resolvedBy": RESOLVER,
        "restricted": True,
        "groupItemTitle": listing.question,
        "groupItemThreshold": "0",
        "questionID": question_id(listed),
        "endDateIso": end and end[:10],
        "startDateIso": begin[:10],
        "hasReviewedDates": True,
        "umaBond": "500",
        "umaReward": "5",
        "umaResolutionStatuses": json.dumps(_statuses(listed)),
        "customLiveness": 0,
        "ready": False,
        "funded": False,
        "cyom": False,
        "competitive": 1.0,
        "pagerDutyNotificationEnabled": False,
        "approved": True,
        "seriesColor": "",
        **_series(listing),
        "showGmpSeries": False,
        "showGmpOutcome": False,
        "comboStatus": "disabled",
        "deployingTimestamp": begin,
        "automaticallyActive": True,
        "clearBookOnStart": False,
        "manualActivation": False,
        "pendingDeployment": False,
        "deploying": False,
        "holdingRewardsEnabled": False,
        "requiresTranslation": False,
        "version": listed.version,
    }


def _series(listing: Listing) -> dict[str, Any]:
    """What the rows of series markets have and those of others have not."""
    if listing.event_start_s is None:
        return {}
    return {"eventStartTime": formats.iso(listing.event_start_s)}


def _trading(listed: LiveMarket) -> dict[str, Any]:
    listing = listed.listing
    is_open = listed.state is MarketState.OPEN
    return {
        "outcomePrices": json.dumps(outcome_prices(listed)),
        "enableOrderBook": True,
        "orderPriceMinTickSize": formats.number(listed.tick_units),
        "orderMinSize": formats.whole(listing.min_size_micro),
        "clobTokenIds": json.dumps([listing.token_yes, listing.token_no]),
        "makerBaseFee": 1000,
        "takerBaseFee": 1000,
        "acceptingOrders": is_open,
        "acceptingOrdersTimestamp": formats.iso(listing.start_s),
        "negRisk": listing.neg_risk,
        "negRiskOther": False,
        "negRiskRequestID": "",
        "clobRewards": _rewards(listed),
        "rewardsMinSize": REWARDS_MIN_SIZE,
        "rewardsMaxSpread": REWARDS_MAX_SPREAD,
        "rfqEnabled": False,
        "secondsDelay": int(listed.delay_s),
        "takerDelayMs": round(1_000 * max(listed.delay_s, listed.taker_delay_s)),
        "feesEnabled": bool(listing.fee.rate),
        "feeType": FEE_TYPES.get(listing.category.lower(), "other_fees") if listing.fee.rate else "zero_fees",
        "feeSchedule": _fees(listed),
    }


def _activity(venue: Venue, listed: LiveMarket, history: History) -> dict[str, Any]:
    bid, ask = listed.book.top(Outcome.YES)
    traded = history.volume_micro * (history.mid_units / PRICE_SCALE) / MICRO
    total = round(float(traded.sum()), 6)
    last = listed.last_units or (int(history.mid_units[-1]) if len(history.mid_units) else PRICE_SCALE // 2)
    resting = liquidity(listed)
    document: dict[str, Any] = {
        "volume": str(total),
        "volumeNum": total,
        "volumeClob": total,
        "liquidity": str(resting),
        "liquidityNum": resting,
        "liquidityClob": resting,
        "spread": round(((ask or PRICE_SCALE) - (bid or 0)) / PRICE_SCALE, 4),
        "lastTradePrice": formats.number(last),
    }
    for name, seconds in WINDOWS_S.items():
        recent = float(traded[np.searchsorted(history.ts_s, venue.now_s - seconds, side="right") :].sum())
        document[f"volume{name}"] = document[f"volume{name}Clob"] = round(recent, 6)
    for name, seconds in CHANGES_S.items():
        document[name] = _change(history, venue.now_s - seconds)
    return document


def _change(history: History, since_s: int) -> float:
    if not len(history.mid_units):
        return 0.0
    row = max(0, int(np.searchsorted(history.ts_s, since_s, side="right")) - 1)
    return round(int(history.mid_units[-1] - history.mid_units[row]) / PRICE_SCALE, 4)


def _optional(listed: LiveMarket) -> dict[str, Any]:
    """Fields that only some markets have."""
    bid, ask = listed.book.top(Outcome.YES)
    document: dict[str, Any] = {}
    if bid is not None:
        document["bestBid"] = formats.number(bid)
    if ask is not None:
        document["bestAsk"] = formats.number(ask)
    if listed.listing.neg_risk:
        document["negRiskMarketID"] = neg_risk_id(listed.listing.event_id)
        document["negRiskRequestID"] = question_id(listed)
    if listed.version == "v2":
        document["positionIds"] = [listed.listing.token_yes, listed.listing.token_no]
    if listed.resolved_s:
        document["closedTime"] = formats.iso(listed.resolved_s).replace("T", " ").replace("Z", "+00")
    if listed.resolution_status:
        document["umaResolutionStatus"] = listed.resolution_status
    if listed.state is MarketState.RESOLVED:
        document["umaResolutionStatus"] = "resolved"
        document["umaEndDate"] = formats.iso(listed.resolved_s)
    return document


def _statuses(listed: LiveMarket) -> list[str]:
    """Steps of the resolution after the first proposal."""
    if listed.was_disputed:
        over = ["proposed", "resolved"] if listed.state is MarketState.RESOLVED else []
        return ["proposed", "disputed", *over]
    return [listed.resolution_status] if listed.resolution_status else []


def _rewards(listed: LiveMarket) -> list[dict[str, Any]]:
    if not listed.rewards_micro:
        return []
    listing = listed.listing
    return [
        {
            "id": str(listed.number),
            "conditionId": listing.market_id,
            "assetAddress": PUSD,
            "rewardsAmount": 0,
            "rewardsDailyRate": listed.rewards_micro / MICRO,
            "startDate": formats.iso(listing.start_s)[:10],
            "endDate": formats.iso(listing.end_s)[:10],
        }
    ]


def _fees(listed: LiveMarket) -> dict[str, Any] | None:
    fee = listed.listing.fee
    if not fee.rate:
        return None
    exponent = int(fee.exponent) if fee.exponent == int(fee.exponent) else fee.exponent
    return {
        "exponent": exponent,
        "rate": fee.rate,
        "takerOnly": True,
        "rebateRate": rebate_share(listed.listing.category),
    }


def outcome_prices(listed: LiveMarket) -> list[str]:
    """Prices of both outcomes: the payout when resolved, the middle of the book before."""
    if listed.payout_yes_micro is not None:
        yes = listed.payout_yes_micro // 100
    else:
        bid, ask = listed.book.top(Outcome.YES)
        yes = ((bid or 0) + (PRICE_SCALE if ask is None else ask)) // 2
    return [formats.price(yes), formats.price(PRICE_SCALE - yes)]


def liquidity(listed: LiveMarket) -> float:
    """pUSD of all resting orders in the book."""
    bids, asks = listed.book.levels(Outcome.YES)
    micro = sum(p * s for p, s in bids) + sum((PRICE_SCALE - p) * s for p, s in asks)
    return round(micro / PRICE_SCALE / MICRO, 4)


def volume(venue: Venue, listed: LiveMarket, within_s: int | None = None) -> float:
    """pUSD traded in a market, in its whole life or within the last market seconds."""
    history = venue.source.history(listed.listing.market_id)
    first = 0 if within_s is None else int(np.searchsorted(history.ts_s, venue.now_s - within_s, side="right"))
    return float((history.volume_micro[first:] * (history.mid_units[first:] / PRICE_SCALE)).sum()) / MICRO


def event(venue: Venue, slug: str) -> dict[str, Any]:
    """An event without its markets."""
    markets = venue.markets_of_event[slug]
    first = markets[0].listing
    begin = formats.iso(min(m.listing.start_s for m in markets))
    totals = _totals(venue, markets)
    document: dict[str, Any] = {
        "id": str(FIRST_EVENT + venue.event_positions[slug]),
        "ticker": slug,
        "slug": slug,
        "title": first.event_title,
        "description": f"Simulated event. {first.event_title}",
        "resolutionSource": "",
        "startDate": begin,
        "creationDate": begin,
        "endDate": formats.iso(max(m.listing.end_s for m in markets)),
        "image": "",
        "icon": "",
        "active": True,
        "closed": all(m.state is not MarketState.OPEN for m in markets),
        "archived": False,
        "new": False,
        "featured": False,
        "restricted": True,
        **totals,
        "createdAt": begin,
        "updatedAt": formats.iso(venue.now_s),
        "competitive": 1.0,
        "enableOrderBook": True,
        "negRisk": first.neg_risk,
        "enableNegRisk": first.neg_risk,
        "negRiskAugmented": False,
        "commentCount": 0,
        "cyom": False,
        "showAllOutcomes": True,
        "showMarketImages": True,
        "automaticallyActive": True,
        "startTime": begin,
        "cumulativeMarkets": False,
        "estimateValue": False,
        "eventMetadata": {},
        "gmpChartMode": "default",
        "deployingTimestamp": begin,
        "pendingDeployment": False,
        "deploying": False,
        "requiresTranslation": False,
    }
    if first.series:
        document["seriesSlug"] = first.series
        document["series"] = [{"slug": first.series, "title": first.series, "active": True, "closed": False}]
    if first.neg_risk:
        document["negRiskMarketID"] = neg_risk_id(slug)
    return document


def _totals(venue: Venue, markets: list[LiveMarket]) -> dict[str, Any]:
    resting = round(sum(liquidity(m) for m in markets), 4)
    volume = dict.fromkeys(("volume", *(f"volume{name}" for name in WINDOWS_S)), 0.0)
    for listed in markets:
        history = venue.source.history(listed.listing.market_id)
        traded = history.volume_micro * (history.mid_units / PRICE_SCALE) / MICRO
        volume["volume"] += float(traded.sum())
        for name, seconds in WINDOWS_S.items():
            first = np.searchsorted(history.ts_s, venue.now_s - seconds, side="right")
            volume[f"volume{name}"] += float(traded[first:].sum())
    return {
        "liquidity": resting,
        "liquidityClob": resting,
        **{name: round(value, 6) for name, value in volume.items()},
        "openInterest": sum(m.collateral_micro for m in markets) / MICRO,
    }


def tag(category: str) -> dict[str, Any]:
    """A category as a tag."""
    slug = category.lower().replace(" ", "-")
    return {"id": str(sum(category.encode())), "label": category, "slug": slug, "forceShow": False}
