"""Match each text against the list of its language.

Example:
    >>> lists = Lists(lists_in("lists"), compiled="compiled")  # doctest: +SKIP
    >>> lists.prepare()  # doctest: +SKIP
    >>> matcher = WorldwideMatcher(lists)
    >>> matcher.match(pa.array(["\u9ed2\u732b\u304c\u597d\u304d", "a cat"]), pa.array(["ja", "en"]))  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.worldwide.switches import Switches, prepared
from metaclip_spark.errors import ConfigError
from metaclip_spark.matchers.base import Matches, in_one_buffer
from metaclip_spark.matchers.phrases import SLICE_BYTES, arrays_of
from metaclip_spark.matchers.worldwide.compiled import Buffered, CompiledList
from metaclip_spark.matchers.worldwide.groups import scan_groups
from metaclip_spark.matchers.worldwide.lists import COMPILED, MAX_BYTES, ListInfo, Lists, lists_in

__all__ = ["MAX_BYTES", "ListInfo", "Lists", "Switches", "WorldwideMatcher", "WorldwideMatches", "lists_in"]

NO_CODE = "null"
"""The key of `WorldwideMatches.without_list` for texts whose code is null."""


class WorldwideMatches(NamedTuple):
    """The matches of a batch.

    Attributes:
        matches: the entry ids of each text, each an id of the list of the text's language.
        without_list: the number of texts, not null, whose code has no list, by code. They match nothing.
    """

    matches: Matches
    without_list: dict[str, int]


class WorldwideMatcher:
    """A matcher of texts of many languages; picklable, without its lists.

    Args:
        lists: the lists.
        missing: what a text is whose code is null or has no list: `count` it in the result, or an `error`.
    """

    name = "worldwide"

    def __init__(self, lists: Lists, missing: str = "count") -> None:
        if missing not in ("count", "error"):
            raise ConfigError(f"missing must be one of count, error, got {missing!r}.")
        self.lists, self.missing = lists, missing
        self._buffered = Buffered()

    def __reduce__(self) -> tuple[type[WorldwideMatcher], tuple[Lists, str]]:
        return type(self), (self.lists, self.missing)

    def match(self, texts: pa.Array, codes: pa.Array) -> WorldwideMatches:
        """Match texts.

        The texts are grouped by their list, so that each list's tables are used once per batch. Rows keep their order.

        Args:
            texts: Arrow array of strings; a null text matches nothing.
            codes: the code of each text's list, as long as `texts`: strings, a dictionary of strings, or integers that
                are indices of `lists.codes`.

        Raises:
            ConfigError: the lengths differ, the codes are of another type, an integer is no index, or a text has no
                list and `missing` is `error`.
            MetadataError: a list cannot be read; see `Lists.get`.
        """
        if len(texts) != len(codes):
            raise ConfigError(f"got {len(texts):,} texts and {len(codes):,} codes, expected as many codes as texts.")
        texts = in_one_buffer(texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts)
        indices, names = _groups(codes, self.lists.codes)
        order = _sorted(indices, len(names))
        bounds = np.searchsorted(indices[order], np.arange(-1, len(names) + 1)).tolist()
        filled = [code for code in range(-1, len(names)) if bounds[code + 1] < bounds[code + 2]]
        if len(filled) > 1:
            texts = texts.take(pa.array(order))
        groups: list[tuple[str, int, int]] = []
        without: dict[str, int] = {}
        for code in filled:
            start, stop, name = bounds[code + 1], bounds[code + 2], names[code] if code >= 0 else None
            if name is not None and name in self.lists:
                groups.append((name, start, stop))
            elif rows := stop - start - texts.slice(start, stop - start).null_count:
                key = NO_CODE if name is None else name
                without[key] = without.get(key, 0) + rows
        if without and self.missing == "error":
            counted = ", ".join(f"{name}: {rows:,}" for name, rows in sorted(without.items()))
            raise ConfigError(f"texts have codes without a list ({counted}); add the lists, or drop these texts.")
        counts = np.zeros(len(texts), np.int32)
        parts = list(self._match_groups(texts, groups, counts))
        ids = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        if len(filled) < 2:
            return WorldwideMatches(Matches(_offsets_of(counts), ids), without)
        return WorldwideMatches(_in_rows(counts, ids, order), without)

    def _match_groups(
        self, texts: pa.Array, groups: list[tuple[str, int, int]], counts: npt.NDArray[np.int32]
    ) -> Iterator[npt.NDArray[np.int32]]:
        """Match groups of texts (list, first text, end); write the number of ids of each text, and yield the ids."""
        nbytes = texts.buffers()[2].size if groups and texts.buffers()[2] is not None else 0
        switches = self.lists.switches
        if switches is None or self.lists.engine != COMPILED or switches.changes_entries or nbytes > SLICE_BYTES:
            for name, start, stop in groups:
                offsets, ids = self.lists.get(name).match(texts.slice(start, stop - start), self._buffered)
                np.subtract(offsets[1:], offsets[:-1], out=counts[start:stop])
                yield ids
            return
        arrays = arrays_of(prepared(texts, switches))
        for held in self._held_together(groups):
            lists = [found for found, _, _ in held]
            bounds = np.array([held[0][1], *(stop for _, _, stop in held)], np.int64)
            found, ids = self._scan(arrays, bounds, lists)
            counts[bounds[0] : bounds[-1]] = found
            yield ids

    def _held_together(self, groups: list[tuple[str, int, int]]) -> Iterator[list[tuple[CompiledList, int, int]]]:
        """Yield groups whose texts follow one another and whose lists are within the bytes that may be kept at once."""
        held: list[tuple[CompiledList, int, int]] = []
        size = 0
        for name, start, stop in groups:
            found = cast(CompiledList, self.lists.get(name))  # of this engine, all lists are compiled
            if held and (size + found.nbytes > self.lists.max_bytes or start != held[-1][2]):
                yield held
                held, size = [], 0
            held.append((found, start, stop))
            size += found.nbytes
        if held:
            yield held

    def _scan(
        self, arrays: tuple[npt.NDArray[Any], ...], bounds: npt.NDArray[np.int64], lists: list[CompiledList]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Call `scan_groups`; the lists are arguments, so that their memory stays until the call ends."""
        data, offsets, valid = arrays
        buffers, edge_buffers = self._buffered.of(*np.max([found.depths for found in lists], axis=0).tolist())
        tables = np.concatenate([found.addresses for found in lists]).reshape(len(lists), -1)
        rows, given = offsets[bounds[0] : bounds[-1] + 1], valid[bounds[0] : bounds[-1]]
        windows = CompiledList.window, CompiledList.edge_window
        counts, ids = scan_groups(
            data, rows, given, bounds - bounds[0], tables, buffers, windows[0], edge_buffers, windows[1]
        )
        return counts, ids


