"""Faults of single messages: no messages about a token, unreadable messages, timestamps in another unit."""

import json

import httpx2
import pytest
from simulator_bench import listing
from test_simulator_faults import start
from test_simulator_streams import messages, socket, subscribe

from pipelines.core.domain import Side
from simulator.faults.catalog import FRAMES

FIRST, SECOND = listing(1), listing(2)
TOKENS = (FIRST.token_yes, FIRST.token_no, SECOND.token_yes, SECOND.token_no)


@pytest.fixture
def connection(site):
    """A subscriber of two markets that has read its snapshots."""
    with socket(site, "market") as opened:
        subscribe(opened, *TOKENS, initial_dump=False, custom_feature_enabled=True)
        messages(opened, 0.1)
        yield opened


def move(site):
    """A step in which every book changes and trades are printed."""
    site.source.half_spread = 200 if site.source.half_spread == 100 else 100
    site.step((Side.BUY, 5300, 3), (Side.SELL, 4700, 3))


def spoken(rows):
    """Tokens that a list of messages is about."""
    named = {row["asset_id"] for row in rows if "asset_id" in row}
    return named | {change["asset_id"] for row in rows for change in row.get("price_changes", [])}


def test_one_market_is_silent(site, connection):
    """No message about the named market is sent, messages about the other one are, and the fault ends."""
    start(site, "token_silent", market=FIRST.market_id)
    move(site)
    assert spoken(messages(connection)) == {SECOND.token_yes, SECOND.token_no}
    httpx2.delete(site.urls["clob"] + "/admin/faults")
    move(site)
    assert spoken(messages(connection)) == set(TOKENS)


def test_one_token_is_silent(site, connection):
    """No message about a single token is sent; messages about its market's other token are."""
    start(site, "token_silent", token=FIRST.token_no)
    move(site)
    assert spoken(messages(connection)) == set(TOKENS) - {FIRST.token_no}


@pytest.mark.parametrize("variant", FRAMES)
def test_unreadable_frames(site, connection, variant):
    """Each kind of unreadable message arrives as a frame that fits no present schema."""
    start(site, "odd_frames", variant=variant)
    move(site)
    text = connection.recv(timeout=2)
    if variant in ("not_json", "truncated"):
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        return
    rows = json.loads(text)
    rows = rows if isinstance(rows, list) else [rows]
    assert rows
    if variant == "list_for_object":
        assert all(isinstance(row, list) for row in rows)
    elif variant == "old_changes":
        assert all("changes" in row and "price_changes" not in row for row in rows)
    elif variant == "unknown_event":
        assert {row["event_type"] for row in rows} == {"book_delta_v3"}
    else:
        touched = [change for row in rows for change in row.get("price_changes", [row])]
        assert all(row["best_bid"] is None for row in touched)


@pytest.mark.parametrize(("unit", "digits"), [("s", 10), ("us", 16), ("ns", 19)])
def test_stamps_in_other_units(site, connection, unit, digits):
    """Timestamps have the digits of the other unit while the fault is on, and of milliseconds again afterwards."""
    start(site, "odd_stamps", unit=unit, count=1)
    move(site)
    lengths = [len(row["timestamp"]) for row in messages(connection)]
    assert lengths[0] == digits
    assert set(lengths[1:]) == {13}


def test_some_of_the_messages(site, connection):
    """With a probability some messages are changed and the others are not."""
    start(site, "odd_stamps", unit="us", probability=0.5)
    for _ in range(6):
        move(site)
    lengths = [len(row["timestamp"]) for row in messages(connection)]
    assert set(lengths) == {13, 16}
