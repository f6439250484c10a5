"""The routes that look back answer from the journal what the commands print, and refuse in one line."""

from pathlib import Path

import pytest
from serving_desk import Desk, FakeVenue, make_intent, make_market
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipelines.core.domain import Side
from pipelines.core.params import read
from pipelines.core.settings import Settings
from pipelines.history.account import History
from serving.account.database import default_url
from serving.dashboard import past

PARAMS = read(Path("params.yaml"))
DAY = 1_772_323_200
BARS = 3 * 1_440


class Bot:
    """A bot whose journal is in a folder; `account` is the address it trades for."""

    def __init__(self, var, account=None):
        self.settings, self.account = Settings(_env_file=None, var=var), account

    def history(self, from_s=0, to_s=2**62, *, against_model=False):
        return History(self.settings, PARAMS, from_s, to_s, self.account, against_model=against_model)


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """A desk whose journal has a bar a minute for three days, and a trade on the second; its folder."""
    folder = tmp_path_factory.mktemp("life")
    desk, about = Desk.open(FakeVenue(), default_url(folder)), make_market(1)
    desk.accounting.know(about)
    for side, ts_s in ((Side.BUY, DAY + 86_400 + 600), (Side.SELL, DAY + 86_400 + 1_200)):
        desk.execution.submit(make_intent(about, side=side, ts_s=ts_s))
        desk.execution.sync()
    for bar in range(BARS):
        equity = 10_000_000_000 + (-9_000_000 if bar == 777 else 1_000 * bar)
        row = {"ts_s": DAY + 60 * bar, "bundle": "a" * 64, "cash_micro": equity, "equity_micro": equity}
        desk.journal.bar(row | {"took_ms": 1.0, "ledger_equals_venue": True, "inputs": b""}, (), {}, {})
    yield desk, folder
    desk.journal.close()


@pytest.fixture
def client(life):
    """Routes over that journal, for its account."""
    desk, folder = life
    return TestClient(Starlette(routes=past.routes(lambda: Bot(folder, desk.venue.account))))


def test_a_day_has_its_trades_its_curve_and_its_neighbours(client):
    """The second of three days: its one trade, all its bars, the days before and after; the ends lead no further."""
    found = client.get("/api/day/2026-03-02").json()

    assert (found["previous"], found["next"]) == ("2026-03-01", "2026-03-03")
    assert found["bars"] == len(found["equity"]) == 1_440
    assert found["summary"]["trades"] == len(found["trades"]) == 1
    assert found["by_reason"][0]["realised_pusd"] == pytest.approx(found["trades"][0]["pnl_pusd"])
    assert client.get("/api/day/2026-03-01").json()["previous"] is None
    assert client.get("/api/day/2026-03-03").json()["next"] is None
    beyond = client.get("/api/day/2030-01-01").json()
    assert (beyond["previous"], beyond["next"], beyond["trades"]) == ("2026-03-03", None, [])


def test_days_are_those_of_the_command(client):
    """Every day with a bar has a row of `oddsmith pnl --by day`."""
    days = client.get("/api/days").json()["days"]

    assert [row["day"] for row in days] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert [row["trades"] for row in days] == [0, 1, 0]
    assert all("equity_end_pusd" in row for row in days)


def test_the_curve_keeps_the_one_bad_bar_at_every_width(client):
    """A single bar far below all others is in the picture, however narrow it is."""
    for columns in (1, 10, 390, 10_000):
        found = client.get(f"/api/curve?columns={columns}").json()
        assert found["bars"] == BARS
        assert min(row[1] for row in found["points"]) == 9_991.0
        assert max(row[2] for row in found["points"]) == pytest.approx(9.776 / 10_000.776, abs=1e-6)
    one = client.get("/api/curve?from=2026-03-02&to=2026-03-02").json()
    assert (one["points"][0][0], one["bars"]) == (DAY + 86_400, 1_440)


def test_a_day_is_compared_with_the_model_where_that_is_asked_for(client):
    """The slippage against the backtest's fills costs time: it comes with the question alone."""
    plain = client.get("/api/day/2026-03-02").json()["summary"]
    compared = client.get("/api/day/2026-03-02?against=model").json()["summary"]

    assert plain["model_slippage_pusd"] is None
    assert compared | {"model_slippage_pusd": None} == plain


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/api/day/yesterday", 400, "/api/day/2026-03-01"),
        ("/api/curve?from=then", 400, "write 2026-03-01"),
        ("/api/curve?columns=0", 400, "columns was '0'"),
        ("/api/curve?columns=many", 400, "columns was 'many'"),
    ],
)
def test_a_question_that_cannot_be_read_is_refused(client, path, status, word):
    """A refusal names what was asked and how to ask."""
    answer = client.get(path)

    assert answer.status_code == status
    assert word in answer.json()["error"]


def test_before_the_first_bar_there_is_no_history(tmp_path):
    """A bot without a journal, or with an account that never decided, answers 404 with what to do."""
    answer = TestClient(Starlette(routes=past.routes(lambda: Bot(tmp_path)))).get("/api/days")

    assert answer.status_code == 404
    assert "make run" in answer.json()["error"]


def test_the_bot_shows_its_own_account_alone(client, life):
    """Another account in the same journal, even a newer one, is not shown."""
    desk, _ = life
    desk.journal.begin("0xother")
    row = {"ts_s": DAY + 10**6, "bundle": "b" * 64, "cash_micro": 1, "equity_micro": 1}
    desk.journal.bar(row | {"took_ms": 1.0, "ledger_equals_venue": True, "inputs": b""}, (), {}, {})
    found = client.get("/api/days").json()

    assert [row["day"] for row in found["days"]] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert found["account"] == "0xabc"
