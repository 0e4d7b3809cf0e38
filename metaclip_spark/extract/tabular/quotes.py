"""Find the quoted fields of delimited text by a compiled loop over its quotation marks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import bytes_of, kernel

CLOSED, OPEN, BROKEN = 0, 1, 2
PLAIN, FIELD, MARK, ESCAPE, LINE, RETURN = range(6)
"""Where a piece of a row ends, for `row_end`: in a row that no field keeps open, inside of a quoted field, after a mark
in it, after a backslash in it, in the line after the field, and after a carriage return of that line."""
_QUOTE, _BACKSLASH, _LINE_FEED, _CARRIAGE_RETURN = 34, 92, 10, 13


class Fields(NamedTuple):
    """The quoted fields of a text, up to the first that is not closed properly.

    Attributes:
        opened, closed: positions of the quotation marks that open and close the fields.
        state: CLOSED: all are closed; OPEN: the text ends inside the last; BROKEN: a text follows a closing mark.
        at: position of the mark that opens the field that is not closed; -1 if all are.
    """

    opened: npt.NDArray[np.int64]
    closed: npt.NDArray[np.int64]
    state: int
    at: int

    def line_end_before(self, data: bytes, end: int, line_end: bytes) -> int:
        """Return the position after the last line end in `data[:end]` that is outside of these fields, or 0."""
        found = data.rfind(line_end, 0, end)
        field = int(np.searchsorted(self.opened, found)) - 1
        while found >= 0 and field >= 0 and found < self.closed[field]:
            found = data.rfind(line_end, 0, int(self.opened[field]))
            field = int(np.searchsorted(self.opened, found)) - 1
        return found + 1

    def within(self, start: int, stop: int) -> Fields:
        """Return the fields that close before `stop`, with positions that count from `start`."""
        number = int(np.searchsorted(self.closed, stop))
        return Fields(self.opened[:number] - start, self.closed[:number] - start, CLOSED, -1)


def quotes_of(data: bytes) -> npt.NDArray[np.int64]:
    """Return the positions of all quotation marks."""
    return np.flatnonzero(bytes_of(data) == _QUOTE)


def quoted_fields(
    data: bytes, quotes: npt.NDArray[np.int64], start: int, delimiter: int, backslash: bool, final: bool
) -> Fields:
    """Find the quoted fields in `data[start:]`, where `start` is the start of a row.

    Args:
        quotes: the result of `quotes_of(data)`.
        backslash: whether a mark after an odd number of backslashes belongs to the field's text.
        final: whether the text ends here, so that its last mark may close a field.
    """
    first = int(np.searchsorted(quotes, start))
    spans = np.empty((len(quotes) - first, 2), np.int64)
    number, state, at = _spans(bytes_of(data), quotes[first:], start, delimiter, backslash, final, spans)
    return Fields(spans[:number, 0], spans[:number, 1], state, at)


def field_end(data: bytes, quotes: npt.NDArray[np.int64], at: int, delimiter: int, backslash: bool) -> tuple[int, int]:
    """Return the state of the field that the mark at `at` opens, and the position after its closing mark, or 0.

    The text ends with `data`; the other arguments are those of `quoted_fields`.
    """
    span = np.zeros((1, 2), np.int64)
    first = int(np.searchsorted(quotes, at))
    _, state, _ = _spans(bytes_of(data), quotes[first:], at, delimiter, backslash, True, span)
    return state, int(span[0, 1]) + 1 if state == CLOSED else 0


def row_end(data: bytes, start: int, delimiter: int, backslash: bool, line_end: int, state: int) -> tuple[int, int]:
    """Find where a row ends in `data[start:]`, which is a piece of it.

    A row that begins inside of a quoted field ends with the line that the field closes in. A mark closes it before a
    delimiter or a line end, if it is not one of a pair.

    Args:
        state: PLAIN or FIELD for the first piece of the row; for the next, the state that was returned.

    Returns:
        The position after the line end, or 0; and the state at the end of the piece.
    """
    end, state = _row_end(bytes_of(data), start, delimiter, backslash, line_end, state)
    return int(end), int(state)


@kernel
def _row_end(
    raw: np.ndarray, start: int, delimiter: int, backslash: bool, line_end: int, state: int
) -> tuple[int, int]:
    """Return what `row_end` returns; `raw` is (n,) uint8."""
    for at in range(start, len(raw)):
        byte = raw[at]
        if state == PLAIN:
            if byte == line_end:
                return at + 1, state
            continue
        if state == RETURN:
            if byte == line_end:
                return at + 1, state
            state = FIELD
        if state == MARK:
            if byte != delimiter and byte != _LINE_FEED and byte != _CARRIAGE_RETURN:
                state = FIELD  # one of a pair, or stray
                continue
            state = LINE
        if state == LINE:
            if byte == line_end:
                return at + 1, state
            if byte == _CARRIAGE_RETURN:
                state = RETURN
            elif byte == _LINE_FEED:
                state = FIELD
        elif state == FIELD:
            if byte == _QUOTE:
                state = MARK
            elif backslash and byte == _BACKSLASH:
                state = ESCAPE
        else:  # after a backslash
            state = FIELD
    return 0, state


@kernel
def _spans(
    raw: np.ndarray, quotes: np.ndarray, start: int, delimiter: int, backslash: bool, final: bool, spans: np.ndarray
) -> tuple[int, int, int]:
    """Fill `spans` with the fields' marks; return the number of fields, the state, and the mark without a partner.

    Args:
        raw: (n,) uint8.
        quotes: (m,) int64: positions of the marks from `start` on.
        spans: (k, 2) int64, for the results: the first k fields.
    """
    size, marks, number, at = len(raw), len(quotes), 0, 0
    while at < marks and number < len(spans):
        opened = quotes[at]
        at += 1
        if opened > start:
            before = raw[opened - 1]
            if before != delimiter and before != _LINE_FEED and before != _CARRIAGE_RETURN:
                continue  # inside an unquoted field: a character
        closed = -1
        while at < marks:
            mark = quotes[at]
            if backslash:
                first = mark
                while first > opened + 1 and raw[first - 1] == _BACKSLASH:
                    first -= 1
                if (mark - first) % 2:
                    at += 1
                    continue
            if at + 1 < marks and quotes[at + 1] == mark + 1:
                at += 2
                continue
            at += 1
            if mark + 1 < size:
                after = raw[mark + 1]
                if after != delimiter and after != _LINE_FEED and after != _CARRIAGE_RETURN:
                    return number, BROKEN, opened
                closed = mark
            elif final:
                closed = mark
            break
        if closed < 0:
            return number, OPEN, opened
        spans[number, 0] = opened
        spans[number, 1] = closed
        number += 1
    return number, CLOSED, -1


def doubled_marks(data: memoryview, fields: Fields) -> bytes:
    r"""Return the text with the escapes of quoted fields by backslashes written as doubled marks.

    In a quoted field, \" becomes "", and \\ becomes \; a backslash before another byte stays, as Spark reads it.
    """
    raw = np.frombuffer(data, np.uint8).copy()
    dropped = np.empty(np.count_nonzero(raw == _BACKSLASH), np.int64)
    number = _rewrite(raw, fields.opened, fields.closed, dropped)
    return np.delete(raw, dropped[:number]).tobytes() if number else raw.tobytes()


@kernel
def _rewrite(raw: np.ndarray, opened: np.ndarray, closed: np.ndarray, dropped: np.ndarray) -> int:
    """Write doubled marks into `raw`; list the backslashes to drop, and return their number."""
    number = 0
    for field in range(len(opened)):
        at, stop = opened[field] + 1, closed[field]
        while at + 1 < stop:
            if raw[at] == _BACKSLASH:
                if raw[at + 1] == _QUOTE:
                    raw[at] = _QUOTE
                    at += 1
                elif raw[at + 1] == _BACKSLASH:
                    dropped[number] = at
                    number += 1
                    at += 1
            at += 1
    return number
