"""Which markets a bot would follow that starts now: the venue's listing under `markets` of params.yaml."""

from typing import Any

from pipelines.core.params import Params
from pipelines.core.settings import Settings
from pipelines.venue.gamma_rows import Odd
from pipelines.venue.http import VenueHttp
from pipelines.venue.listing_facts import UNKNOWN, ListingFacts
from pipelines.venue.wanted import unwanted
from serving.market import selection


async def preview(settings: Settings, params: Params) -> dict[str, Any]:
    """`markets` (followed) and `not_followed` (each with why), as the state of a running bot has them; JSON.

    Raises:
        VenueError: if the venue does not answer.
    """
    odd: list[Odd] = []
    facts: dict[str, ListingFacts] = {}
    limit = selection.to_read(params.markets, params.serving.max_markets)
    async with VenueHttp(settings.gamma_url) as listing, VenueHttp(settings.clob_url) as exchange:
        listed = await selection.listed(listing, [], odd, limit, facts)
        now_s = await selection.market_time_s(exchange, listed)
    why = {
        one.market_id: unwanted(one, params.markets, now_s, facts.get(one.market_id, UNKNOWN), is_followed=False)
        for one in listed
    }
    wanted = [one for one in listed if why[one.market_id] is None]
    chosen = selection.choose(wanted, [], [], now_s, params.serving.max_markets)
    left = selection.not_followed(listed, chosen, why, now_s).values()
    return {
        "markets": [{"market_id": one.market_id, "question": one.question} for one in chosen],
        "not_followed": [
            {"market_id": one.market_id, "question": one.question, "why": str(because), "reason": because.reason}
            for one, because in left
        ],
    }
