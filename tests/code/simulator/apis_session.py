"""A session of polymarket-apis: every public call of its three REST clients. Prints one JSON object: calls that failed.

python apis_session.py '{"clob": "http://...", "gamma": "http://...", "data": "http://..."}' CONDITION_ID
"""

import inspect
import json
import sys
from datetime import UTC, datetime, timedelta

from eth_account import Account
from polymarket_apis import PolymarketClobClient, PolymarketDataClient, PolymarketGammaClient
from polymarket_apis.types import clob_types

KEY = "0x" + "31" * 32
ADDRESS = Account.from_key(KEY).address
ELSEWHERE = {
    "get_crypto_outcomes",
    "detect_wallet_signature_type",
    "get_all_positions_gql",
    "get_user_metric",
    "get_pnl",
    "get_leaderboard_top_users",
    "get_leaderboard_user_rank",
    "get_reward_markets",
    "get_total_rewards",
}
"""Calls that ask other hosts than the three (a chain, a subgraph, websites)."""


def local(url):
    """The library's client with its one host elsewhere: it has no option for it."""

    class Local(PolymarketClobClient):
        @property
        def base_url(self):
            return url

        @base_url.setter
        def base_url(self, value):
            pass

    return Local


def main():
    """Call everything once."""
    urls, condition = json.loads(sys.argv[1]), sys.argv[2]
    clob = local(urls["clob"])(KEY, ADDRESS, signature_type=0)
    data, gamma = PolymarketDataClient(base_url=urls["data"]), PolymarketGammaClient(base_url=urls["gamma"])
    market = next(one for one in gamma.get_markets(limit=50, closed=False) if one.condition_id == condition)
    yes, no = market.token_ids[:2]
    order = clob_types.OrderArgs(token_id=yes, price=0.40, size=10, side="BUY")
    taking = clob_types.MarketOrderArgs(token_id=yes, amount=10, side="BUY")
    clob.create_and_post_market_order(taking)
    rest = clob.create_and_post_order(order)
    readonly = clob.create_readonly_api_key()
    event = market.events[0]
    values = {
        "order_ids": [rest.order_id],
        "order_id": rest.order_id,
        "token_id": yes,
        "token_ids": [yes, no],
        "side": "BUY",
        "amount": 5.0,
        "order_type": clob_types.OrderType.FOK,
        "condition_id": condition,
        "order_args": order,
        "args": [order],
        "key": readonly.key if hasattr(readonly, "key") else str(readonly),
        "params": [clob_types.BookParams(token_id=yes, side="BUY")],
        "creds": clob.creds,
        "order": clob.create_order(order),
        "user": ADDRESS,
        "event_id": event.id,
        "address": ADDRESS,
        "parent_entity_type": "Event",
        "parent_entity_id": int(event.id),
        "user_address": ADDRESS,
        "slug": market.slug,
        "market_id": market.id,
        "tag_id": 1,
        "query": "a",
        "comment_id": "1",
        "series_id": "1",
    }
    last = {"delete_api_keys", "cancel_all", "cancel_order", "cancel_orders", "delete_readonly_api_key"}
    failed, done = {}, []
    for client in (gamma, data, clob):
        names = [n for n, _ in inspect.getmembers(type(client), inspect.isfunction) if not n.startswith(("_", "grok"))]
        for name in sorted(set(names) - ELSEWHERE, key=lambda n: (n in last, n == "delete_api_keys", n)):
            call = getattr(client, name)
            wanted = [p.name for p in inspect.signature(call).parameters.values() if p.default is p.empty]
            given = {one: values[one] for one in wanted if one in values}
            if name in ("create_and_post_market_order", "create_market_order"):
                given["order_args"] = taking
            if name == "post_orders":
                given["args"] = [
                    clob_types.PostOrdersArgs(order=clob.create_order(order), order_type=clob_types.OrderType.GTC)
                ]
            if "event_by_slug" in name:
                given["slug"] = event.slug
            if ("related" in name and "slug" in name) or name == "get_tag":
                tags = gamma.get_tags()
                given = {"slug": tags[0].slug} if "slug" in given else {"tag_id": str(tags[0].id)}
            if name == "get_related_tag_ids_by_tag_id" or name == "get_related_tags_by_tag_id":
                given = {"tag_id": int(gamma.get_tags()[0].id)}
            if name == "get_history":
                given |= {"start_time": datetime.now(UTC) - timedelta(days=1)}
            if name == "get_series_by_id":
                given = {"series_id": str((gamma.get_series() or [type("S", (), {"id": 1})])[0].id)}
            try:
                call(**given)
                done.append(name)
            except Exception as error:
                failed[f"{type(client).__name__}.{name}"] = f"{type(error).__name__}: {error}"[:300]
    print()
    print(json.dumps({"done": len(done), "failed": failed}))


main()
