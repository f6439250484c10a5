"""The guide's figures beside what its own inputs give."""

import re

import pytest

from pipelines.costs import guide


def check(words: str) -> guide.GuideClaim:
    """The one check whose place contains the words."""
    return next(c for c in guide.audit() if words in c.where)


@pytest.mark.parametrize(
    ("words", "recomputed"),
    [
        ("break even", "6.4 %"),
        ("50,000 USD", "104.6 %"),
        ("100,000 USD", "112.3 %"),
        ("conservative", "-1,680 USD (-16.8 % of capital)"),
        ("infrastructure list", "540 USD with training on spot, 820 USD on demand"),
        ("313 USD", "139,836 %"),
    ],
)
def test_figures_are_recomputed_from_the_guides_inputs(words: str, recomputed: str) -> None:
    """Each statement stands beside the figure that its own inputs give."""
    assert check(words).recomputed == recomputed


def test_what_differs_is_named_and_explained() -> None:
    """Every figure that does not add up says why; the ones that do, agree to the percent."""
    wrong = [c for c in guide.audit() if not c.adds_up]

    assert len(wrong) == 7
    assert all(c.remark for c in wrong)


def test_what_is_marked_right_agrees() -> None:
    """A statement marked as adding up shows the same number on both sides, rounded as the guide rounds."""
    for c in guide.audit():
        if c.adds_up:
            said, found = (
                float(re.findall(r"[-+]?[\d,]+\.?\d*", text)[0].replace(",", "")) for text in (c.stated, c.recomputed)
            )
            assert said == pytest.approx(found, abs=0.5)
