"""Every public call of polymarket-client against the local venue, run in an environment of its own.

Every answer goes through the library's strict models; a list is read to its first page. Prints one JSON object: the
calls that were answered, and what each other one said.

    python unified_calls.py '{"clob": "http://...", "gamma": "http://...", "data": "http://..."}' CONDITION_ID
"""

import inspect
import json
import sys

from polymarket.clients.secure import SecureClient
from polymarket.models.clob.requests import PriceRequest
from unified_session import ADDRESS, BUILDER, KEY, environment

DAY = "2026-01-01"
LAST = ("delete_api_key", "end_authentication", "close")
LOCAL = {"create", "close"}


def given(client, condition):
    """Arguments of each call, by the call's name or else by the parameter's."""
    market = next(m for m in client.list_markets(closed=False).first_page().items if m.condition_id == condition)
    yes, event, tag = market.outcomes.yes.token_id, market.events[0], client.get_market_tags(market.id)[0]
    limit = {"asset_id": yes, "price": "0.40", "size": 10, "side": "BUY"}
    resting = client.place_limit_order(**limit)
    by_call = {
        "get_event": {"id": event.id},
        "get_market": {"id": market.id},
        "get_event_tags": {"id": event.id},
        "get_market_tags": {"id": market.id},
        "get_tag": {"id": tag.id},
        "get_related_tags": {"id": tag.id},
        "get_related_tag_resources": {"id": tag.id},
        "get_event_live_volume": {"event_ids": [int(event.id)]},
        "get_prices": {"requests": [PriceRequest(yes, "SELL")]},
        "get_price": {"asset_id": yes, "side": "BUY"},
        "get_resolutions": {"condition_ids": [condition]},
        "get_token_references": {"asset_ids": [yes]},
        "estimate_market_price": {"asset_id": yes, "side": "BUY", "amount": 10},
        "create_limit_order": limit,
        "place_limit_order": limit,
        "create_market_order": {"asset_id": yes, "side": "BUY", "amount": 5, "max_price": "0.60"},
        "place_market_order": {"asset_id": yes, "side": "BUY", "amount": 5, "max_price": "0.60"},
        "post_order": {"signed_order": client.create_limit_order(**limit)},
        "post_orders": {"signed_orders": [client.create_limit_order(**limit)]},
        "cancel_orders": {"order_ids": [client.place_limit_order(**limit).order_id]},
        "cancel_market_orders": {"market": condition},
        "list_price_history": {"asset_id": yes, "interval": "1d"},
        "get_balance_allowance": {"asset_type": "COLLATERAL"},
        "list_comments": {"parent_entity_id": event.id, "parent_entity_type": "Event"},
        "get_public_profile": {"address": ADDRESS},
        "list_comments_by_user_address": {"address": ADDRESS},
        "search": {"q": "a"},
        "drop_notifications": {"ids": ["1"]},
        "wait_for_order_fill_settlement": {"order": client.place_limit_order(**{**limit, "price": "0.51"})},
        "get_series": {"id": "1"},
        "get_comment_thread": {"id": "1"},
    }
    by_name = {
        "asset_id": yes,
        "asset_ids": [yes],
        "condition_ids": [condition],
        "condition_id": condition,
        "date": DAY,
        "maker_address": ADDRESS,
        "builder_code": BUILDER,
        "order_id": resting.order_id,
        "order_ids": [resting.order_id],
        "side": "BUY",
    }
    return by_call, by_name


def arguments(call, name, by_call, by_name):
    """What is needed, and the asset where a call can be given one by several names."""
    if name in by_call:
        return by_call[name]
    known = inspect.signature(call).parameters
    wanted = {one.name for one in known.values() if one.default is one.empty}
    return {one: by_name[one] for one in by_name if one in wanted or (one.startswith("asset_id") and one in known)}


def main():
    """Call each."""
    urls, condition = json.loads(sys.argv[1]), sys.argv[2]
    client = SecureClient.create(private_key=KEY, wallet=ADDRESS, environment=environment(urls))
    by_call, by_name = given(client, condition)
    names = {name for name, part in inspect.getmembers(SecureClient) if not name.startswith("_") and callable(part)}
    done, failed = [], {}
    for name in sorted(names - LOCAL, key=lambda one: (one in LAST, one.startswith(("cancel", "revoke")), one)):
        call = getattr(client, name)
        try:
            answer = call(**arguments(call, name, by_call, by_name))
            if hasattr(answer, "first_page"):
                answer.first_page()
            done.append(name)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"[:200]
    print(json.dumps({"done": done, "failed": failed}))


if __name__ == "__main__":
    main()
