"""The Data API about markets: resolutions, holders, open interest, tokens, live volume."""

from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO
from simulator.api import formats
from simulator.api.clob_documents import question_id
from simulator.api.data_base import FIRST_EVENT, DataPart, listed
from simulator.api.data_tape import WALLETS, accounts
from simulator.api.responses import Handler, answer
from simulator.engine.markets import LiveMarket, MarketState, neg_risk_id
from simulator.engine.refusals import Refused
from simulator.venue.settlement import transaction_hash
from simulator.venue.venue import Venue

HOLDERS = 100
"""Most holders of a token that the venue names."""


class DataMarkets(DataPart):
    """Routes about markets."""

    def table(self) -> list[tuple[str, Handler]]:
        """The routes of this part, with their handlers."""
        return [
            ("/v2/resolutions", self.resolutions),
            ("/v2/holders", self.holders),
            ("/v2/oi", self.open_interest),
            ("/v2/tokens", self.tokens),
            ("/v2/live-volume", self.live_volume),
        ]

    async def resolutions(self, request: Request) -> Response:
        """How a question, conditions or events were resolved; payouts in base units."""
        query = request.query_params
        names = (("question_id",), ("condition", "condition_id"), ("event_id",))
        chosen = [group for group in names if any(query.get(name) for name in group)]
        if len(chosen) != 1:
            raise Refused("exactly one of question_id, condition, event_id is required")
        if chosen[0] == ("question_id",):
            markets = [m for m in self.venue.exchange.markets.values() if question_id(m) == query["question_id"]]
        else:
            markets = self.markets_of_events(request) if chosen[0] == ("event_id",) else self.conditions(request)
        return answer({"data": [_resolution(self.venue, market) for market in markets]})

    async def holders(self, request: Request) -> Response:
        """Holders of each token of some conditions, the largest first: of the exchange and of the tape."""
        rows = [_holders(self.venue, m, outcome) for m in self.conditions(request) for outcome in Outcome]
        pagination = {"limit": HOLDERS, "offset": 0, "has_more": False, "next_cursor": None}
        return answer({"data": rows, "pagination": pagination})

    async def open_interest(self, request: Request) -> Response:
        """Collateral behind each condition, or behind all of them as GLOBAL."""
        markets = self.conditions(request)
        rows = [{"condition_id": m.listing.market_id, "value": m.collateral_micro / MICRO} for m in markets]
        if not listed(request, "condition") and not listed(request, "condition_id"):
            total = sum(m.collateral_micro for m in self.venue.exchange.markets.values())
            rows = [{"condition_id": "GLOBAL", "value": total / MICRO}]
        return answer({"data": rows})

    async def tokens(self, request: Request) -> Response:
        """Reference data of tokens, or of both tokens of some conditions."""
        by_token = self.venue.exchange.by_token
        pairs = [(by_token[t], by_token[t].outcome(t)) for t in listed(request, "token_id") if t in by_token]
        pairs += [(m, outcome) for m in self.conditions(request) for outcome in Outcome]
        return answer({"data": [_token(self.venue, market, outcome) for market, outcome in pairs]})

    async def live_volume(self, request: Request) -> Response:
        """Taker volume of the markets of some events, in shares."""
        rows = [
            {"condition_id": m.listing.market_id, "taker_volume": _volume(self.venue, m)}
            for m in self.markets_of_events(request)
        ]
        return answer({"data": {"taker_volume_total": sum(row["taker_volume"] for row in rows), "conditions": rows}})


def _volume(venue: Venue, market: LiveMarket) -> float:
    noise = int(venue.source.history(market.listing.market_id).volume_micro.sum())
    return (noise + sum(trade.shares_micro for trade in venue.tape.outside(market.listing.market_id))) / MICRO


