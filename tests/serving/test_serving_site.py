"""The pages around the bot: glossary, reports, description of the API, and the curve that loses nothing."""

import itertools
import json
import re
from pathlib import Path

import pytest
from serving_pictures import SPIKE_BAR, StillBot
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient

from pipelines.core.artifacts import write_json
from pipelines.trading.order_states import OrderState
from pipelines.trading.policies import registry
from pipelines.trading.risk import STOP_REASONS, Reason
from serving.dashboard import funnel, glossary, layout, report_pages
from serving.dashboard.equity_curve import EquityCurve
from serving.dashboard.web import application
from serving.install import PARTS
from serving.paths import DASHBOARD

FRAMEWORK = {"__init__", "base", "learned", "registry", "sealed", "strategy_files"}
POLICIES = [
    path.stem for path in Path(registry.__file__).parent.glob("*.py") if path.stem not in FRAMEWORK
]  # one file a policy


@pytest.fixture
def app(tmp_path: Path):
    """The pages of a bot that stands still."""
    bot = StillBot()
    return application(lambda: bot, DASHBOARD, lambda: tmp_path)


@pytest.mark.parametrize(
    "words",
    [[*Reason], [*OrderState], funnel.STEPS, [name for name in STOP_REASONS if name], POLICIES],
    ids=["refusals", "order states", "funnel", "stops", "policies"],
)
def test_every_word_that_the_bot_can_say_is_in_the_glossary(words) -> None:
    """Refusals, order states, steps, exits and policies each have a meaning of more than two words."""
    known = glossary.terms()

    assert [word for word in words if len(known.get(word.replace("_", " "), "").split()) < 3] == []


def test_the_glossary_travels_with_the_service() -> None:
    """A bento holds the page that the tooltips are read from."""
    assert glossary.PAGE.relative_to(glossary.HOME).as_posix() in PARTS


def test_the_api_page_lists_every_route(app) -> None:
    """Each route of the application, and each that BentoML adds, has a path, a sentence and an answer."""
    listed = TestClient(app).get("/docs.json").json()["paths"]
    ours = {route.path for route in app.routes if isinstance(route, Route | WebSocketRoute)}
    others = [route.path for route in app.routes if not isinstance(route, Route | WebSocketRoute | Mount)]

    assert ours | {"/forecast", "/livez", "/readyz", "/metrics"} == set(listed)
    assert others == []
    operations = [(path, one) for path, methods in listed.items() for one in methods.values()]
    assert [path for path, one in operations if not one["summary"].endswith(".") or not one["responses"]] == []
    assert "security" in listed["/kill"]["post"]
    assert listed["/market/{market_id}"]["get"]["parameters"][0]["name"] == "market_id"


def test_a_report_is_shown_apart_with_a_way_back(tmp_path: Path, monkeypatch) -> None:
    """Its scripts cannot reach this site, the bar leads back, and what is not there says what makes it."""
    (tmp_path / "backtest.html").write_text("<!doctype html><style>h1{}</style><h1>Backtest</h1>")
    (tmp_path / "drift.html").write_text("<html><head></head><body class='x'><p>Evidently</p></body></html>")
    backtest, drift = (report_pages.page(name, tmp_path) for name in ("backtest", "drift"))

    assert backtest.index("<nav") < backtest.index("<h1>Backtest")
    assert drift.index("<body class='x'>") < drift.index("<nav") < drift.index("<p>Evidently")
    assert 'href="../reports"' in drift
    assert report_pages.page("../params", tmp_path) is None
    assert report_pages.HEADERS["Content-Security-Policy"].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in report_pages.HEADERS["Content-Security-Policy"]
    assert "oddsmith flows run drift" in report_pages.missing("drift")
    assert "<script" not in report_pages.missing("<script>")


def test_reports_of_any_state_make_a_page(tmp_path: Path) -> None:
    """Whole, missing, not JSON and of another shape: what can be read is shown, and only web links are given."""
    write_json(tmp_path / "gate.json", {"verdict": "hold", "reasons": ["too few events"], "bundle": "ab" * 32})
    (tmp_path / "drift.json").write_text("{")
    write_json(tmp_path / "backtest.json", {"chosen": 3})
    night = {"steps": {"pull": 3.5}, "gate": {"verdict": "hold", "reasons": []}, "champion": None}
    links = {"prefect": "http://127.0.0.1:4200/runs/flow-run/1", "mlflow": "javascript:alert(1)"}
    write_json(tmp_path / "nightly.json", night | {"links": links})
    found = report_pages.document(tmp_path, tmp_path)

    short = {report["name"]: report["short"] for report in found["reports"]}
    assert short["gate"]["lines"] == ["too few events"]
    assert (short["drift"], short["backtest"], short["parity"]) == (None, None, None)
    assert found["night"]["steps"] == {"pull": 3.5}
    assert [(one["name"], one["title"]) for one in found["links"]] == [("prefect", "Prefect run of the night")]
    json.dumps(found)
    empty = report_pages.document(tmp_path / "none", tmp_path / "none")
    assert (empty["night"], empty["links"]) == (None, [])


