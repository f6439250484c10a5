"""The same bars as if some inputs had not been observed: the rows of an ablation."""

from dataclasses import replace
from typing import Final

from pipelines.features.market_context import CONTEXT
from pipelines.features.reference_gap import REFERENCE
from pipelines.forecast.training_windows import Rows

GROUPS: Final = {
    "sizes": ("lean", "lean_spread", "micro_gap"),
    "neighbours": ("below_move", "above_move", "below_gap", "above_gap", "below_gap_15", "above_gap_15"),
    "residual": ("residual", "residual_5", "residual_60"),
    "reference": REFERENCE,
}
"""Columns of the market context by what they are made of: displayed sizes (the spread stays), the next brackets by
strike, the distribution that is fitted to all brackets, the fair value that a reference price implies."""
GROUPS_OF_BRACKETS: Final = ("neighbours", "residual")


def without(rows: Rows, *groups: str) -> Rows:
    """The bars with some groups of inputs neutral."""
    if rows.context is None:
        return rows
    context = rows.context.copy()
    context[:, [CONTEXT.index(name) for group in groups for name in GROUPS[group]]] = 0.0
    return replace(rows, context=context)
