"""Which markets a backtest plays, and with which numbers: what stands behind `--markets` and `--set`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipelines.core import params as parameters
from pipelines.core.domain import Market
from pipelines.core.errors import ParameterError
from pipelines.core.params import Params
from pipelines.pull.recording_columns import market_id_of
from pipelines.trading import policies
from pipelines.trading.policies import registry, strategy_files

KINDS = ("event", "topic", "id", "question")


def fits(market: Market, patterns: Sequence[str]) -> bool:
    """Whether a market is meant: `event:ID`, `topic:NAME`, `id:ID` (or its beginning), `question:REGULAR
    EXPRESSION`, or words of the question. Any of several patterns is enough; none means every market.

    Raises:
        ParameterError: if a pattern cannot be read.
    """
    return not patterns or any(_fits(market, one) for one in patterns)


def _fits(market: Market, pattern: str) -> bool:
    kind, separator, text = pattern.partition(":")
    if not separator or kind not in KINDS:
        return pattern.lower() in market.question.lower()
    if kind == "question":
        try:
            return re.search(text, market.question, re.IGNORECASE) is not None
        except re.error as error:
            raise ParameterError(f"--markets was {pattern!r}: {error}; write a regular expression") from None
    known = {"event": market.event_id, "topic": market.topic}
    if kind == "id":  # an id of one's own file too, which a recording replaces by its hash
        return market.market_id.startswith(text) or market.market_id == market_id_of(text)
    return known[kind].lower() == text.lower()


def read(policy: str, assignments: Sequence[str] = (), path: Path = Path("params.yaml")) -> tuple[str, Params]:
    """The kind of a policy and the numbers of params.yaml with changes; the file stays as it is.

    Args:
        policy: a kind, or the file of a strategy.
        assignments: `section.key=value`, or `key=value` for a number of the policy itself.

    Raises:
        ParameterError: if an assignment cannot be read or is not allowed.
        ArtifactError: if there is no such policy.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    kind = policy
    if policy.endswith(".py"):
        kind = _kind_of(policy, document)
    for one in assignments:
        _assign(document, one, kind)
    made = parameters.parse(document, origin="params.yaml with --set")
    policies.find(kind, made)
    policies.parameters(policies.find(kind, made), made)
    return kind, made


def _kind_of(file: str, document: dict[str, Any]) -> str:
    """The one policy that a file declares, which is added to those of params.yaml."""
    declared = registry.declared(strategy_files.load(Path(file).read_bytes(), Path(file).absolute()))
    if len(declared) != 1:
        names = ", ".join(one.kind for one in declared) or "none"
        raise ParameterError(f"{file} declares {names}; --policy takes a file with one policy, or a kind")
    named = document["policy"].setdefault("strategies", [])
    inside = Path(file).absolute().parent == (Path.cwd() / registry.STRATEGIES).absolute()
    if file not in named and not inside:
        document["policy"]["strategies"] = [*named, file]
    return str(declared[0].kind)


def _assign(document: dict[str, Any], assignment: str, kind: str) -> None:
    name, separator, text = assignment.partition("=")
    path = name.split(".") if "." in name else ["policy", kind, name]
    if not separator or not all(path):
        raise ParameterError(f"--set was {assignment!r}; write section.key=value, or key=value for a number of {kind}")
    inner = document
    for part in path[:-1]:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ParameterError(f"--set was {assignment!r}: {part} is a number and has no keys")
    try:
        inner[path[-1]] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ParameterError(f"--set was {assignment!r}: {text!r} is no value") from None
