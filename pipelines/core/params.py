"""params.yaml, typed and frozen: a section per stage or part. An unknown or out-of-range key is refused by name."""

import difflib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from pipelines.core import profile_paths
from pipelines.core.errors import ParameterError
from pipelines.core.sections import (
    AgentParams,
    BacktestParams,
    BarsParams,
    ComputeParams,
    ConformalParams,
    CostsParams,
    DqnParams,
    DriftParams,
    ExecutionParams,
    FeaturesParams,
    FlowsParams,
    ForecastParams,
    GateParams,
    LeagueParams,
    MarketsParams,
    MessagesParams,
    NewsParams,
    PolicyParams,
    PpoParams,
    PullParams,
    RiskParams,
    SacParams,
    Section,
    ServingParams,
    ShadowParams,
    SimulatorParams,
    SizingParams,
    SlicesParams,
    SpotParams,
    StackParams,
    ValidateParams,
)


class Params(Section):
    """All of params.yaml."""

    simulator: SimulatorParams
    bars: BarsParams
    pull: PullParams
    news: NewsParams
    validate_: Annotated[ValidateParams, Field(alias="validate")]
    slices: SlicesParams
    compute: ComputeParams
    features: FeaturesParams
    forecast: ForecastParams
    league: LeagueParams
    conformal: ConformalParams
    agent: AgentParams
    ppo_entries: PpoParams
    ppo: PpoParams
    ppo_tuned: PpoParams
    dqn: DqnParams
    qrdqn: DqnParams
    sac: SacParams
    policy: PolicyParams
    sizing: SizingParams
    risk: RiskParams
    execution: ExecutionParams
    backtest: BacktestParams
    gate: GateParams
    stacks: dict[str, StackParams]
    shadow: ShadowParams
    flows: FlowsParams
    drift: DriftParams
    serving: ServingParams
    markets: MarketsParams = MarketsParams()
    messages: MessagesParams = MessagesParams()
    costs: CostsParams
    spot: SpotParams

    @property
    def learner(self) -> PpoParams | DqnParams | SacParams:
        """The section that `agent.learner` names."""
        chosen: PpoParams | DqnParams | SacParams = getattr(self, self.agent.learner)
        return chosen

    def with_learner(self, **update: Any) -> "Params":
        """A copy with other values in that section."""
        return self.model_copy(update={self.agent.learner: self.learner.model_copy(update=update)})


def parse(document: Any, *, origin: str) -> Params:
    """Typed parameters from a parsed YAML document.

    Raises:
        ParameterError: naming each key, the value received and what is allowed.
    """
    if not isinstance(document, dict):
        raise ParameterError(f"{origin} must be a mapping of sections, was {type(document).__name__}")
    try:
        return Params.model_validate(document)
    except ValidationError as error:
        lines = [_explain(detail) for detail in error.errors()]
        raise ParameterError(f"{origin}: " + "; ".join(lines)) from None


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?` with the known name that is most like this one; else where all of them are."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else "; `oddsmith params` lists all that there are"


def _explain(detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "the document"
    if detail["type"] == "extra_forbidden":
        section: Any = Params
        for part in detail["loc"][:-1]:
            section = next(f.annotation for n, f in section.model_fields.items() if part in (n, f.alias))
        known = ", ".join(field.alias or name for name, field in section.model_fields.items())
        return f"unknown key {key} (value {detail['input']!r}); known keys are {known}"
    if detail["type"] == "dict_type" and detail["loc"][0] == "policy":
        known = ", ".join(PolicyParams.model_fields)
        return (
            f"unknown key {key} (value {detail['input']!r}); known keys are {known} and a section for each kind of"
            f" policy: write policy.threshold.{detail['loc'][-1]} for the threshold rule"
        )
    return f"{key} was {detail['input']!r}: {detail['msg']}"


def read(path: Path) -> Params:
    """Typed parameters from a file.

    Raises:
        ParameterError: if the file is missing, is not YAML, or has a key or value that is not allowed.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParameterError(f"{path} does not exist; run from the folder that holds params.yaml") from None
    except yaml.YAMLError as error:
        raise ParameterError(f"{path} is not YAML: {error}") from None
    return parse(document, origin=path.name)


@cache
def load() -> Params:
    """The parameters of this process (its profile's, else the working directory's), read once."""
    return read(profile_paths.parameters_file())
