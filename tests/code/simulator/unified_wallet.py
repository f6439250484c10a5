"""A deposit wallet of polymarket-client that splits pUSD and redeems what was resolved, in an environment of its own.

    python unified_wallet.py '{"clob": "http://...", "gamma": "http://...", "data": "http://..."}' CONDITION_ID

Waits for a line on standard input between the two: the market is resolved meanwhile. Prints one JSON object.
"""

import dataclasses
import json
import sys

from eth_account import Account
from polymarket.auth import RelayerApiKey
from polymarket.clients.secure import SecureClient
from polymarket.environments import PRODUCTION, _create_environment

KEY = "0x" + "23" * 32
MICRO = 1_000_000


def environment(urls):
    """The library's own production environment with other hosts."""
    hosts = {"clob_url": urls["clob"], "gamma_url": urls["gamma"], "data_url": urls["data"]}
    relayer = {"relayer_url": urls["clob"] + "/relayer", "relayer_poll_frequency_ms": 50}
    return _create_environment(name="local", config=dataclasses.replace(PRODUCTION._config, **hosts, **relayer))


def main():
    """The session."""
    urls, condition = json.loads(sys.argv[1]), sys.argv[2]
    owner = Account.from_key(KEY).address
    key = RelayerApiKey(key="any", address=owner)
    client = SecureClient.create(private_key=KEY, environment=environment(urls), api_key=key)
    split = client.split_position(condition_id=condition, amount=5 * MICRO).wait()
    print("split", flush=True)
    sys.stdin.readline()
    redeemed = client.redeem_positions(condition_id=condition).wait()
    done = {"wallet": str(client.wallet), "owner": owner, "hashes": [split.transaction_hash, redeemed.transaction_hash]}
    print(json.dumps(done))


main()
