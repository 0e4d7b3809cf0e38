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

NONE, DOUBLE, BACKSLASH = "none", "double", "backslash"
ESCAPES, ESCAPES_ALONE = "escapes", "escapes_alone"
"""Backslashes escape in every field, as Python's csv writes them: with quoted fields too, or without any."""
_MAX_FIELDS = 2000  # that are weighed at a time
_LONGEST_FIELD = 1 << 16
_SAID = {
    NONE: "quotation marks are text",
    DOUBLE: "fields are quoted, and marks inside are doubled",
    BACKSLASH: "fields are quoted, and marks inside follow a backslash",
    ESCAPES: "fields are quoted, and a backslash escapes the next character in every field",
    ESCAPES_ALONE: "no field is quoted, and a backslash escapes the next character",
}
_NAMES = {b"\t": "tabs", b",": "commas", b";": "semicolons", b"|": "bars"}


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        delimiter: one byte.
        quoting: NONE, DOUBLE, BACKSLASH, ESCAPES or ESCAPES_ALONE.
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
        bare: marks in unquoted fields without a backslash.
        escaped_marks: marks in unquoted fields after a backslash.
        escaped_ends, literal_ends: lines with a backslash before a delimiter that are right if it escapes, or if not.
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
    bare: int = 0
    escaped_marks: int = 0
    escaped_ends: int = 0
    literal_ends: int = 0
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
        if self.escaped_ends and not self.literal_ends and self.escaped_ends > self.quoted - self.double:
            return ESCAPES_ALONE
        begun = self.none + self.quoted + self.needless + self.empty
        escapes = self.escaped_marks > 1 and not self.bare and not self.double
        if not begun and not header_is_quoted:
            return ESCAPES if escapes else None
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
        return ESCAPES if escapes else self.escape() or DOUBLE

    def escape(self) -> str | None:
        """Return how marks inside of quoted fields are written, or None as long as no field shows it."""
        if self.double or self.backslash:
            return BACKSLASH if self.backslash > self.double else DOUBLE
        if self.doubled_signs or self.single_signs:
            return BACKSLASH if self.doubled_signs > self.single_signs else DOUBLE
        return None


class _Patterns:
    """The expressions of one delimiter."""

    def __init__(self, delimiter: bytes) -> None:
        sign = re.escape(delimiter)
        after = rb"(?=[" + sign + rb"\r\n]|\Z)"
        self.opening = re.compile(rb'"(?<![^' + sign + rb'\r\n]")')
        self.double = re.compile(rb'"[^"]*(?:""[^"]*)*"' + after)
        self.double_open = re.compile(rb'"[^"]*(?:""[^"]*)*\Z')
        self.backslash = re.compile(rb'"[^"\\]*(?:(?:\\.|"")[^"\\]*)*"' + after, re.DOTALL)
        self.backslash_open = re.compile(rb'"[^"\\]*(?:(?:\\.|"")[^"\\]*)*\\?\Z', re.DOTALL)
        self.escaped_delimiter = re.compile(rb"(?<!\\)(?:\\\\)*\\" + sign)


_patterns = cache(_Patterns)
_PAIRS = re.compile(rb"\\\\")
_ESCAPED_MARK = re.compile(rb'(?<!\\)(?:\\\\)*\\"')


