"""The same network in the same bytes: files without the clock, the memory addresses and the hash seed of a process.

Keras and Stable-Baselines3 write the date and the addresses of objects, and the ONNX converter numbers constants in the
order of a set of strings, which every process shuffles. A stage that is run again would change the hash of its bundle.
"""

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import onnx

from pipelines.core.artifacts import write_bytes

BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip file can hold."""
SHARED = re.compile(r'("shared_object_id": )(\d+)')
ADDRESS = re.compile(rb" at 0x[0-9a-f]+>")
NUMBERED = re.compile(r"__\d+$")


def of_keras(path: Path) -> None:
    """Write a .keras file again: shared objects are numbered from 0 as they appear, and nothing is dated."""
    members = _members(path)
    about = json.loads(members["metadata.json"])
    members["metadata.json"] = json.dumps({**about, "date_saved": ""}).encode()
    config = members["config.json"].decode()
    known = {found[1]: str(place) for place, found in enumerate(dict.fromkeys(SHARED.findall(config)))}
    members["config.json"] = SHARED.sub(lambda found: found[1] + known[found[2]], config).encode()
    _write(path, members)


def of_learner(path: Path) -> None:
    """Write the archive of a learner of Stable-Baselines3 again: the texts that describe it name no addresses."""
    members = _members(path)
    members["data"] = ADDRESS.sub(b">", members["data"])
    _write(path, members)


def of_onnx(path: Path) -> None:
    """Write an ONNX file again: its constants in the order in which the nodes read them, numbered in that order."""
    model = onnx.load(path)
    graph = model.graph
    by_name = {one.name: one for one in graph.initializer}
    read = [name for node in graph.node for name in node.input if name in by_name]
    names = {old: f"{NUMBERED.sub('', old)}__{place}" for place, old in enumerate(dict.fromkeys(read))}
    kept = [by_name[old] for old in names]
    for one in kept:
        one.name = names[one.name]
    for node in graph.node:
        inputs = [names.get(name, name) for name in node.input]
        del node.input[:]
        node.input.extend(inputs)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    write_bytes(path, model.SerializeToString(deterministic=True))


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {one.filename: file.read(one) for one in file.infolist()}


def _write(path: Path, members: Mapping[str, bytes]) -> None:
    """The members in their order, none with a date."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name, BEGINNING), content)
