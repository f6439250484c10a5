"""What the Prefect UI shows, as plain functions of the reports."""

from flows import prefect_pages

VALIDATION = {
    "success": False,
    "counts": {"bars": 36870, "markets": 54},
    "expectations": [
        {"name": "price in [0, 1]", "success": True, "unexpected": 0},
        {"name": "no bar twice", "success": False, "unexpected": 7},
    ],
}
FORECAST = {
    "selection": {
        "skill_price_pooled": 0.021,
        "skill_price_pooled_interval": [0.011, 0.034],
        "pooled_horizons": [5, 24],
        "events": 9,
        "windows": 12345,
        **{name: {"1": 0.01, "24": 0.02} for name in ("skill_price", "rmse", "rmse_persistence")},
        **{name: {"1": 0.01, "24": 0.02} for name in ("mape", "mape_persistence", "coverage")},
    }
}
BACKTEST = {
    "slice": "selection",
    "markets": 20,
    "market_bars": 9000,
    "cash_pusd": 10000,
    "chosen": "threshold",
    "strategies": {
        "cash": {"pnl_pusd": 0.0, "kind": "cash"},
        "threshold": {"pnl_pusd": 12.345678, "kind": "threshold"},
    },
}
PARITY = {
    "bars": 1109,
    "decisions": 4000,
    "identical": 4000,
    "different": 0,
    "unreplayable": {"no bundle": 26},
    "fills": {"orders": 70, "cost_gap_pusd": -110.351, "reasons": {"equal": 70}},
}
GATE = {"verdict": "hold", "reasons": ["no skill"], "bundle": None, "evidence": {"skill": -0.00123456, "table": {}}}
DRIFT = {
    "verdict": "drift",
    "reasons": ["volume moved"],
    "bundle": "ab" * 32,
    "sample": {"bars": 19830, "markets": 55},
    "columns": {
        "volume": {
            "group": "feature",
            "psi": 0.3,
            "quiet_psi": 0.1,
            "limit": 0.15,
            "decides": True,
            "drifted": True,
        }
    },
}


def test_a_broken_rule_stands_out():
    """The validation shows every rule, and which is broken by how many rows."""
    text = prefect_pages.validation(VALIDATION)

    assert text.startswith("# Checks failed")
    assert "36,870 bars" in text
    assert "| no bar twice | **broken** | 7 |" in text


def test_criteria_say_what_they_judged():
    """Of a bundle that is promoted in cash the criteria of the forecasts alone are shown beside those of its policy."""
    one = {"name": "luck", "passed": False, "value": 0.8, "limit": 0.95, "text": "too few events"}
    rows = prefect_pages.gate_rows({"criteria": [one], "criteria_in_cash": [one | {"name": "skill", "passed": True}]})
    assert [(row["of"], row["criterion"], row["holds"]) for row in rows] == [
        ("policy", "luck", False),
        ("forecasts in cash", "skill", True),
    ]


def test_the_forecast_stands_beside_persistence():
    """The skill has its interval, and each horizon its row with the errors of persistence."""
    assert "+2.10%" in prefect_pages.forecast(FORECAST)
    assert "+1.10% to +3.40%" in prefect_pages.forecast(FORECAST)
    assert [row["horizon"] for row in prefect_pages.forecast_rows(FORECAST)] == [1, 24]
    assert "rmse of persistence" in prefect_pages.forecast_rows(FORECAST)[0]
    trained = FORECAST | {"device": "GPU: Tesla T4", "windows_per_s": 61_234.5}
    assert "Trained on GPU: Tesla T4 at 61,234 windows/s." in prefect_pages.forecast(trained)


def test_every_strategy_has_a_row():
    """The backtest names the chosen policy and compares all of them."""
    assert "Chosen: threshold" in prefect_pages.backtest(BACKTEST)
    assert prefect_pages.backtest_rows(BACKTEST)[1] == {"strategy": "threshold", "pnl_pusd": 12.35, "kind": "threshold"}


