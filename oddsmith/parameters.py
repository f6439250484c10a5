"""`oddsmith params`: what every number means, its unit, range and value now, and which stages depend on it."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from pipelines.core import params as parameters
from pipelines.core.artifacts import read_json
from pipelines.core.errors import ParameterError
from pipelines.core.params import Params, nearest
from pipelines.core.products import report_json
from pipelines.core.sections import Section
from pipelines.trading import policies

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
BOUNDS = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}


@dataclass(frozen=True, slots=True)
class Explained:
    """One number of params.yaml; `unit` is None where it has none, `stages` are those of dvc.yaml that read it."""

    key: str
    value: Any
    meaning: str
    unit: str | None
    range: str
    stages: tuple[str, ...]


def show(key: str | None, *, as_json: bool) -> None:
    """Print the numbers of a section, one number, or all of them.

    Raises:
        ParameterError: naming the nearest key where there is no such key.
    """
    every = list(explained(parameters.load()))
    found = every if key is None else [one for one in every if one.key == key or one.key.startswith(f"{key}.")]
    if not found:
        raise ParameterError(f"params.yaml has no {key}{nearest(key or '', _names(every))}")
    if as_json:
        sys.stdout.write(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    elif key is None:
        width = max(len(one.key) for one in found)
        sys.stdout.writelines(f"{one.key:<{width}}  {_short(one.value)}\n" for one in found)
    else:
        sys.stdout.write("\n\n".join(_text(one) for one in found) + "\n")


LIVE: Final = frozenset({"risk", "sizing", "execution", "policy", "serving", "news", "bars", "markets", "messages"})
"""Sections that the live process reads when it starts."""

RELOADED: Final = frozenset({"risk", "markets"})
"""Those that it takes over while it runs, when `oddsmith params reload` asks for it (`serving.account.controls`)."""


def set_values(assignments: Sequence[str]) -> None:
    """Change numbers of params.yaml, and print each with its value before and after, and what takes it over.

    Raises:
        ParameterError: naming the key, the value and what is allowed; nothing is changed then.
    """
    from flows.edit_params import change  # noqa: PLC0415 - loads the YAML library that keeps comments

    stages = _stages(Path("dvc.yaml"))
    for one in change(assignments):
        same = " (as before)" if one.old == one.new else ""
        sys.stdout.write(f"{one.key}: {_short(one.old)} -> {_short(one.new)}{same}\n  {_taken_over(one.key, stages)}\n")


FEWEST_ORDERS: Final = 30
"""Measured orders without which deciles say nothing of the slow ones."""


def set_latency(report: Path | None) -> None:
    """Set `execution.latency_ms` to the deciles that a report measured: that of `oddsmith parity` where none is named.

    Raises:
        ParameterError: where there is no such report, or it has too few measured orders; nothing is changed then.
    """
    path = report_json("parity") if report is None else report
    if not path.is_file():
        raise ParameterError(
            f"{path} does not exist; `oddsmith parity` measures the bot's own orders, `python -m"
            " benchmarks.turn_latency` a bot on a local exchange"
        )
    found = read_json(path).get("latency_ms")
    if not isinstance(found, dict) or "deciles" not in found:
        raise ParameterError(f"{path} has no latency_ms.deciles; give reports/parity.json or reports/turn_latency.json")
    if found["orders"] < FEWEST_ORDERS:
        raise ParameterError(
            f"{path} has {found['orders']} measured orders, {FEWEST_ORDERS} are needed; let the bot send more. Orders"
            " of paper trading do not count: their latencies were drawn from execution.latency_ms"
        )
    set_values([f"execution.latency_ms={json.dumps(found['deciles'])}"])


def _taken_over(key: str, stages: dict[str, list[str]]) -> str:
    """Who takes a new value over, and when."""
    read_by = [stage for stage, read in stages.items() if any(f"{key}.".startswith(f"{one}.") for one in read)]
    section = key.partition(".")[0]
    said = [f"the next night runs {', '.join(read_by)} again"] if read_by else []
    if section in RELOADED:
        said.append("no restart: a bot that runs takes it with `oddsmith params reload`")
    elif section in LIVE:
        said.append("needs a restart: a bot that runs takes it at its next start")
    if section == "simulator":
        said.append("needs a restart: `oddsmith run` takes it at its next start")
    return "; ".join(said) if said else "taken by the next command that reads it"


def explained(params: Params) -> Iterator[Explained]:
    """Every number with its explanation, in the order of the sections."""
    stages = _stages(Path("dvc.yaml"))
    for name, field in Params.model_fields.items():
        section = getattr(params, name)
        yield from _fields(field.alias or name, section, stages)
    for kind, policy in policies.known(params).items():
        own = params.policy.kinds.get(kind, {})
        for name, field in policy.Parameters.model_fields.items():
            if name in own or not field.is_required():
                yield _explained(f"policy.{kind}.{name}", own.get(name, field.default), field, stages)


def _fields(prefix: str, section: Any, stages: dict[str, list[str]]) -> Iterator[Explained]:
    if isinstance(section, dict):
        for name, inner in section.items():
            yield from _fields(f"{prefix}.{name}", inner, stages)
        return
    assert isinstance(section, Section)
    for name, field in type(section).model_fields.items():
        yield _explained(f"{prefix}.{name}", getattr(section, name), field, stages)


def _explained(key: str, value: Any, field: FieldInfo, stages: dict[str, list[str]]) -> Explained:
    meaning, _, unit = (field.description or "").partition(" Unit: ")
    read_by = tuple(stage for stage, read in stages.items() if any(f"{key}.".startswith(f"{one}.") for one in read))
    unit = unit.rstrip(".")
    return Explained(
        key,
        value,
        " ".join(meaning.split()),
        None if unit in ("", "none") else " ".join(unit.split()),
        span(field),
        read_by,
    )


def span(field: FieldInfo) -> str:
    """What a field may be, in words: its kind and its bounds."""
    return _span(field.annotation, field.metadata)


def _span(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _span(inner[0], [bound for one in inner[1:] for bound in getattr(one, "metadata", [one])])
    if origin in (Union, UnionType):
        return " or ".join("empty" if one is type(None) else _span(one, metadata) for one in inner)
    if origin is Literal:
        return "one of " + ", ".join(map(str, inner))
    if origin is dict:
        return f"a mapping, each value {_span(inner[1])}"
    if origin in (list, tuple):
        return f"a list, each entry {_span(inner[0])}"
    bounds = [
        text.format(f"{getattr(bound, name):g}")
        for bound in metadata
        for name, text in BOUNDS.items()
        if getattr(bound, name, None) is not None
    ]
    return ", ".join([KINDS[annotation], *bounds])


def keys(model: type[Section] = Params, prefix: str = "") -> Iterator[str]:
    """Every section and key that has one name whatever params.yaml says, for the completion of a shell."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        yield key
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from keys(field.annotation, f"{key}.")


def _stages(path: Path) -> dict[str, list[str]]:
    """Stage -> the sections and keys that DVC watches for it."""
    stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    return {name: list(stage.get("params", [])) for name, stage in stages.items()}


def _names(every: list[Explained]) -> list[str]:
    return [one.key for one in every] + sorted({one.key.partition(".")[0] for one in every})


def _short(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list | tuple | dict | bool) else str(value)


def _text(one: Explained) -> str:
    read_by = ", ".join(one.stages) or "none: nothing is trained again after a change"
    return "\n".join(
        [
            f"{one.key} = {_short(one.value)}",
            f"  {one.meaning}",
            *([f"  unit    {one.unit}"] if one.unit else []),
            f"  range   {one.range}",
            f"  stages  {read_by}",
        ]
    )
