"""A venue for the tests of faults."""

import httpx2
import pytest
from simulator_site import Background

from simulator.engine.audit import audit


@pytest.fixture(scope="module")
def running():
    """A venue with the admin interface."""
    with Background(admin=True) as site:
        yield site


@pytest.fixture
def site(running):
    """The venue without faults, before and after, its books balanced."""
    yield running
    httpx2.delete(running.urls["clob"] + "/admin/faults")
    running.do(lambda: [running.site.faults.stop(f.name) for f in list(running.site.faults.active)])
    assert running.do(lambda: audit(running.venue.exchange)) == []
