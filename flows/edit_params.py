"""Change numbers of params.yaml from the command line: checked first, comments kept, replaced by rename."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from pipelines.core import params, profile_paths
from pipelines.core.artifacts import write_bytes
from pipelines.core.errors import ParameterError
from pipelines.trading import policies


class Change(NamedTuple):
    """A number that was set: its key, and its value before (None where it had its default) and after."""

    key: str
    old: Any
    new: Any


def change(assignments: Sequence[str], path: Path | None = None) -> list[Change]:
    """Set each `section.key=value`, and say what changed; nothing is written unless all of them are allowed.

    Raises:
        ParameterError: naming the key, the value and what is allowed.
    """
    path = path or profile_paths.parameters_file()
    yaml = YAML()
    yaml.width = 10_000  # a quoted text that is folded at a backslash is read back as another text
    yaml.preserve_quotes = True
    document = yaml.load(path.read_text(encoding="utf-8"))
    made = [_assign(document, assignment, yaml) for assignment in assignments]
    buffer = io.StringIO()
    yaml.dump(document, buffer)
    plain = YAML(typ="safe").load(buffer.getvalue())
    parsed = params.parse(plain, origin=path.name)
    if any(one.key.startswith("policy.") for one in made):
        policies.check(parsed)  # the keys of a policy are known to its file alone
    write_bytes(path, buffer.getvalue().encode())
    return made


def _assign(document: Any, assignment: str, yaml: YAML) -> Change:
    name, separator, text = assignment.partition("=")
    *sections, key = name.split(".")
    if not separator or not sections:
        raise ParameterError(f"{assignment!r} is no assignment; write section.key=value")
    for depth, section in enumerate(sections):
        if section not in document and depth == 1 and sections[0] == "policy":
            document[section] = CommentedMap()  # a policy whose numbers all had their defaults
        if section not in document:
            raise ParameterError(f"unknown section {section} in {assignment!r}; known are {', '.join(document)}")
        document = document[section]
    old = document.get(key)
    document[key] = _quoted(yaml.load(text))
    return Change(name, old, document[key])


def _quoted(value: Any) -> Any:
    """The value with quotes around the texts of a list: fast readers of YAML refuse `[topic:politics]` without them."""
    if isinstance(value, list):
        for place, entry in enumerate(value):
            value[place] = DoubleQuotedScalarString(entry) if isinstance(entry, str) else _quoted(entry)
    return value
