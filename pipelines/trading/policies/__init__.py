"""Policies: one file each, found by itself. Here, in `strategies/*.py` of the working folder, or named in params.yaml.

`known` finds them, `parameters` takes their numbers from params.yaml, `load` makes one, and `of_bundle` makes the one
that a bundle holds: from the code that is sealed in it, where the policy is not one of this folder.
"""

from pipelines.trading.policies.base import (
    BAR_LENGTH,
    CASH,
    DeclaredPolicy,
    Inputs,
    Observation,
    Policy,
    PolicyParameters,
    Quotes,
    Target,
    given_by,
    held_direction,
    since,
)
from pipelines.trading.policies.registry import (
    candidates,
    check,
    compared,
    find,
    known,
    load,
    made,
    own,
    parameters,
    pinnable,
)
from pipelines.trading.policies.sealed import class_of, of_bundle, seal

__all__ = [
    "BAR_LENGTH",
    "CASH",
    "DeclaredPolicy",
    "Inputs",
    "Observation",
    "Policy",
    "PolicyParameters",
    "Quotes",
    "Target",
    "candidates",
    "check",
    "class_of",
    "compared",
    "find",
    "given_by",
    "held_direction",
    "known",
    "load",
    "made",
    "of_bundle",
    "own",
    "parameters",
    "pinnable",
    "seal",
    "since",
]
