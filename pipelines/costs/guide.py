"""The guide's own figures, recomputed from the guide's own inputs: which add up, and which do not."""

from dataclasses import dataclass

MONTHLY_USD = 640.0
"""Chapter 7, the table's total."""
CAPITAL_USD = 10_000.0
"""Chapter 7, the capital of its scenarios."""
LIST_SPOT_USD = (150, 120, 100, 50, 20, 20, 50, 30)
"""Chapter 5: trading, training on spot, PostgreSQL, InfluxDB, S3, load balancer, transfer, PagerDuty."""
LIST_ON_DEMAND_USD = (150, 400, *LIST_SPOT_USD[2:])
"""The same with the training machine on demand."""


@dataclass(frozen=True, slots=True)
class GuideClaim:
    """One statement of the guide, and what its own inputs give."""

    where: str
    stated: str
    recomputed: str
    adds_up: bool
    remark: str = ""


def audit() -> list[GuideClaim]:
    """The statements of chapters 4, 5 and 7 that can be recomputed, in the order of the guide."""
    return [*_performance(), _list_total(), *_chapter_seven()]


def _performance() -> list[GuideClaim]:
    roi = (438_000 - 313) / 313
    return [
        GuideClaim(
            "ch. 4, temporal arbitrage bot: ROI of 313 USD that become 438,000 USD",
            "139,936 %",
            f"{roi:,.0%}".replace("%", " %"),
            adds_up=False,
            remark="the guide divides the final value, not the profit, by the capital",
        ),
        GuideClaim(
            "ch. 4, key insight: Sharpe of the bot over buy and hold",
            "3-4x",
            f"{2.1 / 0.8:.1f}-{2.5 / 0.8:.1f}x",
            adds_up=False,
            remark="from its rows 2.1-2.5 and 0.8",
        ),
        GuideClaim(
            "ch. 4, key insight: reduction of the maximal drawdown",
            "~40 %",
            f"{1 - 12 / 25:.0%}-{1 - 8 / 18:.0%}".replace("%", " %"),
            adds_up=False,
            remark="from its rows -8..-12 % and -18..-25 %",
        ),
    ]


def _list_total() -> GuideClaim:
    return GuideClaim(
        "ch. 5, total monthly cost of the infrastructure list",
        "~750-1,000 USD",
        f"{sum(LIST_SPOT_USD)} USD with training on spot, {sum(LIST_ON_DEMAND_USD)} USD on demand",
        adds_up=False,
        remark="chapter 7 says 640 USD: the spot list plus language model 50, news 30 and logs 20",
    )


def _chapter_seven() -> list[GuideClaim]:
    costs = 12 * MONTHLY_USD
    return [
        GuideClaim("ch. 7, annual total of 640 USD a month", "7,680 USD", f"{costs:,.0f} USD", adds_up=True),
        *(_tier(name, rate, stated) for name, rate, stated in _TIERS),
        GuideClaim(
            "ch. 7, monthly return at which 10,000 USD break even",
            "~8 %",
            _percent(MONTHLY_USD / CAPITAL_USD, 1),
            adds_up=False,
            remark="640 of 10,000; 640 is 8 % of 8,000 USD",
        ),
        _scaled(
            50_000.0, "~87 %", adds_up=False, remark="4,360 of 5,000 is 87 %: the share of the profit that is left"
        ),
        _scaled(100_000.0, "~112 %", adds_up=True),
    ]


_TIERS = (
    ("conservative", 0.05, "-1,680 USD (22 % loss)"),
    ("moderate", 0.10, "+4,320 USD (43 % gain)"),
    ("aggressive", 0.15, "+10,320 USD (103 % gain)"),
)


def _tier(name: str, monthly_return: float, stated: str) -> GuideClaim:
    net = 12 * (CAPITAL_USD * monthly_return - MONTHLY_USD)
    of_capital = net / CAPITAL_USD
    loses = net < 0
    return GuideClaim(
        f"ch. 7, {name}: {_percent(monthly_return)} a month on 10,000 USD after costs",
        stated,
        f"{net:+,.0f} USD ({_percent(of_capital, 1)} of capital)",
        adds_up=not loses,
        remark="its 22 % are of the costs; the other two rows are of the capital" if loses else "",
    )


def _scaled(capital_usd: float, stated: str, *, adds_up: bool, remark: str = "") -> GuideClaim:
    roi = 12 * (capital_usd * 0.10 - MONTHLY_USD) / capital_usd
    return GuideClaim(
        f"ch. 7, yearly ROI of {capital_usd:,.0f} USD at 10 % a month after costs",
        stated,
        _percent(roi, 1),
        adds_up=adds_up,
        remark=remark,
    )


def _percent(fraction: float, digits: int = 0) -> str:
    return f"{100 * fraction:.{digits}f} %"
