"""The limits that a live process decided with, as it journaled them, put around a bundle of this machine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from pipelines.core.errors import DataError
from pipelines.core.params import Params
from pipelines.core.sections import ExecutionParams, PolicyParams, RiskParams, Section, SizingParams
from pipelines.decide import Rules
from pipelines.trading import policies
from pipelines.trading.policies import DeclaredPolicy

SECTIONS: dict[str, type[Section]] = {
    "risk": RiskParams,
    "sizing": SizingParams,
    "execution": ExecutionParams,
    "policy": PolicyParams,
}
"""Sections of params.yaml that `decide` reads."""


@dataclass(frozen=True)
class JournaledLimits:
    """Everything of `Rules` that no bundle holds."""

    risk: RiskParams
    sizing: SizingParams
    execution: ExecutionParams
    policy: PolicyParams
    bar_length_s: int
    horizon_bars: int
    pinned: DeclaredPolicy | None = None
    """The policy that decided instead of the bundle's own."""

    @classmethod
    def read(cls, text: str, today: Params) -> "JournaledLimits":
        """JournaledLimits from a row of the journal.

        A key that the live program did not have yet takes its value of today; one that this program no longer has is
        left out.

        Raises:
            DataError: if a value is not one that this program allows.
        """
        document = json.loads(text)
        read = {name: _section(kind, document[name], getattr(today, name)) for name, kind in SECTIONS.items()}
        pinned = None
        if "pinned" in document:
            pinned = policies.made(policies.find(document["policy_kind"], today), document["pinned"], None)
        bars = {name: document[name] for name in ("bar_length_s", "horizon_bars")}
        return cls(**read, **bars, pinned=pinned)

    def around(self, rules: Rules) -> Rules:
        """A bundle's rules with these limits."""
        return replace(
            rules,
            risk=self.risk,
            sizing=self.sizing,
            execution=self.execution,
            rule=self.policy,
            bar_length_s=self.bar_length_s,
            horizon_bars=self.horizon_bars,
            policy=self.pinned or rules.policy,
            pinned=self.pinned is not None,
        )

    def changed(self, today: Params) -> dict[str, list[Any]]:
        """Keys whose value of today is another, as [live, today]."""
        found: dict[str, list[Any]] = {}
        for name in SECTIONS:
            now = getattr(today, name).model_dump()
            then = getattr(self, name).model_dump()
            found |= {f"{name}.{key}": [then[key], now[key]] for key in now if then[key] != now[key]}
        return found


def _section(kind: type[Section], live: Mapping[str, Any], today: Section) -> Any:
    values = today.model_dump(mode="json") | {name: live[name] for name in kind.model_fields if name in live}
    try:
        return kind.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise DataError(
            f"the journal's {kind.__name__} does not fit this program: {error.errors()[0]['msg']}; replay it with the"
            " version that traded"
        ) from None
