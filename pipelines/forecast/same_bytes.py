"""The same network in the same bytes: files without the clock, the memory addresses and the hash seed of a process.

Keras writes the date and the addresses of objects, and the ONNX converter numbers constants in the order of a set of
strings, which every process shuffles. A stage that is run again would change the hash of its bundle.
"""

import json
import re
import zipfile
from pathlib import Path

import onnx

from pipelines.core.artifacts import write_bytes

BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip file can hold."""
SHARED = re.compile(r'("shared_object_id": )(\d+)')
NUMBERED = re.compile(r"__\d+$")


def of_keras(path: Path) -> None:
    """Write a .keras file again: shared objects are numbered from 0 as they appear, and nothing is dated."""
    with zipfile.ZipFile(path) as old:
        members = {one.filename: old.read(one) for one in old.infolist()}
    about = json.loads(members["metadata.json"])
    members["metadata.json"] = json.dumps({**about, "date_saved": ""}).encode()
    config = members["config.json"].decode()
    known = {found[1]: str(place) for place, found in enumerate(dict.fromkeys(SHARED.findall(config)))}
    members["config.json"] = SHARED.sub(lambda found: found[1] + known[found[2]], config).encode()
    with zipfile.ZipFile(path, "w") as new:
        for name, content in members.items():
            new.writestr(zipfile.ZipInfo(name, BEGINNING), content)


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
