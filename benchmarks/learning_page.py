"""The tables of `benchmarks.learning` as Markdown."""

from typing import Any


def render(found: dict[str, Any], name: str) -> str:
    """The page of one edge and one source of forecasts."""
    minus, learned = found["minus"], found["learned"]
    lines = [
        f"# What learning to trade is worth: {name}",
        "",
        "P&L in pUSD after spread, impact and fees on one account of 10,000 pUSD with every limit, in",
        f"{found['worlds']} unseen worlds; interquartile means over worlds. Differences are paired, world by",
        "world, with their 95 % bootstrap interval. What learns does so on forty worlds of its own (allocators on",
        "fourteen) and is chosen on ten others. `ppo_scratch` learns from rewards alone, `ppo_warm_start` only",
        "imitates the threshold rule, `ppo_warm` learns on from there, `ppo_shuffled` gets the rewards of others and",
        "must learn nothing,",
        "`ppo_guide` is the guide's setting (every bar, its numbers) from rewards alone; the number behind a name",
        "is the seed. All but the guide's decide entries, and the threshold rule's exit leaves what they hold:",
        "compare them with `threshold` and `tuned`, which have that exit too, not with `threshold_plain`. In every",
        "row the market with the largest expected move takes the room first (`execution.turn: move`); `by_id` gives",
        "it to the first by id. `allocator` is a rule for all markets above the threshold rule of each: it orders",
        "claims and refuses some. `full` doubles the positions to a tenth of the account, so that three fill the",
        "exposure limit. `x2` and `x0.5` have that many times the fees and the impact. `chooser` is the",
        "online chooser, `regime_chooser` gives each six hours to the strategy (or to cash) that did best after six",
        "hours that looked the same (moves, costs, spreads, volatility, confidence), as fitted on the choosing",
        "worlds. Made by",
        f"`python -m benchmarks.learning --edge {found['edge']:g} --worlds {found['worlds']}`, worlds from"
        f" {found['first']} on.",
        "",
        "| row | IQM | worlds above 0 | against threshold_plain | against threshold | against Kelly | s of one core |",
        "|---|---|---|---|---|---|---|",
    ]
    for row, value in sorted(found["iqm_pusd"].items(), key=lambda one: -one[1]):
        against = [_shown(minus.get(yard, {}).get(row)) for yard in ("threshold_plain", "threshold", "kelly")]
        seconds = f"{learned[row]['seconds']:.0f}" if row in learned else ""
        above = f"{found['above_zero'][row]} of {found['worlds']}"
        lines.append(f"| {row} | {value:+,.0f} | {above} | {' | '.join(against)} | {seconds} |")
    lines += ["", *_sentences(found)]
    return "\n".join(lines) + "\n"


def _shown(value: list[float] | None) -> str:
    return "" if value is None else f"{value[0]:+,.0f} [{value[1]:,.0f}, {value[2]:,.0f}]"


def _sentences(found: dict[str, Any]) -> list[str]:
    told = []
    if "best" in found:
        told.append(f"Best on the choosing worlds: `{found['best']}`.")
    if "scratch_minus_late_exits" in found:
        told.append(
            "PPO from rewards alone, mean of its seeds:"
            f" {found['scratch_minus_threshold']:+,.0f} pUSD against the plain threshold rule (lower bound"
            f" {found['scratch_minus_threshold_lower']:+,.0f}), {found['scratch_minus_late_exits']:+,.0f} against the"
            f" rule with late exits (lower bound {found['scratch_minus_late_exits_lower']:+,.0f})."
        )
    if "warm_minus_start" in found:
        told.append(
            "The warm-started agent, mean of its seeds, against its own start:"
            f" {found['warm_minus_start']:+,.0f} pUSD, lower bound"
            f" {found['warm_minus_start_lower']:+,.0f}."
        )
    for name, learned in found["learned"].items():
        if "recordings" in learned:
            told.append(f"`{name}` learned on varied worlds and {len(learned['recordings'])} recordings.")
    for name, value in found.get("move_minus_id", {}).items():
        told.append(
            f"Room to the largest expected move instead of the first market by id, `{name}`: {_shown(value)} pUSD."
        )
    for name, value in found.get("allocation", {}).items():
        told.append(f"Allocation, `{name}`: {_shown(value)} pUSD.")
    if "static_minus_threshold" in found:
        told.append(
            "The strategy that earned most in the earlier part of the same world (`static`) against `threshold`:"
            f" {_shown(found['static_minus_threshold'])} pUSD; the online chooser against it:"
            f" {_shown(found['chooser_minus_static'])} pUSD."
        )
    for row, what in (("chooser", "An online chooser"), ("regime_chooser", "A chooser that reads the market's state")):
        if f"{row}_regret" in found:
            told.append(
                f"{what} over cash and four strategies (`{row}`): {_shown(found[f'{row}_minus_threshold'])} pUSD"
                " against `threshold` alone; regret against the best of each world in hindsight"
                f" {_shown(found[f'{row}_regret'])} pUSD."
            )
    if "shuffled_pusd" in found:
        low, high = found["shuffled_interval"]
        told.append(f"Shuffled rewards earn {found['shuffled_pusd']:+,.0f} pUSD [{low:,.0f}, {high:,.0f}].")
    return [line for one in told for line in (one, "")][:-1]
