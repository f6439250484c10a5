"""Files with policies of one's own: found, checked and run as one self-contained module, from their very bytes.

A strategy is code that runs with the rights of who starts the program. The checks here keep a bundle complete; they
keep nobody out.
"""

import ast
import copyreg
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pipelines.core.errors import StrategyError
from pipelines.trading.policies.base import DeclaredPolicy

PREFIX = "oddsmith_strategy_"
"""Modules of strategies are named so, and by the hash of their bytes and their place: each is loaded once."""

INSTALLED = {"site-packages", "dist-packages"}


def locate(name: str, folder: Path) -> Path:
    """The file of an entry of `policy.strategies`: a path, or a dotted module name seen from the working folder.

    Raises:
        StrategyError: if there is none.
    """
    if name.endswith(".py") or "/" in name:
        path = folder / name
        if not path.is_file():
            raise StrategyError(f"policy.strategies names {name}, and {path} does not exist; correct params.yaml")
        return path
    below = folder / Path(*name.split(".")).with_suffix(".py")
    if below.is_file():
        return below
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise StrategyError(
            f"policy.strategies names the module {name}, which is neither {below} nor installed; correct params.yaml,"
            " or install it"
        )
    return Path(spec.origin)


def is_forecaster(path: Path) -> bool:
    """Whether a file declares a forecaster (`FORECASTER = ...`), which `forecast.kind` names; it is not run here."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError):
        return False
    named = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return any(isinstance(target, ast.Name) and target.id == "FORECASTER" for target in named)


def load(content: bytes, origin: Path) -> ModuleType:
    """The module that these bytes are. `origin` is the file that they are from, for messages.

    Raises:
        StrategyError: with file, line and what to do, if it cannot be run or would need files that no bundle holds.
    """
    name = PREFIX + hashlib.sha256(str(origin.absolute()).encode() + b"\0" + content).hexdigest()[:16]
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(origin)
    vars(module)["__source__"] = content
    try:
        tree = ast.parse(content, str(origin))
        _refuse_foreign_imports(tree, origin)
        sys.modules[name] = module
        exec(compile(tree, str(origin), "exec"), vars(module))  # noqa: S102 - a strategy is code; docs/extending.md
    except StrategyError:
        raise
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise StrategyError(
            f"{origin}, line {_line(error, origin)}: {type(error).__name__}: {error}; correct it, or move the file out"
            " of the folder of strategies"
        ) from error
    for kind in vars(module).values():
        if isinstance(kind, type) and issubclass(kind, DeclaredPolicy) and kind.__module__ == name:
            copyreg.pickle(kind, _reduced)
    return module


def source_of(kind: type[DeclaredPolicy]) -> str | None:
    """The file that a strategy's class was loaded from; None for one of ours."""
    return str(sys.modules[kind.__module__].__file__) if kind.__module__.startswith(PREFIX) else None


def content_of(kind: type[DeclaredPolicy]) -> bytes | None:
    """The bytes that a strategy's class was loaded from; None for one of ours."""
    found: bytes | None = vars(sys.modules[kind.__module__]).get("__source__")
    return found


def _refuse_foreign_imports(tree: ast.AST, origin: Path) -> None:
    """A bundle holds this one file: what it imports has to be installed wherever the bundle trades."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        else:
            continue
        for name in names:
            if not _everywhere(name):
                raise StrategyError(
                    f"{origin}, line {node.lineno}: imports {name}, which a bundle would not hold; put what it needs"
                    " into the same file, or install it as a package"
                )


def _everywhere(name: str) -> bool:
    """Whether an import is the standard library, ours, or an installed package; what is not there fails by itself."""
    top = name.split(".", maxsplit=1)[0]
    if not top:
        return False
    if top in sys.stdlib_module_names or top == "pipelines":
        return True
    spec = importlib.util.find_spec(top)
    if spec is None:
        return True
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or [])
    return any(INSTALLED & set(Path(place).parts) for place in places)


def _line(error: BaseException, origin: Path) -> int | str:
    if isinstance(error, SyntaxError):
        return error.lineno or "?"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(origin)]
    return next((line for line in reversed(lines) if line), "?")


def _reduced(policy: DeclaredPolicy) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """How a strategy travels to another process: as its code and its parameters."""
    kind = type(policy)
    source = (content_of(kind), source_of(kind), kind.__name__)
    return _rebuilt, (*source, policy.parameters.model_dump())


def _rebuilt(content: bytes, origin: str, name: str, values: Mapping[str, Any]) -> Any:
    return getattr(load(content, Path(origin)), name).make(values)
