"""Columns of bars, compressed in memory: as plain arrays a window of a whole venue is more than a machine holds.

A bar takes some 66 bytes as arrays and less than a third of that here; one market is unpacked at a time.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.core.raw_tables import Bars, IntArray

Columns = Mapping[str, NDArray[Any]]

_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="zstd")
_NAMES: Final = tuple(one.name for one in fields(Bars) if one.name != "code")


def pack(columns: Columns) -> bytes:
    """Columns of equal length as a compressed Arrow stream."""
    batch = pa.record_batch([pa.array(values) for values in columns.values()], names=list(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_OPTIONS) as stream:
        stream.write_batch(batch)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpack(packed: bytes) -> dict[str, NDArray[Any]]:
    """What was packed, with the same types."""
    table = pa.ipc.open_stream(packed).read_all()
    return {name: table[name].to_numpy() for name in table.column_names}


class PackedBars:
    """Bars of many markets, market by market; a market that has none is not there."""

    def __init__(self) -> None:
        self._parts: dict[int, bytes] = {}
        self._lengths: dict[int, int] = {}

    @classmethod
    def of(cls, bars: Bars) -> Self:
        """From bars that are sorted by market and time."""
        made = cls()
        edges = np.flatnonzero(np.diff(bars.code, prepend=-1)).tolist()
        for first, last in itertools.pairwise([*edges, len(bars)]):
            made.add(Bars(**{one.name: getattr(bars, one.name)[first:last] for one in fields(Bars)}))
        return made

    def add(self, bars: Bars) -> None:
        """Keep the bars of one market, which has none here so far."""
        if len(bars):
            code = int(bars.code[0])
            self._parts[code] = pack({name: getattr(bars, name) for name in _NAMES})
            self._lengths[code] = len(bars)

    def __len__(self) -> int:
        return sum(self._lengths.values())

    @property
    def codes(self) -> list[int]:
        """Codes of the markets that have bars, in ascending order."""
        return sorted(self._parts)

    def counts(self, markets: int) -> IntArray:
        """Number of bars of each market, shape (markets,)."""
        made = np.zeros(markets, np.int64)
        made[list(self._lengths)] = list(self._lengths.values())
        return made

    def only(self, codes: Iterable[int]) -> Self:
        """The bars of some of the markets."""
        made = type(self)()
        for code in codes:
            made._parts[code], made._lengths[code] = self._parts[code], self._lengths[code]
        return made

    def parts(self, codes: Iterable[int] | None = None) -> Iterator[Bars]:
        """The bars of one market after the other: in the order of `codes`, of all markets without them."""
        for code in self.codes if codes is None else codes:
            yield Bars(code=np.full(self._lengths[code], code), **unpack(self._parts[code]))

    def whole(self) -> Bars:
        """All bars as plain arrays, sorted by market and time."""
        return Bars.concatenated([Bars.empty(), *self.parts()])


class PackedMarkets(Mapping[str, dict[str, IntArray]]):
    """Columns by market id, given in pieces that follow each other; each is unpacked when it is asked for."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[bytes]] = {}

    def add(self, market_id: str, columns: Columns) -> None:
        """Keep more rows of a market, later than those before."""
        self._pieces.setdefault(market_id, []).append(pack(columns))

    def __getitem__(self, market_id: str) -> dict[str, IntArray]:
        pieces = [unpack(piece) for piece in self._pieces[market_id]]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    def __iter__(self) -> Iterator[str]:
        return iter(self._pieces)

    def __len__(self) -> int:
        return len(self._pieces)
