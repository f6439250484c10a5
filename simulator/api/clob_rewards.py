"""CLOB routes about rewards and rebates: rates of markets, earnings of an account, and whether an order scores.

Dates are days of market time. Without `--rewards` no market pays rewards, and the lists are empty.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.core.money import MICRO
from simulator.api import clob_documents as documents
from simulator.api import formats
from simulator.api.data_base import FIRST_EVENT
from simulator.api.gamma_documents import volume
from simulator.api.private import Private
from simulator.api.responses import answer, body_json, guarded, page
from simulator.engine.accounts import Account
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.refusals import Refused
from simulator.venue.incentives import DAY_S
from simulator.venue.intake import INVALID_PAYLOAD

PAGE, MULTI_PAGE = 500, 100


class ClobRewards(Private):
    """Routes about rewards and rebates."""

    def routes(self) -> list[BaseRoute]:
        """The routes of this part, with their handlers."""
        table: list[tuple[str, str, Any]] = [
            ("GET", "/rewards/markets/current", self.current), ("GET", "/rewards/markets/multi", self.multi),
            ("GET", "/rewards/markets/{condition_id}", self.of_market), ("GET", "/rebates/current", self.rebates),
            ("GET", "/rewards/user", self.earnings), ("GET", "/rewards/user/total", self.total),
            ("GET", "/rewards/user/percentages", self.percentages), ("GET", "/rewards/user/markets", self.user_markets),
            ("GET", "/order-scoring", self.scoring), ("POST", "/orders-scoring", self.scorings),
        ]  # fmt: skip
        return [Route(path, guarded(handler), methods=[method]) for method, path, handler in table]

    # -- what markets pay

    def _paying(self) -> list[LiveMarket]:
        markets = self.venue.exchange.markets.values()
        return [m for m in markets if m.rewards_micro and m.state is MarketState.OPEN]

    def _described(self, market: LiveMarket) -> dict[str, Any]:
        tokens = documents.full(market)["tokens"]
        shares = (row.get(market.listing.market_id, 0.0) for row in self.venue.incentives.shares.values())
        return _limits(market) | {
            "question": market.listing.question,
            "market_slug": market.listing.slug,
            "event_slug": market.listing.event_id,
            "image": "",
            "market_competitiveness": round(1.0 - sum(shares), 6),
            "tokens": [{key: row[key] for key in ("token_id", "outcome", "price")} for row in tokens],
        }

    async def current(self, request: Request) -> Response:
        """Markets that pay rewards, with their rates."""
        part = page(self._paying(), request.query_params.get("next_cursor"), PAGE)
        nobody = {"sponsored_daily_rate": 0, "sponsors_count": 0}
        part["data"] = [
            _limits(m) | nobody | dict.fromkeys(("native_daily_rate", "total_daily_rate"), m.rewards_micro / MICRO)
            for m in part["data"]
        ]
        return answer(part)

    async def of_market(self, request: Request) -> Response:
        """Rewards of one market; an empty list if it pays nothing."""
        name = str(request.path_params["condition_id"]).lower()
        found = [m for m in self._paying() if m.listing.market_id == name]
        return answer(page([self._described(m) for m in found], request.query_params.get("next_cursor"), PAGE))

    async def multi(self, request: Request) -> Response:
        """Markets that pay rewards, with spread, volume and dates; `q` filters by words of the question."""
        query = request.query_params
        words = query.get("q", "").lower().split()
        found = [m for m in self._paying() if all(word in m.listing.question.lower() for word in words)]
        part = page(found, query.get("next_cursor"), MULTI_PAGE)
        part["data"] = [self._described(m) | self._discovery(m) for m in part["data"]]
        return answer(part)

    def _discovery(self, market: LiveMarket) -> dict[str, Any]:
        listing = market.listing
        bid, ask = market.book.bids.best(), market.book.asks.best()
        return {
            "market_id": str(market.number),
            "event_id": str(FIRST_EVENT + self.venue.event_positions[listing.event_id]),
            "group_item_title": listing.question,
            "spread": formats.number((ask or 10_000) - (bid or 0)),
            "volume_24hr": volume(self.venue, market, DAY_S),
            "created_at": formats.iso(listing.start_s),
            "end_date": formats.iso(listing.end_s),
            "one_day_price_change": 0,
        }

    # -- what an account earned

    async def _account(self, request: Request) -> tuple[Account, str]:
        caller = await self._caller(request)
        return self.venue.open_account(caller.address), request.query_params.get("date", "")

    def _earned(self, account: Account, day: str) -> dict[str, float]:
        return self.venue.incentives.rewards.get(day, {}).get(account.address, {})

    async def earnings(self, request: Request) -> Response:
        """Earnings of the account on a day, by market."""
        account, day = await self._account(request)
        rows = [
            {**_earning(day, account, micro), "condition_id": market_id}
            for market_id, micro in self._earned(account, day).items()
        ]
        return answer(page(rows, request.query_params.get("next_cursor"), PAGE))

    async def total(self, request: Request) -> Response:
        """Earnings of the account on a day; an empty list if there are no earnings."""
        account, day = await self._account(request)
        micro = sum(self._earned(account, day).values())
        row = _earning(day, account, micro)
        parts = {"native_earnings": row["earnings"], "sponsored_earnings": 0}
        return answer([row | parts] if micro else [])

    async def percentages(self, request: Request) -> Response:
        """The account's part of each market's rewards in the last step, in percent."""
        account, _ = await self._account(request)
        shares = self.venue.incentives.shares.get(account.address, {})
        return answer({market_id: 100 * share for market_id, share in shares.items()})

    async def user_markets(self, request: Request) -> Response:
        """Markets that pay rewards, with the earnings of the account."""
        account, day = await self._account(request)
        earned = self._earned(account, day)
        shares = self.venue.incentives.shares.get(account.address, {})
        part = page(self._paying(), request.query_params.get("next_cursor"), MULTI_PAGE)
        part["data"] = [
            self._described(m)
            | {
                "maker_address": account.address,
                "earning_percentage": 100 * shares.get(m.listing.market_id, 0.0),
                "earnings": [
                    {
                        "asset_address": documents.PUSD,
                        "asset_rate": 1,
                        "earnings": earned.get(m.listing.market_id, 0.0) / MICRO,
                    }
                ],
            }
            for m in part["data"]
        ]
        return answer(part)

    async def rebates(self, request: Request) -> Response:
        """Rebates of a maker on a day; a public route."""
        query = request.query_params
        account = self.venue.account_of(query.get("maker_address", ""))
        earned = self.venue.incentives.rebated.get(query.get("date", ""), {}) if account else {}
        rows = [
            {
                "date": query["date"],
                "condition_id": market_id,
                "asset_address": documents.PUSD,
                "maker_address": query["maker_address"],
                "rebated_fees_usdc": formats.amount(int(micro)),
            }
            for market_id, micro in (earned.get(account.address, {}) if account else {}).items()
        ]
        return answer(rows)

    # -- which orders score

    def _scores(self, name: str, address: str) -> bool:
        order = self.venue.exchange.orders.get(name)
        return order is not None and order.account.address == address and self.venue.incentives.scores(order)

    async def scoring(self, request: Request) -> Response:
        """Whether an order earns rewards: it must be large, near the middle, in a market that pays rewards."""
        caller = await self._caller(request)
        return answer({"scoring": self._scores(request.query_params.get("order_id", ""), caller.address)})

    async def scorings(self, request: Request) -> Response:
        """Whether orders earn rewards."""
        caller = await self._caller(request)
        names = await body_json(request, INVALID_PAYLOAD)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise Refused(INVALID_PAYLOAD)
        return answer({name: self._scores(name, caller.address) for name in names})


def _limits(market: LiveMarket) -> dict[str, Any]:
    listing, rate = market.listing, market.rewards_micro / MICRO
    config = {
        "id": market.number,
        "asset_address": documents.PUSD,
        "start_date": formats.iso(listing.start_s),
        "end_date": formats.iso(listing.end_s),
        "rate_per_day": rate,
        "total_rewards": round(rate * (listing.end_s - listing.start_s) / DAY_S, 6),
    }
    return {
        "condition_id": listing.market_id,
        "rewards_max_spread": documents.REWARDS_MAX_SPREAD,
        "rewards_min_size": documents.REWARDS_MIN_SIZE,
        "rewards_config": [config],
    }


def _earning(day: str, account: Account, micro: float) -> dict[str, Any]:
    return {
        "date": f"{day}T00:00:00Z",
        "asset_address": documents.PUSD,
        "asset_rate": 1,
        "maker_address": account.address,
        "earnings": round(micro / MICRO, 6),
    }
