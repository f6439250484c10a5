"""A session of polymarket-client, the venue's current library, run in an environment of its own.

Every answer goes through the library's strict models: one that does not fit ends the session. Prints one JSON object.

    python unified_session.py '{"clob": "http://...", "gamma": "http://...", "data": "http://..."}' CONDITION_ID
"""

import asyncio
import dataclasses
import io
import json
import sys
import time
import zipfile

from eth_account import Account
from polymarket.clients.async_secure import AsyncSecureClient
from polymarket.clients.public import PublicClient
from polymarket.clients.secure import SecureClient
from polymarket.environments import PRODUCTION, _create_environment
from polymarket.errors import OrderHeartbeatMismatchError, RequestRejectedError
from polymarket.models.clob.requests import PriceRequest
from polymarket.streams import MarketSpec, UserSpec

KEY = "0x" + "17" * 32
ADDRESS = Account.from_key(KEY).address
BUILDER = "0x" + "ab" * 32


def environment(urls):
    """The library's own production environment with other hosts."""
    sockets = urls["clob"].replace("http", "ws")
    hosts = {"clob_url": urls["clob"], "gamma_url": urls["gamma"], "data_url": urls["data"]}
    streams = {"clob_market_ws_url": sockets + "/ws/market", "clob_user_ws_url": sockets + "/ws/user"}
    return _create_environment(name="local", config=dataclasses.replace(PRODUCTION._config, **hosts, **streams))


def first(paginator):
    """Items of the first page."""
    return paginator.first_page().items


def public(client, condition):
    """Metadata, books, prices and history."""
    market = next(m for m in first(client.list_markets(closed=False)) if m.condition_id == condition)
    yes, no, event = market.outcomes.yes.token_id, market.outcomes.no.token_id, market.events[0]
    assert client.get_market(id=market.id) == client.get_market(slug=market.slug)
    assert client.get_event(id=event.id).slug == client.get_event(slug=event.slug).slug
    assert client.get_market_tags(market.id) == client.get_event_tags(event.id)
    assert client.get_tag(id=client.get_market_tags(market.id)[0].id).label
    book = client.get_order_book(asset_id=yes)
    assert {b.asset_id for b in client.get_order_books(asset_ids=[yes, no])} == {yes, no}
    assert client.get_price(asset_id=yes, side="BUY") == book.asks[-1].price
    assert client.get_prices(requests=[PriceRequest(yes, "SELL")])
    assert client.get_midpoints(asset_ids=[yes])[yes] == client.get_midpoint(asset_id=yes)
    assert client.get_spreads(asset_ids=[yes])[yes] == client.get_spread(asset_id=yes)
    client.get_last_trade_price(asset_id=yes)
    client.get_last_trade_prices(asset_ids=[yes, no])
    client.estimate_market_price(asset_id=yes, side="BUY", amount=10)
    for listing in (client.list_events(), client.list_series(), client.list_tags(), client.list_teams()):
        first(listing)
    first(client.list_comments(parent_entity_id=event.id, parent_entity_type="Event"))
    client.get_sports(), client.get_sports_market_types(), client.search(q=event.title).first_page()
    assert [r.condition_id for r in first(client.list_current_rewards())]
    assert first(client.list_market_rewards(condition_id=condition))[0].tokens
    assert first(client.list_reward_markets())
    history = first(client.list_price_history(asset_id=yes, interval="1d", bucket_seconds=60))
    first(client.list_price_history(asset_id=yes, as_of=int(history[-1].timestamp.timestamp())))
    assert first(client.list_trades(condition_id=condition))
    client.get_open_interests(), client.get_open_interests(condition_ids=[condition])
    client.get_event_live_volume(event_ids=[int(event.id)])
    assert client.get_token_references(asset_ids=[yes])[0].asset_id == yes
    assert client.get_resolutions(condition_ids=[condition])[0].condition_id == condition
    return {"yes": yes, "bars": len(history), "ask": str(book.asks[-1].price)}


