r"""Choose how a TSV or CSV is written: its delimiter, line ends and quotation marks.

Writers do not agree. CC3M and CC12M have no quoting: a mark is text. pandas, DuckDB, Polars and Excel quote a field
with a special character, and double the marks inside. Spark puts a backslash before them. A file's own fields show
which. As long as no field begins with a mark, every way to read the file gives the same, so the choice waits for the
first such field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache

from metaclip_spark.extract.tabular.quotes import OPEN, field_end, quotes_of

NONE, DOUBLE, BACKSLASH = "none", "double", "backslash"
_MAX_FIELDS = 2000  # that are weighed at a time
_LONGEST_FIELD = 1 << 16
_DOUBLED_SIGNS = 3  # fields whose backslashes all come in pairs; one or two may be texts
_FEW_LINES = 3
_SAID = {
    NONE: "quotation marks are text",
    DOUBLE: "fields are quoted, and marks inside are doubled",
    BACKSLASH: "fields are quoted, and marks inside follow a backslash",
}
_NAMES = {b"\t": "tabs", b",": "commas", b";": "semicolons", b"|": "bars"}


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        delimiter: one byte.
        quoting: NONE, DOUBLE or BACKSLASH.
        line_end: a line feed (CRLF is one, too), or the carriage return of a file without line feeds.
        evidence: the fields that decided, in words; "" if the file has none.
        is_default: whether the delimiter is the one that the file's name stands for.
    """

    delimiter: bytes
    quoting: str
    line_end: bytes = b"\n"
    evidence: str = ""
    is_default: bool = True

    @property
    def is_chosen(self) -> bool:
        """Whether the file's text decided something: the delimiter, or the quoting."""
        return bool(self.evidence) or not self.is_default

    @property
    def sentence(self) -> str:
        """The dialect in one sentence, for the user."""
        between = _NAMES.get(self.delimiter, repr(self.delimiter.decode("latin-1")))
        why = f" ({self.evidence})" if self.evidence else ""
        return f"fields are separated by {between}; {_SAID[self.quoting]}{why}"