def test_a_long_curve_keeps_its_extremes() -> None:
    """Beyond the bars that are kept one by one an hour still has its lowest and highest point, in the order of time."""
    curve = EquityCurve(exact=500)
    values = [1_000 + (bar % 7) for bar in range(2_000)]
    values[123], values[321] = 5, 9_999
    curve.extend((60 * bar, value) for bar, value in enumerate(values))
    points = curve.points()

    assert [one.ts_s for one in points] == sorted({one.ts_s for one in points})
    assert {5, 9_999} <= {one.micro for one in points}
    assert [one.micro for one in points[-500:]] == values[-500:]
    assert len(points) < 1_100
    curve.add(60 * 1_999, 7)
    curve.add(0, 8)
    assert curve.newest() == [(60 * 1_999, 7)]
    assert len(curve) == len(points)


def test_the_curve_travels_at_the_width_of_its_picture(app) -> None:
    """A month comes in at most four points per column (800): every hour, the first and last bar and the one bar that
    lost money are in it; a day of it comes whole, and what is no number of columns or no time is refused by name."""
    client = TestClient(app)
    whole = client.get("/api/equity").json()
    times = list(itertools.accumulate(whole["step_s"], initial=whole["start_s"]))[1:]
    bars = StillBot().equity()

    assert whole["bars"] == len(bars) == 43_201
    assert len(times) == len(whole["cents"]) <= 4 * 800
    assert (times[0], times[-1]) == (bars[0][0], bars[-1][0])
    assert {ts_s // 3_600 for ts_s in times} == {ts_s // 3_600 for ts_s, _ in bars}
    assert dict(zip(times, whole["cents"], strict=True))[bars[SPIKE_BAR][0]] == 900_000
    last = bars[-1][0]
    day = client.get(f"/api/equity?from_s={last - 86_399}&to_s={last}").json()
    assert day["bars"] == len(day["cents"]) == 1_440
    assert day["start_s"] == last - 86_340
    nothing = client.get(f"/api/equity?from_s={last + 1}").json()
    assert nothing == {"start_s": None, "step_s": [], "cents": [], "bars": 0}
    for name, value in (("columns", "0"), ("columns", "many"), ("from_s", "-1"), ("to_s", "²"), ("to_s", "9" * 30)):
        refused = client.get("/api/equity", params={name: value})
        assert refused.status_code == 400
        assert refused.json()["error"].startswith(f"{name} was ")


def test_long_answers_travel_packed(app) -> None:
    """A browser that reads gzip gets the page and the data behind it at less than half the size."""
    client = TestClient(app)
    for path in ("/", "/api/state", "/static/lightweight-charts.js"):
        with client.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
            sent = sum(len(part) for part in answer.iter_raw())
        with client.stream("GET", path, headers={"accept-encoding": "identity"}) as plain:
            assert 2 * sent < sum(len(part) for part in plain.iter_raw()), path


@pytest.mark.parametrize("name", layout.PAGES)
def test_every_page_comes_in_one_layout(name: str) -> None:
    """Style is inside, no script holds the first paint up, the files that are named exist, and so does each module that
    is loaded ahead."""
    html = layout.page(DASHBOARD, name).body.decode()
    depth = "../" * layout.PAGES[name].depth

    assert html.startswith("<!doctype html>")
    assert "$" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert html.count('id="site"') == html.count('id="alarm"') == html.count("<style>") == 1
    assert re.findall(r"<script (?!.*(?:defer|type=\"module\"))", html) == []
    ours = re.findall(rf'(?:href|src)="{depth}(static/[^"]+)"', html)
    assert [path for path in ours if not (DASHBOARD / path).is_file()] == []
    assert f'rel="modulepreload" href="{depth}static/shell.js"' in html


def test_every_html_file_is_a_page_or_the_layout() -> None:
    """No page is left over that nothing serves."""
    assert {path.stem for path in (DASHBOARD / "pages").iterdir()} == {*layout.PAGES, "layout"}
