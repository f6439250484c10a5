"""Which policies there are, and their parameters: ours, and those of the working folder."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from pipelines.core.errors import ArtifactError, ParameterError, StrategyError
from pipelines.core.params import Params
from pipelines.core.sections import PolicyParams
from pipelines.trading.policies import strategy_files
from pipelines.trading.policies.base import BAR_LENGTH, DeclaredPolicy

Kinds = Mapping[str, type[DeclaredPolicy]]

STRATEGIES = Path("strategies")
"""Folder of the working folder whose files are policies; forecasters and names that begin with an underscore are left
out."""


@cache
def builtin() -> Kinds:
    """The policies of this folder, in the order of tables."""
    package = importlib.import_module(__package__)
    names = [f"{package.__name__}.{one.name}" for one in pkgutil.iter_modules(package.__path__)]
    return _ordered(kind for name in names for kind in declared(importlib.import_module(name)))


def known(params: Params) -> Kinds:
    """All policies by kind, in the order of tables: ours, those of strategies/*.py and those of `policy.strategies`.

    Files are read once in a process.

    Raises:
        StrategyError: if a file cannot be loaded, declares no policy, or a kind that another file declares.
    """
    return _known(Path.cwd(), params.policy.strategies)


@cache
def _known(folder: Path, names: tuple[str, ...]) -> Kinds:
    found = dict(builtin())
    for path in _files(folder, names):
        module = strategy_files.load(path.read_bytes(), path)
        made = declared(module)
        if not made:
            raise StrategyError(
                f"{path} declares no policy; write a class with DeclaredPolicy as its base and a kind in it, or let the"
                " file's name begin with an underscore"
            )
        for kind in made:
            _refuse_unusable(kind, found, path)
            found[kind.kind] = kind
    return _ordered(found.values())


def read_again() -> None:
    """Read the files of strategies anew at the next question: in a notebook they change while the process runs."""
    _known.cache_clear()


def _files(folder: Path, names: Iterable[str]) -> list[Path]:
    below = [path for path in sorted((folder / STRATEGIES).glob("*.py")) if not path.name.startswith("_")]
    own = [path for path in below if not strategy_files.is_forecaster(path)]
    named = [strategy_files.locate(name, folder) for name in names]
    return list(dict.fromkeys([*own, *named]))


def declared(module: ModuleType) -> list[type[DeclaredPolicy]]:
    """The policies that a module itself declares."""
    classes = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, DeclaredPolicy)]
    return [one for one in classes if one.__module__ == module.__name__ and "kind" in vars(one)]


def _refuse_unusable(kind: type[DeclaredPolicy], found: Kinds, path: Path) -> None:
    name = kind.kind
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name) or name in PolicyParams.model_fields:
        raise StrategyError(
            f"{path}: {kind.__name__} has the kind {name!r}; a kind is a word of lower case letters, digits and"
            f" underscores, and none of {', '.join(PolicyParams.model_fields)}"
        )
    if name in found:
        raise StrategyError(f"{path}: the kind {name!r} is that of {_place(found[name])}; give {kind.__name__} another")
    if inspect.isabstract(kind):
        raise StrategyError(f"{path}: {kind.__name__} has no method target(self, inputs, position, observation)")
    if kind.files:
        raise StrategyError(
            f"{path}: {kind.__name__}.files is for trained agents; put the numbers into the file itself"
        )


def _place(kind: type[DeclaredPolicy]) -> str:
    return strategy_files.source_of(kind) or kind.__module__


def _ordered(kinds: Iterable[type[DeclaredPolicy]]) -> Kinds:
    return {one.kind: one for one in sorted(kinds, key=lambda one: (one.rank, one.kind))}


def find(kind: str, params: Params) -> type[DeclaredPolicy]:
    """The policy of that kind.

    Raises:
        ArtifactError: naming the kind and those that are known.
    """
    kinds = known(params)
    if kind not in kinds:
        raise unknown(kind, kinds)
    return kinds[kind]


def unknown(kind: str, kinds: Iterable[str]) -> ArtifactError:
    """The error for a kind that nobody declares."""
    known_kinds = ", ".join(kinds)
    return ArtifactError(
        f"unknown policy kind {kind!r}; known are {known_kinds}; a policy of your own is a file in {STRATEGIES}/"
    )


def compared(params: Params) -> tuple[str, ...]:
    """Kinds that every backtest plays, in the order of tables."""
    return tuple(kind for kind, one in known(params).items() if one.compared)


def own(params: Params) -> Kinds:
    """The policies that come from outside the program."""
    return {kind: one for kind, one in known(params).items() if kind not in builtin()}


def candidates(params: Params) -> tuple[str, ...]:
    """Kinds that a bundle may carry."""
    return tuple(kind for kind, one in known(params).items() if one.candidate)


def load(kind: str, values: Mapping[str, Any], folder: Path | None = None) -> DeclaredPolicy:
    """A policy of this folder from its kind and parameters; `folder` holds the network of a learned one.

    Raises:
        ArtifactError: naming the kind and what is known, the parameter that does not fit, or the file that is missing.
    """
    if kind not in builtin():
        raise unknown(kind, builtin())
    return made(builtin()[kind], values, folder)


def made(kind: type[DeclaredPolicy], values: Mapping[str, Any], folder: Path | None) -> DeclaredPolicy:
    """A policy of a class. Raises ArtifactError naming each parameter that does not fit."""
    try:
        return kind.make(values, folder)
    except ValidationError as error:
        text = "; ".join(_explained(kind, "", detail) for detail in error.errors())
        raise ArtifactError(f"policy {kind.kind} cannot be made: {text}; package the bundle again") from None


def pinnable(kind: str, params: Params, length_s: int | None = None) -> DeclaredPolicy:
    """A policy with the numbers of params.yaml, to decide in the place of a bundle's own.

    Raises:
        ArtifactError: if no policy has this kind, or it needs what only a bundle of it holds.
        ParameterError: naming a number of its section that does not fit.
    """
    found = find(kind, params)
    if found.files:
        raise ArtifactError(
            f"policy {kind} is trained ({', '.join(found.files)}) and decides from a bundle of its own alone; pin one "
            f"of {', '.join(name for name, one in known(params).items() if not one.files)}"
        )
    return made(found, parameters(found, params, length_s), None)


def parameters(kind: type[DeclaredPolicy], params: Params, length_s: int | None = None) -> dict[str, Any]:
    """Every parameter of a policy: its section of params.yaml over the declared defaults, and what other sections give.
    `length_s` is the bar length of the data where it is known.

    Raises:
        ParameterError: naming each key of the section that is unknown, missing or out of range.
    """
    section = f"policy.{kind.kind}"
    own = dict(params.policy.kinds.get(kind.kind, {}))
    for name, source in _given(kind).items():
        if name in own:
            raise ParameterError(f"params.yaml: {section}.{name} is {source}; remove the key and set that one")
        bar_length = params.bars.length_s if length_s is None else length_s
        own[name] = bar_length if source == BAR_LENGTH else _value(params, source, f"{section}.{name}")
    try:
        return kind.Parameters.model_validate(own).model_dump()
    except ValidationError as error:
        text = "; ".join(_explained(kind, f"{section}.", detail) for detail in error.errors())
        raise ParameterError(f"params.yaml: {text}") from None


def check(params: Params) -> None:
    """Refuse a section of `policy` that belongs to no policy, and every key that its policy does not declare.

    Raises:
        ParameterError: naming the key.
        StrategyError: if a policy of the working folder cannot be loaded.
    """
    kinds = known(params)
    for name, section in params.policy.kinds.items():
        if name not in kinds:
            raise ParameterError(
                f"params.yaml: unknown key policy.{name} (value {section!r}); known keys are"
                f" {', '.join((*PolicyParams.model_fields, *kinds))}"
            )
        parameters(kinds[name], params)


def _given(kind: type[DeclaredPolicy]) -> dict[str, str]:
    extras = {name: field.json_schema_extra for name, field in kind.Parameters.model_fields.items()}
    return {name: str(one["given_by"]) for name, one in extras.items() if isinstance(one, dict) and "given_by" in one}


def _value(params: Params, source: str, key: str) -> Any:
    value: Any = params
    for part in source.split("."):
        if part not in type(value).model_fields:
            raise ParameterError(f"{key} is given by {source}, which params.yaml does not have; correct given_by")
        value = getattr(value, part)
    return value


def _explained(kind: type[DeclaredPolicy], before: str, detail: Any) -> str:
    key = before + ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        names = ", ".join(kind.Parameters.model_fields) or "none"
        return f"unknown key {key} (value {detail['input']!r}); known keys are {names}"
    if detail["type"] == "missing":
        return f"{key} has no value and {kind.__name__} declares none"
    return f"{key} was {detail['input']!r}: {detail['msg']}"
