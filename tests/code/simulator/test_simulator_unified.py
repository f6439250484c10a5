"""The venue's current library, whose strict models refuse any field that does not fit, against the local venue.

polymarket-client needs other versions of libraries than this project, so it runs in an environment of its own, made
once and kept in pytest's cache.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from simulator_bench import listing
from simulator_site import Background

from pipelines.core.money import MICRO
from simulator.engine.audit import audit

LIBRARY = "polymarket-client==0.14.0"
SESSION = Path(__file__).with_name("unified_session.py")
WALLET = Path(__file__).with_name("unified_wallet.py")
CALLS = Path(__file__).with_name("unified_calls.py")

ELSEWHERE = {
    "approve_erc1155_for_all", "approve_erc20", "transfer_erc20", "execute_transaction", "setup_trading_approvals",
    "split_position", "merge_positions", "merge_multiple_positions", "redeem_positions",
    "authorize_session_key", "fetch_session_keys", "revoke_session_key", "revoke_builder_api_key",
    "plan_collateral_return", "execute_collateral_return_plan",
    "list_combo_markets", "request_combo_quote", "accept_combo_quote", "fetch_rfq_status", "wait_for_combo_fill",
    "get_series",
}  # fmt: skip
"""Calls that are not answered: transactions of a key without a relayer go to a node of the chain (those of wallets go
to the relayer, which `unified_wallet.py` tries), session and builder keys belong to other kinds of accounts, combos
have a host of their own, and no series is listed here."""

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


@pytest.fixture(scope="module")
def python(request):
    """The interpreter of an environment with the library."""
    home = Path(request.config.cache.mkdir(LIBRARY.replace("==", "-")))
    interpreter = home / "bin" / "python"
    if not (home / "ready").is_file():
        venv.create(home, clear=True)
        install = [sys.executable, "-m", "pip", "--python", str(interpreter), "install", "-q", LIBRARY]
        done = subprocess.run(install, check=False, capture_output=True, text=True, timeout=240)
        if done.returncode:
            pytest.skip(f"{LIBRARY} could not be installed: {done.stderr.strip().splitlines()[-1][:200]}")
        (home / "ready").touch()
    return interpreter


def test_polymarket_client(python):
    """Market data, orders, fills, cancels, account and both streams pass the models of polymarket-client."""
    with Background(rewards_pusd=100.0) as site:
        command = [str(python), str(SESSION), json.dumps(site.urls), listing(1).market_id]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]
        assert site.do(lambda: audit(site.venue.exchange)) == []
    found = json.loads(done.stdout)
    assert found["public"]["ask"] == "0.51"
    assert found["trade"]["status"] == "matched"
    assert found["trade"]["batch"] == [True, False]
    assert found["trade"]["refused"] == "invalid post-only order: order crosses book"
    first, second = found["trade"]["updates"]
    assert first == [59.0, "standard"]
    assert second in ([58.0, "standard"], [59.0, "standard"])  # what was used comes back with wall time
    assert set(found["account"]["topics"]) == {1, 2}
    assert found["account"]["files"] == ["equity.csv", "positions.csv"]
    assert {"MarketBookEvent", "UserOrderEvent", "UserTradeEvent"} <= set(found["streams"])


def test_redemption_by_polymarket_client(python):
    """An unmodified deposit wallet splits and redeems through the relayer; the cash comes with the redemption alone."""
    condition = listing(1).market_id
    with Background(auto_redeem=False) as site:
        command = [str(python), str(WALLET), json.dumps(site.urls), condition]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
            assert session.stdout.readline() == "split\n"
            site.do(lambda: site.venue.resolve(condition, 0))
            account = next(a for a in site.venue.exchange.accounts.values() if not a.internal)
            assert account.cash_micro == 9_995 * MICRO
            done = json.loads(session.communicate("go\n", timeout=60)[0])
        assert account.cash_micro == 10_000 * MICRO
        assert site.do(lambda: audit(site.venue.exchange)) == []
        assert [row.kind for row in site.venue.activity.rows[account.address]] == ["DEPOSIT", "SPLIT", "REDEEM"]
    assert (done["wallet"] != done["owner"], len(set(done["hashes"]))) == (True, 2)


def test_every_call_of_polymarket_client(python):
    """Each public call of its client is answered in a form that its strict models take, but those of other hosts."""
    with Background(rewards_pusd=100.0) as site:
        command = [str(python), str(CALLS), json.dumps(site.urls), listing(1).market_id]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]
        assert site.do(lambda: audit(site.venue.exchange)) == []
    found = json.loads(done.stdout.splitlines()[-1])
    assert {name: text for name, text in found["failed"].items() if name not in ELSEWHERE} == {}
    assert len(found["done"]) >= 90
