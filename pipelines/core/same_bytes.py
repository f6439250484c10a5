"""The same network in the same bytes: files without the clock, the memory addresses and the hash seed of a process.

Keras and Stable-Baselines3 write the date and the addresses of objects, and the ONNX converter orders and numbers nodes
and constants by sets of strings, which every process shuffles. A stage that is run again would change the hash of its
bundle.
"""

import copy
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from pipelines.core.artifacts import write_bytes

BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip file can hold."""
SHARED = re.compile(r'("shared_object_id": )(\d+)')
BEGAN = re.compile(rb'("start_time": )\d+')
ADDRESS = re.compile(rb" at 0x[0-9a-f]+>")


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
    """Write the archive of a learner of Stable-Baselines3 again: what describes it names no addresses, and not when it
    began to learn."""
    members = _members(path)
    members["data"] = BEGAN.sub(rb"\g<1>0", ADDRESS.sub(b">", members["data"]))
    _write(path, members)


def of_onnx(path: Path) -> None:
    """Write an ONNX file again: nodes in the order in which its outputs need them, constants in the order in which the
    nodes read them, everything between inputs and outputs and each free dimension named by its place, and no text of
    the converter's (it numbers the functions that a process has traced)."""
    model = onnx.load(path)
    _in_order(model.graph, {})
    _name_dimensions((*model.graph.input, *model.graph.output))
    write_bytes(path, model.SerializeToString(deterministic=True))


def _in_order(graph: onnx.GraphProto, outer: Mapping[str, str]) -> None:
    """Put a graph in order in place; `outer` has the new names of what a graph around it made."""
    nodes, depth = _needed(graph), len(outer)
    constants = {one.name: one for one in graph.initializer}
    read = list(dict.fromkeys(name for node in nodes for name in _read(node) if name in constants))
    names = {**outer, "": ""}
    for place, end in enumerate((*graph.input, *graph.output)):
        names.setdefault(end.name, f"end_{depth}_{place}" if outer else end.name)
        end.name = names[end.name]
    for place, name in enumerate((*read, *(name for node in nodes for name in node.output))):
        names.setdefault(name, f"value_{depth}_{place}")
    for place, node in enumerate(nodes):
        node.name = f"{node.op_type}_{place}"
        for given in (node.input, node.output):
            renamed = [names[name] for name in given]
            del given[:]
            given.extend(renamed)
        attributes = sorted(node.attribute, key=lambda one: one.name)
        del node.attribute[:]
        node.attribute.extend(attributes)
        for inner in _subgraphs(node):
            _in_order(inner, names)
    for name in read:
        constants[name].name = names[name]
    _replace(graph.node, nodes)
    _replace(graph.initializer, [constants[name] for name in read])
    del graph.value_info[:]
    graph.doc_string = ""


def _name_dimensions(ends: Sequence[onnx.ValueInfoProto]) -> None:
    free = [dim for one in ends for dim in one.type.tensor_type.shape.dim if dim.dim_param]
    places = {name: place for place, name in enumerate(dict.fromkeys(dim.dim_param for dim in free))}
    for dim in free:
        dim.dim_param = f"free_{places[dim.dim_param]}"


def _needed(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that the outputs need, each after those that it reads: depth first, in the order of the inputs."""
    makers = {name: place for place, node in enumerate(graph.node) for name in node.output}
    order: dict[int, None] = {}
    waiting = [(makers[one.name], False) for one in reversed(graph.output) if one.name in makers]
    while waiting:
        place, read = waiting.pop()
        if read:
            order[place] = None
        elif place not in order:
            waiting.append((place, True))
            before = [makers[name] for name in _read(graph.node[place]) if name in makers]
            waiting.extend((one, False) for one in reversed(before) if one not in order)
    return [copy.deepcopy(graph.node[place]) for place in order]


def _read(node: onnx.NodeProto) -> list[str]:
    """Names that a node reads, including those that its subgraphs read."""
    inner = [name for graph in _subgraphs(node) for one in graph.node for name in _read(one)]
    return [*node.input, *inner, *(one.name for graph in _subgraphs(node) for one in graph.output)]


def _subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [graph for one in node.attribute for graph in (*([one.g] if one.HasField("g") else []), *one.graphs)]


def _replace(field: Any, values: Sequence[Any]) -> None:
    kept = [copy.deepcopy(value) for value in values]
    del field[:]
    field.extend(kept)


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {one.filename: file.read(one) for one in file.infolist()}


def _write(path: Path, members: Mapping[str, bytes]) -> None:
    """The members in their order, none with a date."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name, BEGINNING), content)