def _groups(codes: pa.Array, known: tuple[str, ...]) -> tuple[npt.NDArray[np.int64], list[str | None]]:
    """Return the index of each code, (codes,) int64, -1 for null, and the codes that the indices mean."""
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    if pa.types.is_integer(codes.type):
        range_ = pc.min_max(codes).as_py()
        if range_["min"] is not None and (range_["min"] < 0 or range_["max"] >= len(known)):
            wrong = range_["min"] if range_["min"] < 0 else range_["max"]
            raise ConfigError(f"got {wrong} as the code of a text, expected an index from 0 to {len(known) - 1}.")
        return _indices(codes), list(known)
    if pa.types.is_string(codes.type) or pa.types.is_large_string(codes.type) or pa.types.is_string_view(codes.type):
        codes = codes.cast(pa.string()).dictionary_encode()
    if not pa.types.is_dictionary(codes.type) or not pa.types.is_string(codes.type.value_type):
        raise ConfigError(f"got codes of type {codes.type}, expected strings, a dictionary of strings, or integers.")
    return _indices(codes.indices), codes.dictionary.to_pylist()


def _indices(codes: Any) -> npt.NDArray[np.int64]:
    indices: npt.NDArray[np.int64] = codes.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return indices


def _sorted(indices: npt.NDArray[np.int64], groups: int) -> npt.NDArray[np.int64]:
    """Return the rows by ascending index; rows of equal index keep their order."""
    # numpy sorts 16-bit integers by radix.
    narrow = indices.astype(np.int16) if groups < 1 << 15 else indices
    return np.argsort(narrow, kind="stable")


def _in_rows(counts: npt.NDArray[np.int32], ids: npt.NDArray[np.int32], order: npt.NDArray[np.int64]) -> Matches:
    """Return the matches of texts in their own order; text i of `counts` and `ids` is text `order[i]`."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    # Arrow copies the ids of a text as the bytes of one value.
    starts = pa.py_buffer(_offsets_of(counts).astype(np.int64) * ids.itemsize)
    values = pa.Array.from_buffers(pa.large_binary(), len(counts), [None, starts, pa.py_buffer(ids)])
    placed = values.take(pa.array(place)).buffers()[2]
    return Matches(_offsets_of(counts[place]), np.frombuffer(placed, np.int32))


def _offsets_of(counts: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the offsets of lists of these lengths, (lists + 1,) int32."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise OverflowError(f"{offsets[-1]} matches in one batch do not fit int32 offsets; use smaller batches")
    return offsets.astype(np.int32)
