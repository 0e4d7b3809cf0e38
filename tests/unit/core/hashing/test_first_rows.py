"""The first row of each key, from columns of Arrow, against a sort of all rows in Python."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.core.hashing.first_rows import first_rows


def key(number: int) -> bytes:
    """Return a key; keys 2n and 2n + 1 differ in their last byte alone."""
    return (number // 2).to_bytes(8, "big") + (number % 2).to_bytes(8, "big")


ROWS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([None, "a", "B", "é"]),
        st.sampled_from([None, "", "p"]),
        st.integers(0, 3),
    ),
    max_size=30,
)


@given(rows=ROWS)
def test_rows_are_the_minima_by_key_and_nulls_come_first(rows):
    """A key with a row that is null in the first column keeps none."""

    def order(at: int) -> tuple:
        _, source, page, position = rows[at]
        return (source is not None, (source or "").encode(), page is not None, page or "", position, at)

    best: dict[int, int] = {}
    for at, row in enumerate(rows):
        best[row[0]] = min(best.get(row[0], at), at, key=order)
    expected = [best[number] for number in sorted(best) if rows[best[number]][1] is not None]
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    table = pa.table(
        {
            "pair_key": pa.array([key(number) for number in columns[0]], pa.binary()),
            "source_path": pa.array(columns[1], pa.string()),
            "page_url": pa.array(columns[2], pa.string()),
            "position": pa.array(columns[3], pa.int64()),
        }
    )
    found = first_rows(table, "pair_key", ("source_path", "page_url", "position")).tolist()
    assert [rows[at] for at in found] == [rows[at] for at in expected]
