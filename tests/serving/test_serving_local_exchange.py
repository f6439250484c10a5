"""A bot on the local exchange reads its stream of trades by itself, and has the price that a late venue's quotes do not
have yet."""

import asyncio

import numpy as np
from series_site import SEED, served

from pipelines.core.settings import Settings
from pipelines.venue import gamma
from pipelines.venue.http import VenueHttp
from serving.market.references import References
from simulator.series.windows import windows_from

SECONDS = 60


async def test_a_bot_on_the_local_exchange_has_the_newer_price(tmp_path, monkeypatch):
    """At the close of each second the newest trade is a tenth of a second old and the oracle's price two seconds; the
    fair value with the trades is nearer to the true one than the oracle's alone and than quotes two seconds late."""
    monkeypatch.chdir(tmp_path)
    for name in ("ODDSMITH_RTDS_URL", "ODDSMITH_EXCHANGE_URL", "ODDSMITH_MODE"):
        monkeypatch.delenv(name, raising=False)
    async with served("btc-5m", lag_s=2) as local:
        async with VenueHttp(local.gamma) as http:
            listed = await gamma.tradable(http, 50, [])
        begin_s = local.venue.now_s
        market = next(one for one in listed if one.end_s == begin_s + 300)
        found = Settings(clob_ws_url=local.stream, var=tmp_path).for_trading()
        bots = [
            References(found, lambda: [market], 1, wall_is_market=False),
            References(found.model_copy(update={"exchange_url": ""}), lambda: [market], 1, wall_is_market=False),
        ]
        reading = [asyncio.create_task(bot.run()) for bot in bots]
        async with asyncio.timeout(20):
            while not (all(bot._taken for bot in bots) and local.subscribed()):  # noqa: ASYNC110 - counts only
                await asyncio.sleep(0.01)
        ages, fair = [], []
        for _ in range(SECONDS):
            await local.venue.step()
            now_ms = local.venue.now_ms
            async with asyncio.timeout(20):
                while not all(_have(bot, now_ms) for bot in bots):  # noqa: ASYNC110 - counts only
                    await asyncio.sleep(0.002)
            paths = {source: path for (_, source), path in bots[0].board.paths.items()}
            ages.append({name: now_ms - path.last(path.known(now_ms))[0] for name, path in paths.items()})
            fair.append([bot.fair(market, now_ms // 1_000)[0] for bot in bots])
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        (window,) = windows_from(local.source.series[0], begin_s, local.source.underlyings["BTC"], SEED)

    assert (found.rtds_url, found.exchange_url) == (f"{local.stream}/rtds", f"{local.stream}/exchange/ws")
    assert {"binance": 1_000, "chainlink": 2_000, "exchange": 100} in ages
    rows = np.flatnonzero((window.ts_s > begin_s) & (window.ts_s <= begin_s + SECONDS))
    quoted = (window.bid_units + window.ask_units)[rows] / 20_000
    newer, oracle = np.array(fair, dtype=float).T
    known = np.isfinite(newer) & np.isfinite(oracle)
    assert known.mean() > 0.5
    off = [float(np.abs(said - window.fair[rows])[known].mean()) for said in (newer, oracle, quoted)]
    assert off[0] < 0.7 * min(off[1:])


def _have(bot: References, now_ms: int) -> bool:
    """Whether a bot has all that the step sent."""
    sent = {"binance": now_ms, "chainlink": now_ms - 1_000, "exchange": now_ms - 100}
    followed = [name for name in sent if name != "exchange" or bot._settings.exchange_url]
    paths = bot.board.paths
    return all(("BTC", name) in paths and paths["BTC", name].newest_seen_ms >= sent[name] for name in followed)