@dataclass
class Evidence:
    """Numbers of fields that show how a file is written.

    Attributes:
        none: a field that begins with a mark and cannot be quoted.
        double, backslash: a quoted field with marks inside that are doubled, or follow a backslash.
        either: a quoted field that must be one, without marks inside.
        needless, empty: a field in quotation marks that needs none, and marks without a text.
        doubled_signs, single_signs: quoted fields whose backslashes come in pairs, or not.
        lines: number of lines.
        first: the kind of evidence -> its first field.
    """

    none: int = 0
    double: int = 0
    backslash: int = 0
    either: int = 0
    needless: int = 0
    empty: int = 0
    doubled_signs: int = 0
    single_signs: int = 0
    lines: int = 0
    first: dict[str, bytes] = field(default_factory=dict)

    @property
    def quoted(self) -> int:
        """Fields that only quoting explains."""
        return self.double + self.backslash + self.either

    def add(self, kind: str, example: bytes) -> None:
        """Count one field."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.first.setdefault(kind, example[:60])

    def said(self, kinds: tuple[str, ...]) -> str:
        """Return the counts of these kinds with an example."""
        found = [kind for kind in kinds if kind in self.first]
        number = sum(getattr(self, kind) for kind in found)
        plural = "" if number == 1 else "s"
        return f"by {number:,} field{plural} such as {_text(self.first[found[0]])}" if found else ""

    def choose(self, delimiter: bytes, header_is_quoted: bool) -> str | None:
        """Return the quoting that the fields show, or None as long as they show none."""
        begun = self.none + self.quoted + self.needless + self.empty
        if not begun and not header_is_quoted:
            return None
        if delimiter == b"\t":
            everywhere = header_is_quoted or self.needless > 9 and self.needless * 10 >= self.lines * 9
            plain = (
                self.none >= self.quoted
                and self.none + self.needless
                and not (everywhere and self.none <= self.needless)
            )
        else:
            plain = self.none > 1 and self.none > self.quoted + self.needless
        if plain:
            return NONE
        return self.escape() or DOUBLE

    def escape(self) -> str | None:
        """Return how marks inside of quoted fields are written, or None as long as no field shows it."""
        if self.double or self.backslash:
            return BACKSLASH if self.backslash > self.double else DOUBLE
        if self.single_signs:
            return DOUBLE
        if self.doubled_signs >= _DOUBLED_SIGNS:
            return BACKSLASH
        return None


class _Patterns:
    """The expressions of one delimiter."""

    def __init__(self, delimiter: bytes) -> None:
        sign = re.escape(delimiter)
        self.opening = re.compile(rb'"(?<![^' + sign + rb'\r\n]")')
        self.url = re.compile(rb"(?:^|" + sign + rb')"?https?://', re.IGNORECASE)


_patterns = cache(_Patterns)
_PAIRS = re.compile(rb"\\\\")


class _Line:
    """The delimiters of the line that a field is in, which are counted once for all fields of the line."""

    def __init__(self, data: bytes, delimiter: bytes) -> None:
        self._data, self._delimiter = data, delimiter
        self._stop = -1
        self._number = 0

    def delimiters(self, at: int) -> int:
        """Return the number of delimiters in the line at `at`, which is not before the last one."""
        if at > self._stop:
            start, stop = self._data.rfind(b"\n", 0, at) + 1, self._data.find(b"\n", at)
            self._stop = stop if stop >= 0 else len(self._data)
            self._number = self._data.count(self._delimiter, start, self._stop)
        return self._number


def weigh(data: bytes, delimiter: bytes, columns: int, final: bool, evidence: Evidence) -> int:
    """Add the evidence in a text; return the start of a field at its end that is not complete, or its length.

    Args:
        data: text from the start of a row.
        columns: the number of columns of the file.
        final: whether the file ends with this text.
    """
    quotes, line, resume, fields, upto = quotes_of(data), _Line(data, delimiter), 0, 0, len(data)
    for found in _patterns(delimiter).opening.finditer(data):
        at = found.start()
        if at < resume:
            continue
        fields += 1
        double_state, double = field_end(data, quotes, at, delimiter[0], False)
        backslash_state, backslash = field_end(data, quotes, at, delimiter[0], True)
        if not final and (OPEN in (double_state, backslash_state) or len(data) in (double, backslash)):
            if len(data) - at > _LONGEST_FIELD:  # a value of megabytes shows nothing
                resume = at + 1
                continue
            upto = resume = at
            break
        kind, end = _kind(data, at, double, backslash, line, delimiter, columns)
        if kind:
            evidence.add(kind, data[at : end or at + 60].split(b"\n")[0])
        if end and kind != "none":
            _weigh_backslashes(data[at + 1 : end - 1], evidence)
        resume = end if end and kind != "none" else at + 1
        if fields >= _MAX_FIELDS:
            upto = resume
            break
    evidence.lines += data.count(b"\n", 0, upto)
    return upto


def _kind(
    data: bytes, at: int, double: int, backslash: int, line: _Line, delimiter: bytes, columns: int
) -> tuple[str, int]:
    """Return the kind of evidence of the field that begins with a mark at `at`, and the field's end (0: not quoted).

    The kind is "" for a field that shows nothing.

    Args:
        double, backslash: the field's end if marks inside are doubled, or follow a backslash; 0 if it has none.
    """
    if not double and not backslash:
        return "none", 0
    # The two differ by a backslash before a closing mark, or by a line that a doubled mark ends: the shorter field is
    # the likelier.
    end = min(double or backslash, backslash or double)
    inner = data[at + 1 : end - 1]
    if b"\n" in inner:
        is_rows = holds_rows(data, at, end, delimiter, columns, _FEW_LINES)
    else:
        is_rows = delimiter in inner and line.delimiters(at) == columns - 1
    if is_rows:
        return "none", 0
    if end - at > _LONGEST_FIELD:
        return "", end
    if end != double and b'\\"' in inner:
        return "backslash", end
    if b'""' in inner:
        return "double", end
    if end != double and b'"' in inner:
        return "backslash", end
    if b"\n" in inner or b"\r" in inner or delimiter in inner or inner.lower().startswith((b"http:", b"https:")):
        return "either", end
    return ("needless" if inner else "empty"), end


def holds_rows(data: bytes, opened: int, closed: int, delimiter: bytes, columns: int, few_lines: int | None) -> bool:
    """Return whether a field that marks at `opened` and before `closed` enclose is right as rows without quoting.

    Every line has the file's number of columns then, and a url in each line but the first.

    Args:
        few_lines: of more lines than this, no url is needed; None: it is always needed.
    """
    stop = data.find(b"\n", closed)
    lines = data[data.rfind(b"\n", 0, opened) + 1 : stop if stop >= 0 else len(data)].split(b"\n")
    if not all(line.count(delimiter) == columns - 1 for line in lines):
        return False
    if len(lines) == 1 or (few_lines is not None and len(lines) > few_lines):
        return True
    url = _patterns(delimiter).url
    return all(url.search(line) for line in lines[1:])


def _weigh_backslashes(inner: bytes, evidence: Evidence) -> None:
    if b"\\" in inner:
        rest = _PAIRS.sub(b"", inner).replace(b'\\"', b"")
        if b"\\" in rest:
            evidence.single_signs += 1
        elif b"\\\\" in inner:
            evidence.doubled_signs += 1


def with_evidence(dialect: Dialect, quoting: str, evidence: Evidence) -> Dialect:
    """Return a dialect with a quoting that these fields show."""
    kinds = {
        NONE: ("none", "needless"),
        DOUBLE: ("double", "either", "needless"),
        BACKSLASH: ("backslash", "either", "needless"),
    }[quoting]
    return replace(dialect, quoting=quoting, evidence=evidence.said(kinds))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()
