"""Stage agent: forecasts of the agent slice -> models/agent (policy.onnx, the learner, tuned.json, sizing.json,
meta.json)."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from pipelines.agent.tuned_search import tuned
from pipelines.core import log, same_bytes
from pipelines.core.artifacts import replaced_folder, sha256_file, write_bytes, write_json
from pipelines.core.params import Params, load
from pipelines.core.products import AGENT, FEATURES, FORECAST_TABLE, RAW, report_json, report_page
from pipelines.inference import start_point
from pipelines.inference.start_point import WEIGHTS, StartPoint, save_weights
from pipelines.replay import market_history, trials
from pipelines.replay.signals import sizing_table, threshold_params
from pipelines.trading import observation, policies
from pipelines.trading.observation import FULL_SIZE, PLAIN_SIZE, MarketScaler
from pipelines.trading.policies.learned import ACTIONS, KEEP
from pipelines.trading.policies.tuned import Tuned
from pipelines.trading.sizing import SizingTable

REPORT, PAGE = report_json("agent"), report_page("agent")
CHECKPOINTS = Path("var/checkpoints/agent")
CURVES = Path("var/tensorboard/agent")
"""Event files for `tensorboard --logdir var/tensorboard`; those of the last training."""


def run() -> None:
    """Measure the sizing table, train the agent, write it with its measurements.

    Raises:
        Stopped: if a SIGTERM came while it trained; the next run goes on from there.
    """
    params = load()
    policies.check(params)  # a backtest would refuse a wrong key only after the training
    started = time.perf_counter()
    length_s = market_history.bar_length_s()
    scaler = MarketScaler.read(FEATURES / "scaler.json")
    table = sizing_table(market_history.read("selection", params.execution), params)
    histories = market_history.read("agent", params.execution)
    log.get("agent").info("sizing table", signals=table.signals, kelly=round(table.kelly, 3), markets=len(histories))
    from pipelines.agent.explanation import page  # noqa: PLC0415 - imports torch

    measured = _train(histories, params, table, scaler, length_s)
    report = {**measured, "seconds": time.perf_counter() - started, "sizing": _document(table)}
    write_json(REPORT, report)
    write_bytes(PAGE, page(report["explanation"], params.agent.learner, report["against_rule"]["sentence"]).encode())
    trials.append("agent", {"learner": params.agent.learner, "seed": params.agent.seed}, report)


def _train(
    histories: list[market_history.History], params: Params, table: SizingTable, scaler: MarketScaler, length_s: int
) -> dict[str, Any]:
    from pipelines.agent.algorithms import actor  # noqa: PLC0415 - torch only while an agent is trained
    from pipelines.agent.checkpoint import Checkpoint  # noqa: PLC0415
    from pipelines.agent.export import export  # noqa: PLC0415
    from pipelines.agent.training import train  # noqa: PLC0415

    start = start_point.read() if params.agent.warm_start else None
    checkpoint = Checkpoint.of(CHECKPOINTS, _key(params, table, start))
    learner, measured = train(histories, params, table, scaler, length_s, checkpoint, CURVES, start)
    measured["tuned_rule"] = tuned(histories, params, table, scaler, length_s)
    size = FULL_SIZE if params.agent.forecast_block else PLAIN_SIZE
    with replaced_folder(AGENT) as folder:
        measured["onnx_agreement"] = export(actor(learner), size, folder / "policy.onnx", keep_of(params, length_s))
        saved = folder / f"{params.agent.algorithm}.zip"
        learner.save(saved)
        same_bytes.of_learner(saved)
        save_weights(folder / WEIGHTS, {name: value.numpy() for name, value in learner.policy.state_dict().items()})
        table.write(folder / "sizing.json")
        write_json(folder / Tuned.files[0], measured["tuned_rule"])
        write_json(folder / "meta.json", _meta(params, size))
    checkpoint.clear()
    return measured


def keep_of(params: Params, length_s: int) -> dict[str, float] | None:
    """The rule that leaves what is held, where the agent decides entries alone: it travels with the network."""
    if params.agent.decisions == "bars":
        return None
    rule = threshold_params(params, length_s).rule
    return dict(zip(KEEP, (rule.exit_multiple, rule.max_hold_s, params.execution.impact_share), strict=True))


def _key(params: Params, table: SizingTable, start: StartPoint | None = None) -> str:
    # A learner that was kept with other bounds of its inputs cannot be opened with these.
    bounds = observation.bounds(params.features.winsor_sd, forecast_block=params.agent.forecast_block)
    decided = [*data_hashes(), deciding(params), _document(table), [side.tolist() for side in bounds]]
    decided += [start.bundle] if start is not None else []
    return hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()[:16]


def data_hashes() -> list[str]:
    """The hashes of the data that an agent is trained on."""
    raw = [RAW / f"{name}.parquet" for name in ("markets", "payouts", "spreads")]
    return [sha256_file(file) for file in (*raw, FEATURES / "features.parquet", FORECAST_TABLE)]


def deciding(params: Params) -> dict[str, Any]:
    """The parameters that decide a training: limits, costs, the agent's own and those of its learner."""
    sections = {"agent", params.agent.learner, "policy", "sizing", "risk", "execution", "backtest", "forecast"}
    return params.model_dump(mode="json", include=sections)


def _meta(params: Params, size: int) -> dict[str, Any]:
    return {
        "algorithm": params.agent.algorithm,
        "observation_size": size,
        "observation_scaling": "standardised before the network: trading.observation",
        "actions": [{"direction": int(target.direction), "fraction": target.fraction} for target in ACTIONS],
        "params": params.agent.model_dump() | params.learner.model_dump(),
    }


def _document(table: SizingTable) -> dict[str, Any]:
    return {name: getattr(table, name) for name in table.__slots__} | {"kelly": table.kelly}