def test_a_hold_says_why_even_without_a_bundle():
    """A candidate that is not whole has no hash; its verdict is shown nevertheless."""
    text = prefect_pages.gate(GATE)

    assert text.startswith("# HOLD")
    assert "* no skill" in text
    assert "| skill | -0.001235 |" in text


def test_parity_shows_the_bookings_of_each_day_beside_the_venues_cash():
    """A row per day with what was booked and the gap; without a reading of the venue's cash the page says so."""
    day = {"day": "2026-11-28", "start_pusd": 100.0, "expected_pusd": 95.0, "venue_pusd": 102.0, "gap_pusd": 7.0}
    found = {"days": [day | {"booked_pusd": {"fills": -5.0}}], "gap_pusd": 7.0}
    text = prefect_pages.parity(PARITY | {"cash": found})

    assert "* cash: the venue has +7.00 pUSD more than was booked" in text
    assert "| 2026-11-28 | 100.00 | fills -5.00 | 95.00 | 102.00 | +7.00 |" in text
    assert "no comparison of books and venue" in prefect_pages.parity(PARITY)


def test_parity_says_what_differs_and_what_it_cost():
    """Identical decisions, what was left out, and the money between our fills and the model's."""
    text = prefect_pages.parity(PARITY)

    assert text.startswith("# Decisions identical\n\n4,000 of 4,000 decisions in 1,109 bars")
    assert "* not replayed: 26 (no bundle)" in text
    assert "-110.35 pUSD" in text
    assert prefect_pages.parity(PARITY | {"different": 3}).startswith("# 3 decisions differ")
    nothing = prefect_pages.parity(PARITY | {"decisions": 0, "identical": 0})
    assert nothing.startswith("# No decision could be replayed\n\n0 of 0 decisions")
    assert prefect_pages.parity_rows(PARITY) == [{"fills": "equal", "orders": 70}]


def test_drift_names_its_reasons_and_its_yardstick():
    """Each column stands with how far it moved and how far it moves when nothing happens."""
    assert prefect_pages.drift(DRIFT).startswith("# DRIFT\n\n* volume moved")
    assert prefect_pages.drift_rows(DRIFT)[0]["quiet"] == 0.1


def test_every_report_of_a_night_has_a_text():
    """A stage whose report is shown has a function for it."""
    assert set(prefect_pages.OF_STAGE.values()) <= set(prefect_pages.TEXTS)
    assert set(prefect_pages.TABLES) <= set(prefect_pages.TEXTS)


def test_the_gate_has_a_row_per_criterion():
    """Value, limit and words of every criterion are a table of their own."""
    one = {"name": "pnl", "passed": False, "value": -231.5993, "limit": 0.0, "text": "made too little"}
    rows = prefect_pages.gate_rows({**GATE, "criteria": [one]})
    shown = {"criterion": "pnl", "holds": False, "value": -231.6, "limit": 0.0, "in words": "made too little"}
    assert rows == [{"of": "policy", **shown}]
    assert prefect_pages.gate_rows(GATE) == []


def test_the_validation_counts_every_row_and_says_what_is_unusual():
    """Rows read, kept and set aside by table, and the warnings, are in the text."""
    rows = {"bars": {"read": 10, "kept": 9, "quarantined": 1}}
    text = prefect_pages.validation({**VALIDATION, "rows": rows, "warnings": ["bars is 300"]})
    assert "| bars | 10 | 9 | 1 |" in text
    assert "* bars is 300" in text


def test_the_curves_are_a_picture_of_every_strategy():
    """Each strategy is a line with its name, whatever is missing in a row."""
    drawn = prefect_pages.curves(["cash", "kelly"], [["0", "1", "1"], ["60", "1", "2"], ["120", "1", "3"]])
    assert drawn.count("<polyline") == 2
    assert ">kelly</text>" in drawn
    assert prefect_pages.curves(["cash"], []) == "<svg xmlns='http://www.w3.org/2000/svg'/>"