def trade(client, condition, yes, updates):
    """Orders of every type, fills, settlement, cancels, and what the account then shows."""
    assert client.fetch_api_keys() == (client.credentials.key,)
    assert client.get_closed_only_mode() is False
    assert client.get_balance_allowance(asset_type="COLLATERAL").balance == 10_000_000_000
    resting = client.place_limit_order(asset_id=yes, price="0.49", size=60, side="BUY", post_only=True)
    timed = client.place_limit_order(asset_id=yes, price="0.30", size=10, side="BUY", expiration=int(time.time()) + 600)
    assert client.get_order(order_id=resting.order_id).price == first(client.list_open_orders())[0].price
    assert client.get_order_scoring(order_id=resting.order_id) is True
    assert client.get_orders_scoring(order_ids=[timed.order_id]) == {timed.order_id: False}
    assert client.cancel_order(order_id=timed.order_id).canceled == (timed.order_id,)
    assert client.cancel_market_orders(market=condition).canceled == (resting.order_id,)
    bought = client.place_market_order(asset_id=yes, side="BUY", amount=20, builder_code=BUILDER)
    settled = client.wait_for_order_fill_settlement(bought)
    sold = client.place_market_order(asset_id=yes, side="SELL", shares=5)
    client.wait_for_order_fill_settlement(sold)
    good, bad = client.post_orders(
        [client.create_limit_order(asset_id=yes, price="0.30", size=n, side="BUY") for n in (10, 10_000_000)]
    )
    refused = reason(lambda: client.place_limit_order(asset_id=yes, price="0.60", size=10, side="BUY", post_only=True))
    assert client.cancel_all().canceled == (good.order_id,)
    beat = client.send_order_heartbeat()
    assert reason(lambda: client.send_order_heartbeat(heartbeat_id="stale"), OrderHeartbeatMismatchError)
    client.send_order_heartbeat(heartbeat_id=beat.heartbeat_id)
    return {
        "status": bought.status,
        "settled": str(settled)[:300],
        "trades": len(first(client.list_account_trades())),
        "batch": [good.ok, bad.ok],
        "refused": refused,
        "updates": [[u.remaining, u.tier] for u in updates[:2]],
    }


def reason(action, kind=RequestRejectedError):
    """Text of the refusal that an action must meet."""
    try:
        action()
    except kind as error:
        return str(error)
    raise AssertionError("nothing was refused")


def account(client, public_client, condition):
    """Notifications, builder keys, rewards, positions, activity, standings, books."""
    topics = [int(n.type) for n in client.get_notifications()]
    client.drop_notifications(ids=[n.id for n in client.get_notifications()])
    assert client.get_notifications() == ()
    made = client.create_builder_api_key()
    assert [k.key for k in client.fetch_builder_api_keys()] == [made.key]
    builder = SecureClient.create(private_key=KEY, wallet=ADDRESS, environment=client.environment, api_key=made)
    builder.revoke_builder_api_key()
    assert client.fetch_builder_api_keys()[0].revoked_at is not None
    client.get_builder_fee_rates(BUILDER)
    client.get_reward_percentages()
    for call in (client.list_user_earnings_for_day, client.list_user_earnings_and_markets_config):
        first(call(date="2026-01-01"))
    client.get_total_earnings_for_user_for_day(date="2026-01-01")
    position = first(public_client.list_positions(user=ADDRESS))[0]
    assert first(public_client.list_builder_trades(builder_code=BUILDER))[0].builder == BUILDER
    assert first(public_client.list_builder_leaderboard())[0].builder_code == BUILDER
    assert public_client.get_builder_volumes()[0].builder_code == BUILDER
    assert first(public_client.list_market_holders(condition_ids=[condition]))
    assert first(public_client.list_trader_leaderboard())[0].rank == 1
    assert public_client.get_trader_leaderboard_standing(user=ADDRESS).pnl_rank == 1
    for call in (public_client.list_biggest_winners, public_client.list_combo_positions):
        first(call(**({"user": ADDRESS} if "combo" in call.__name__ else {})))
    activity = [str(row.type) for row in first(public_client.list_activity(user=ADDRESS))]
    public_client.get_portfolio_value(user=ADDRESS), public_client.get_user_stats(user=ADDRESS)
    public_client.get_user_pnl(user=ADDRESS), public_client.get_user_volume(user=ADDRESS)
    public_client.get_current_rebates(date="2026-01-01", maker_address=ADDRESS)
    assert public_client.get_public_profile(ADDRESS).wallet.lower() == ADDRESS.lower()
    files = zipfile.ZipFile(io.BytesIO(public_client.download_accounting_snapshot(user=ADDRESS))).namelist()
    return {"topics": topics, "size": str(position.current_size), "activity": activity, "files": sorted(files)}


async def streams(where, condition, yes):
    """Both channels: a book on subscription, then the account's own order and trade."""
    client = await AsyncSecureClient.create(private_key=KEY, wallet=ADDRESS, environment=where)
    async with client:
        specs = [MarketSpec(asset_ids=[yes], custom_feature_enabled=True), UserSpec(markets=[condition])]
        async with await client.subscribe(specs) as events:
            await asyncio.sleep(0.5)
            await client.place_market_order(asset_id=yes, side="BUY", amount=5)
            seen = []
            try:
                async with asyncio.timeout(3):
                    async for event in events:
                        seen.append(type(event).__name__)
            except TimeoutError:
                return sorted(set(seen))


def main():
    """Run it."""
    where, condition, updates = environment(json.loads(sys.argv[1])), sys.argv[2], []
    reader = PublicClient(environment=where)
    found = {"public": public(reader, condition)}
    listener = {"on_rate_limit_update": updates.append}
    client = SecureClient.create(private_key=KEY, wallet=ADDRESS, environment=where, **listener)
    found["trade"] = trade(client, condition, found["public"]["yes"], updates)
    found["account"] = account(client, reader, condition)
    found["streams"] = asyncio.run(streams(where, condition, found["public"]["yes"]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
