"""Training state as arrays and JSON: one npz file that holds no pickle, so that reading it runs no code.

A tree of dicts, lists, tuples, deques, numbers, texts, arrays and tensors comes back bit for bit. Its arrays are
members of the file; everything else is JSON in the member `tree`, with a marked reference where an array was.
"""

import io
import json
import zipfile
from collections import deque
from typing import Any

import numpy as np
import torch

from pipelines.core.errors import DataError

_UNREADABLE = (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile)


def is_plain(value: Any) -> bool:
    """Whether a value is of a kind that `packed` takes."""
    if isinstance(value, dict):
        return all(is_plain(part) for item in value.items() for part in item)
    if type(value) in (list, tuple, deque):
        return all(is_plain(part) for part in value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return value is None or isinstance(value, bool | int | float | str | np.generic | torch.Tensor)


def packed(tree: Any) -> bytes:
    """The file's content.

    Raises:
        TypeError: for a value of another kind; it is named.
    """
    arrays: dict[str, Any] = {}
    text = json.dumps(_encoded(tree, arrays))
    content = io.BytesIO()
    np.savez(content, **arrays, tree=np.frombuffer(text.encode(), dtype=np.uint8))
    return content.getvalue()


def _encoded(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if not is_plain(value):
        raise TypeError(f"a {type(value).__name__} is no plain state")
    if isinstance(value, torch.Tensor | np.ndarray):
        kind = "tensor" if isinstance(value, torch.Tensor) else "array"
        name = f"a{len(arrays)}"
        arrays[name] = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        return {kind: name}
    if isinstance(value, dict):
        return {"dict": [[_encoded(key, arrays), _encoded(part, arrays)] for key, part in value.items()]}
    parts = [_encoded(part, arrays) for part in value]
    if isinstance(value, deque):
        return {"deque": [value.maxlen, parts]}
    return {"tuple" if isinstance(value, tuple) else "list": parts}


def unpacked(content: bytes) -> Any:
    """The tree of a file that `packed` made.

    Raises:
        DataError: if it is none: cut, of another shape, or with pickled or compressed members, which are refused.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as members:
            if any(member.compress_type != zipfile.ZIP_STORED for member in members.infolist()):
                raise ValueError("it has compressed members")
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        return _decoded(json.loads(arrays.pop("tree").tobytes().decode()), arrays)
    except _UNREADABLE as error:
        raise DataError(
            f"the training state cannot be read ({error}); delete the file to begin the training anew"
        ) from error


def _decoded(value: Any, arrays: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return torch.from_numpy(arrays[content].copy())
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {_decoded(key, arrays): _decoded(part, arrays) for key, part in content}
    if kind == "deque":
        return deque((_decoded(part, arrays) for part in content[1]), maxlen=content[0])
    parts = [_decoded(part, arrays) for part in content]
    if kind == "list":
        return parts
    if kind == "tuple":
        return tuple(parts)
    raise ValueError(f"it has a value of the kind {kind!r}")
