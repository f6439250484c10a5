"""The examples in docstrings of what people call are true."""

import doctest
import importlib

import pytest

MODULES = (
    "pipelines.core.domain",
    "pipelines.core.money",
    "pipelines.features.scale",
    "pipelines.news.decay",
    "pipelines.trading.kernel",
    "pipelines.trading.risk",
    "pipelines.trading.sizing",
    "serving.market.bars",
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name):
    """Every example gives what it shows, and a module of this list has at least one."""
    result = doctest.testmod(importlib.import_module(name))

    assert result.failed == 0
    assert result.attempted > 0


def test_twenty_public_functions_show_an_example():
    """At least twenty docstrings of these modules carry an example."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]

    assert len(found) >= 20