def weigh(data: bytes, delimiter: bytes, columns: int, final: bool, evidence: Evidence) -> int:
    """Add the evidence in a text; return the start of a field at its end that is not complete, or its length.

    Args:
        data: text from the start of a row.
        columns: the number of columns of the file.
        final: whether the file ends with this text.
    """
    patterns, resume, fields, upto = _patterns(delimiter), 0, 0, len(data)
    evidence.lines += data.count(b"\n")
    between: list[bytes] = []
    for found in patterns.opening.finditer(data):
        at = found.start()
        if at < resume:
            continue
        between.append(data[resume:at])
        fields += 1
        double, backslash = patterns.double.match(data, at), patterns.backslash.match(data, at)
        ends = {match.end() for match in (double, backslash) if match}
        if not final and (
            len(data) in ends
            or patterns.double_open.match(data, at) is not None
            or patterns.backslash_open.match(data, at) is not None
        ):
            if len(data) - at > _LONGEST_FIELD:  # a value of megabytes shows nothing
                resume = at + 1
                continue
            upto = resume = at
            break
        kind, end = _kind(data, at, double, backslash, delimiter, columns)
        evidence.add(kind, data[at : end or at + 60].split(b"\n")[0])
        if end and kind != "none":
            _weigh_backslashes(data[at + 1 : end - 1], evidence)
        resume = end if end and kind != "none" else at + 1
        if fields >= _MAX_FIELDS:
            upto = resume
            break
    between.append(data[resume:upto])
    if b"\\" in data:
        _weigh_escapes(between, delimiter, columns, evidence)
    elif b'"' in data:
        evidence.bare += sum(part.count(b'"') for part in between)
    return upto


def _kind(
    data: bytes,
    at: int,
    double: re.Match[bytes] | None,
    backslash: re.Match[bytes] | None,
    delimiter: bytes,
    columns: int,
) -> tuple[str, int]:
    """Return the kind of evidence of the field that begins with a mark at `at`, and the field's end (0: not quoted)."""
    match = double or backslash
    if match is None or match.end() - at > _LONGEST_FIELD:
        return "none", 0
    if double and backslash and double.end() != backslash.end():
        # A backslash before a closing mark, or a line that a doubled mark ends: the shorter field is the likelier.
        match = min(double, backslash, key=lambda found: found.end())
    end = match.end()
    inner = data[at + 1 : end - 1]
    if b"\n" in inner or delimiter in inner:
        start = data.rfind(b"\n", 0, at) + 1
        stop = data.find(b"\n", end)
        lines = data[start : stop if stop >= 0 else len(data)].split(b"\n")
        if all(line.count(delimiter) == columns - 1 for line in lines):
            return "none", end  # without quoting, every line is right
    if match is backslash and match is not double and b'\\"' in inner:
        return "backslash", end
    if b'""' in inner:
        return "double", end
    if match is backslash and b'"' in inner:
        return "backslash", end
    if b"\n" in inner or b"\r" in inner or delimiter in inner or inner.lower().startswith((b"http:", b"https:")):
        return "either", end
    return ("needless" if inner else "empty"), end


def _weigh_backslashes(inner: bytes, evidence: Evidence) -> None:
    if b"\\" in inner:
        rest = _PAIRS.sub(b"", inner).replace(b'\\"', b"")
        if b"\\" in rest:
            evidence.single_signs += 1
        elif b"\\\\" in inner:
            evidence.doubled_signs += 1


def _weigh_escapes(between: list[bytes], delimiter: bytes, columns: int, evidence: Evidence) -> None:
    """Add the evidence of backslashes in the text between quoted fields."""
    escaped_delimiter = _patterns(delimiter).escaped_delimiter
    for part in between:
        escaped = len(_ESCAPED_MARK.findall(part)) if b'\\"' in part else 0
        evidence.escaped_marks += escaped
        evidence.bare += part.count(b'"') - escaped
        if b"\\" + delimiter in part:
            for line in part.split(b"\n"):
                if b"\\" + delimiter not in line:
                    continue
                signs, escapes = line.count(delimiter), len(escaped_delimiter.findall(line))
                if signs == columns - 1:
                    evidence.literal_ends += 1
                elif signs - escapes == columns - 1:
                    evidence.add("escaped_ends", line)


def with_evidence(dialect: Dialect, quoting: str, evidence: Evidence) -> Dialect:
    """Return a dialect with a quoting that these fields show."""
    kinds = {
        NONE: ("none", "needless"),
        DOUBLE: ("double", "either", "needless"),
        BACKSLASH: ("backslash", "either", "needless"),
        ESCAPES: ("escaped_marks", "backslash", "either"),
        ESCAPES_ALONE: ("escaped_ends",),
    }[quoting]
    return replace(dialect, quoting=quoting, evidence=evidence.said(kinds))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()
