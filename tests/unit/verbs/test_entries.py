"""What a verb accepts as an entry list: lists and columns in order; nothing whose order may differ."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import metaclip_spark as mc
from metaclip_spark.errors import MetadataError
from metaclip_spark.verbs.entries import as_metadata

ENTRIES = ["photo", "otter", "an otter"]


@pytest.mark.parametrize(
    "entries",
    [
        ENTRIES,
        tuple(ENTRIES),
        deque(ENTRIES),
        np.array(ENTRIES),
        np.array(ENTRIES, dtype=object),
        pd.Series(ENTRIES, index=[3, 2, 1]),
        pd.Series(ENTRIES, dtype="string"),
        pd.Series(ENTRIES).astype("category"),
        pd.Index(ENTRIES),
        pa.array(ENTRIES),
        pa.array(ENTRIES, pa.string_view()),
        pa.array(ENTRIES).dictionary_encode(),
        pa.chunked_array([ENTRIES[:1], ENTRIES[1:]]),
        mc.Metadata.from_entries(ENTRIES),
    ],
    ids=lambda entries: type(entries).__name__,
)
def test_lists_and_columns_are_entries_in_order(entries):
    """The position of an entry is its id, in whatever holds the list."""
    assert as_metadata(entries) == mc.Metadata.from_entries(ENTRIES)


def test_a_polars_column_is_a_list():
    """A Series keeps its order."""
    polars = pytest.importorskip("polars", reason="polars is not installed: pip install polars")
    assert as_metadata(polars.Series(ENTRIES)) == mc.Metadata.from_entries(ENTRIES)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            set(ENTRIES),
            "metadata: got a set, expected a list: the order of a set differs in each process, and an entry's id is "
            "its position. Give sorted(...), and keep that list for later runs.",
        ),
        (frozenset(ENTRIES), "metadata: got a frozenset, expected a list: the order of a set differs in each process"),
        (
            dict.fromkeys(ENTRIES),
            "metadata: got a dict, expected a list; give list(...) for its keys, in their order.",
        ),
        (dict.fromkeys(ENTRIES).keys(), "metadata: got a dict_keys, expected a list, which can be read twice"),
        (iter(ENTRIES), "metadata: got a list_iterator, expected a list, which can be read twice; give list(...)."),
        ((entry for entry in ENTRIES), "metadata: got a generator, expected a list, which can be read twice"),
        (pa.table({"entry": ENTRIES}), "metadata: got a table, expected a list of strings; name its column"),
        (pd.DataFrame({"entry": ENTRIES}), "metadata: got a table, expected a list of strings; name its column"),
        (np.array([ENTRIES]), "metadata: got a table, expected a list of strings; name its column"),
        (pd.Series(["photo", np.nan]), "metadata: position 1 (from 0) holds a number, expected a string"),
        (pa.array(["photo", None]), "metadata: position 1 (from 0) holds null, expected a string"),
        (b"photo", "metadata: got one bytes, expected an array of strings"),
        ("photo", "photo: the suffix names no known format"),
        (7, "metadata: got a int, expected the path of a file, or a list of strings."),
        (None, "metadata: got a NoneType, expected the path of a file, or a list of strings."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_fixed_order_is_refused(entries: Any, message):
    """Another order would be another list, with other ids."""
    with pytest.raises(MetadataError) as raised:
        mc.match(pa.table({"text": ["a photo"]}), entries)
    assert str(raised.value).startswith(message)