def _resolution(venue: Venue, market: LiveMarket) -> dict[str, Any]:
    resolved = market.payout_yes_micro is not None
    listing = market.listing
    yes = (market.payout_yes_micro or 0) / MICRO
    return {
        "question_id": question_id(market),
        "condition_id": listing.market_id,
        "event_id": FIRST_EVENT + venue.event_positions[listing.event_id],
        "status": "resolved" if resolved else market.resolution_status or "initialized",
        "extended_review": False,
        "was_disputed": market.was_disputed,
        "new_version_q": False,
        "proposed_price": yes if resolved else None,
        "reproposed_price": None,
        "price": yes if resolved else None,
        "transaction_hash": transaction_hash(listing.market_id) if resolved else None,
        "last_update_timestamp": market.resolved_s if resolved else listing.start_s,
        "payouts": [market.payout_micro(outcome) for outcome in Outcome] if resolved else None,
        "resolution_source": "reported" if resolved else None,
        "reporter": "UMA_OO",
        "market_type": "INCREMENTAL_NEGRISK" if listing.neg_risk else "BINARY",
        "was_arbitrated": False,
        "resolved_at": formats.iso(market.resolved_s) if resolved else None,
    }


def _holders(venue: Venue, market: LiveMarket, outcome: Outcome) -> dict[str, Any]:
    token = market.token(outcome)
    shares = {WALLETS[n]: micro for n, micro in enumerate(_net_micro(venue, market, outcome)) if micro > 0}
    # What the noise trader of the exchange holds was bought by the accounts of the tape.
    noise = venue.market_maker.noise.address
    named = (a for a in venue.exchange.accounts.values() if a.address != noise)
    shares |= {a.address.lower(): a.shares(token) for a in named if a.shares(token)}
    largest = sorted(shares.items(), key=lambda one: -one[1])[:HOLDERS]
    return {"token_id": token, "holders": [_holder(wallet, micro, token, outcome) for wallet, micro in largest]}


def _net_micro(venue: Venue, market: LiveMarket, outcome: Outcome) -> list[int]:
    """Shares of a token that each account of the tape has bought up to now, in base units; negative ones are the other
    token's."""
    trades = venue.source.trades(market.listing.market_id)
    signed = np.where(trades.buys == (outcome is Outcome.YES), trades.shares_micro, -trades.shares_micro)
    net = np.zeros(len(WALLETS), np.int64)
    np.add.at(net, accounts(trades), signed)
    return net.tolist()


def _holder(wallet: str, micro: int, token: str, outcome: Outcome) -> dict[str, Any]:
    return {
        "proxy_wallet": wallet,
        "token_id": token,
        "amount": micro / MICRO,
        "outcome_index": 0 if outcome is Outcome.YES else 1,
        "display_username_public": False,
        "verified": False,
        "name": "",
        "pseudonym": "",
        "bio": "",
        "profile_image": "",
        "profile_image_optimized": "",
    }


def _token(venue: Venue, market: LiveMarket, outcome: Outcome) -> dict[str, Any]:
    listing = market.listing
    resolved = market.payout_yes_micro is not None
    index = 0 if outcome is Outcome.YES else 1
    v2_module = "neg_risk" if listing.neg_risk else "binary"
    return {
        "token_id": market.token(outcome),
        "condition_id": listing.market_id,
        "structural_condition_id": listing.market_id,
        "module": v2_module if market.version == "v2" else "v1_ctf",
        "outcome_index": index,
        "clob_index": index,
        "outcome": market.label(outcome),
        "opposite_token_id": market.token(outcome.other),
        "resolved": resolved,
        "final_price": market.payout_micro(outcome) / MICRO if resolved else None,
        "title": listing.question,
        "market_slug": listing.slug,
        "closed": market.state is not MarketState.OPEN,
        "neg_risk": listing.neg_risk,
        "neg_risk_market_id": neg_risk_id(listing.event_id) if listing.neg_risk else None,
        "question_index": None,
        "event_id": FIRST_EVENT + venue.event_positions[listing.event_id],
        "event_slug": listing.event_id,
    }
