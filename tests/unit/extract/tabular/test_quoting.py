"""Dialects of TSV and CSV: each writer's file gives the rows that were written, or rejects that are counted."""

from __future__ import annotations

import csv
import gzip
import io
import re

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.text import clean_text
from metaclip_spark.extract.tabular import blocks
from metaclip_spark.extract.tabular.delimited import dialect_of, read_delimited
from metaclip_spark.extract.tabular.dialect import Evidence, weigh
from metaclip_spark.extract.tabular.quotes import BROKEN, CLOSED, FIELD, OPEN, PLAIN, field_end, quotes_of, row_end
from metaclip_spark.sources.files import Source, Split

TEXTS = [
    "a plain dog",
    'a sign that says "open" at night',
    'a "big", red kite',
    "first line\nsecond line",
    "tab\tinside",
    'a 5" pipe',
    "ends in a backslash \\",
    "comma, and ends in a backslash \\",
    'both \\" of them, here',
    '"both"',
    '"',
    "windows\r\nline",
    "a return\rinside",
    "caf\u00e9, \u732b",
    "the last dog",
]
ROWS = [(f"http://e.org/{n}.jpg", text) for n, text in enumerate(TEXTS)]
PAIRS = [(url, clean_text(text)) for url, text in ROWS]


def written(rows=ROWS, header=("url", "text"), **options) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, **options)
    writer.writerows([header, *rows] if header else rows)
    return out.getvalue()


def as_spark(rows=ROWS, sep: str = ",", everything: bool = False) -> str:
    """Return the rows as Spark's CSV writer writes them by default."""

    def field(text: str) -> str:
        if not everything and not any(sign in text for sign in ('"', sep, "\n", "\r")):
            return text
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "".join(sep.join(map(field, row)) + "\n" for row in [("url", "text"), *rows])


def save(path, text: str | bytes):
    raw = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def frame(rows=ROWS) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["url", "text"])


WRITERS = {
    "pandas": lambda sep: frame().to_csv(sep=sep, index=False),
    "pandas with CRLF": lambda sep: frame().to_csv(sep=sep, index=False, lineterminator="\r\n"),
    "pandas, all quoted": lambda sep: frame().to_csv(sep=sep, index=False, quoting=csv.QUOTE_ALL),
    "pandas, strings quoted": lambda sep: frame().to_csv(sep=sep, index=False, quoting=csv.QUOTE_NONNUMERIC),
    "csv, minimal": lambda sep: written(delimiter=sep),
    "csv, all": lambda sep: written(delimiter=sep, quoting=csv.QUOTE_ALL),
    "csv, not numeric": lambda sep: written(delimiter=sep, quoting=csv.QUOTE_NONNUMERIC),
    "Spark": lambda sep: as_spark(sep=sep),
    "Spark, all quoted": lambda sep: as_spark(sep=sep, everything=True),
}


def with_arrow(sep: str) -> bytes:
    out = io.BytesIO()
    pa_csv.write_csv(pa.Table.from_pandas(frame()), out, pa_csv.WriteOptions(delimiter=sep))
    return out.getvalue()


WRITERS["Arrow"] = with_arrow


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.tsv.gz"])
@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_every_writers_file_gives_the_rows_that_were_written(tmp_path, extract, writer, name):
    """The dialect is found in the fields, and no row is lost or changed."""
    found = extract(save(tmp_path / name, writer("," if ".csv" in name else "\t")))
    assert (found.rows, found.rejected, found.ending) == (PAIRS, {}, ("done", None))


@pytest.mark.parametrize("quoting", ["double", "backslash"])
@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_a_given_quoting_is_used(tmp_path, extract, name, quoting):
    """What the user says needs no evidence."""
    sep = "," if ".csv" in name else "\t"
    text = written(delimiter=sep) if quoting == "double" else as_spark(sep=sep)
    assert extract(save(tmp_path / name, text), quoting=quoting).rows == PAIRS


def test_without_quoting_every_mark_is_text(tmp_path, extract):
    """`none` reads the marks of a file that pandas wrote, too."""
    path = save(tmp_path / "a.tsv", 'url\ttext\nu1\t"a ""b"" c"\nu2\tplain\n')
    assert extract(path, quoting="none").rows == [("u1", '"a ""b"" c"'), ("u2", "plain")]
    assert extract(path).rows == [("u1", 'a "b" c'), ("u2", "plain")]


CAPTIONS = [
    '"Foo" is not a word',
    'ends in a "word"',
    '"open',
    'closed"',
    'a 12" pipe',
    '"both"',
    '"a, b and c"',
    '"The "Mona Lisa""',
    '""Doubled"" at the start',
    "a \\t stays",
    "ends in a backslash \\",
    '"',
]


@pytest.mark.parametrize("captions", [CAPTIONS, CAPTIONS[:1], CAPTIONS[2:4], ['"both"', "x"], ['"open', 'x"', '"open']])
@pytest.mark.parametrize("columns", ["text_column", "url_column"])
def test_a_tsv_without_quoting_keeps_its_marks(tmp_path, extract, captions, columns):
    """CC12M's captions begin or end with marks, and none of its fields is quoted."""
    rows = [(f"http://e.org/{n}", caption) for n, caption in enumerate(captions)]
    order = (0, 1) if columns == "text_column" else (1, 0)
    body = "".join("\t".join(row[at] for at in order) + "\n" for row in [("url", "text"), *rows])
    found = extract(save(tmp_path / "a.tsv", body))
    assert (found.rows, found.rejected, found.ending) == (rows, {}, ("done", None))


@pytest.mark.parametrize("before", [100, 40_000])
@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
@pytest.mark.parametrize("dialect", ["double", "backslash"])
def test_the_first_quoted_field_may_come_late(tmp_path, extract, before, name, dialect):
    """Rows before it are the same in every dialect; the choice is made where the first quoted field is."""
    rows = [(f"http://e.org/{n}", f'a text {n} of 5" or more') for n in range(before)]
    if name == "a.csv" or dialect == "backslash":
        rows = [(url, text.replace('"', "")) for url, text in rows]
    tail = ROWS[1:3]
    sep = "," if name == "a.csv" else "\t"
    write = as_spark if dialect == "backslash" else lambda rows, sep: written(rows, delimiter=sep)
    head = "".join(f"{url}{sep}{text}\n" for url, text in rows)
    body = f"url{sep}text\n" + head + write(tail, sep=sep).partition("\n")[2]
    found = extract(save(tmp_path / name, body))
    assert found.rows == rows + tail
    assert found.ending == ("done", None)


def test_a_choice_that_later_fields_contradict_fails_loudly(tmp_path, extract):
    """A needless pair of marks looks like text; fields that must be quoted follow megabytes later."""
    plain = "".join(f"http://e.org/{n}\ttext {n}\n" for n in range(60_000))
    body = 'url\ttext\nhttp://e.org/x\t"both"\n' + plain + 'u1\t"a ""b"" c"\nu2\t"d ""e"" f"\n'
    found = extract(save(tmp_path / "a.tsv", body))
    assert found.outcome["status"] == "partial"
    assert "--quoting none, double or backslash" in found.outcome["reason"]
    assert '"a ""b"" c"' in found.outcome["reason"]


def test_quotes_that_most_fields_contradict_fail_loudly(tmp_path, extract):
    """A CSV whose first fields are quoted, and whose later ones use marks as text."""
    quoted = 'u0,"a, ""b"""\n'
    plain = "".join(f"u{n},text {n} of the rest\n" for n in range(60_000))
    bad = "".join(f'v{n},"Foo" and bar\n' for n in range(50))
    found = extract(save(tmp_path / "a.csv", "url,text\n" + quoted + plain + bad))
    assert found.outcome["status"] == "partial"
    assert found.rejected["broken_row"] == 50
    assert "--quoting" in found.outcome["reason"]


@pytest.mark.parametrize(
    "bad",
    ['u2,"Foo" and bar', 'u2,"open', 'u2,"a, ""b"" c', 'u2,""x', '"u2,b'],
    ids=["after", "open", "odd", "empty", "url"],
)
def test_a_row_with_a_broken_mark_is_one_reject(tmp_path, extract, bad):
    """A mark that closes nothing does not take the next rows along."""
    good = [("u1", 'say "a", b'), ("u3", "two\nlines, here"), ("u4", 'x "y", z'), ("u5", "plain")]
    lines = written(good[:1], delimiter=",", lineterminator="\n") + bad + "\n"
    lines += written(good[1:], header=None, delimiter=",", lineterminator="\n")
    found = extract(save(tmp_path / "a.csv", lines))
    assert found.rows == [(url, clean_text(text)) for url, text in good]
    assert found.rejected == {"broken_row": 1}
    assert found.ending == ("done", None)


def test_an_open_mark_in_the_last_row_is_a_reject(tmp_path, extract):
    """The rows after an open mark are read, up to the end of the file."""
    found = extract(save(tmp_path / "a.csv", 'url,text\nu1,"a, b"\nu2,"open\nu3,plain\nu4,plain'))
    assert found.rows == [("u1", "a, b"), ("u3", "plain"), ("u4", "plain")]
    assert found.rejected == {"broken_row": 1}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_of_every_system(tmp_path, extract, end, name, mark):
    """LF, CRLF, and the CR of old Macintosh files end rows, after a byte order mark too."""
    sep = "," if name == "a.csv" else "\t"
    body = mark + written([("u1", "a"), ("u2", f'b{sep} "c"'), ("u3", "d")], delimiter=sep, lineterminator=end)
    assert extract(save(tmp_path / name, body)).rows == [("u1", "a"), ("u2", clean_text(f'b{sep} "c"')), ("u3", "d")]


def test_a_lone_return_is_a_character(tmp_path, extract):
    """pandas does not quote a CR in a file of LF; the row is not cut there, and kept columns have it."""
    path = save(tmp_path / "a.tsv", "url\ttext\tk\nu1\ta\rb\tx\ry\nu2\tc\td\n")
    found = extract(path, keep_columns=("k",))
    assert found.rows == [("u1", "a b"), ("u2", "c")]
    assert [pair["extra"] for pair in found.pairs] == [[("k", "x\ry")], [("k", "d")]]


@pytest.mark.parametrize(
    "head",
    [
        "url;text\n",
        "sep=;\r\nurl;text\r\n",
        '"sep=;"\nurl;text\n',
        "url|text\n",
        "url\ttext\n",
        '"url";"text"\n',
        " url ; text \n",
    ],
)
def test_other_delimiters_of_a_csv_are_found_in_the_header(tmp_path, extract, head):
    """Excel writes semicolons where a comma is the decimal sign, and may name them in a first line."""
    sep = next(sign for sign in ";|\t" if sign in head.replace("sep=;", ""))
    path = save(tmp_path / "a.csv", head + f'u1{sep}a, b\nu2{sep}"c{sep} ""d"""\n')
    assert extract(path).rows == [("u1", "a, b"), ("u2", clean_text(f'c{sep} "d"'))]


def test_a_tsv_with_commas_is_found_in_the_header(tmp_path, extract):
    """A name that ends in .tsv does not make commas tabs."""
    assert extract(save(tmp_path / "a.tsv", 'url,text\nu1,"a, b"\nu2,c\n')).rows == [("u1", "a, b"), ("u2", "c")]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_nulls_of_databases_are_nulls(tmp_path, extract, name):
    r"""An unquoted \N is null, as MySQL, Hive and PostgreSQL write it; inside of a text it is a text."""
    sep = "," if name == "a.csv" else "\t"
    body = f"url{sep}text{sep}k\nu1{sep}\\N{sep}x\n\\N{sep}a{sep}x\nu3{sep}b \\N c{sep}\\N\n"
    found = extract(save(tmp_path / name, body), keep_columns=("k",))
    assert found.rows == [("u3", "b \\N c")]
    assert found.rejected == {"no_text": 1, "no_url": 1}
    assert found.pairs[0]["extra"] == [("k", None)]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv.gz"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_line_inside_is_a_reject(tmp_path, extract, name, mark):
    """Files that are written one after another repeat the header; it is no pair."""
    sep = "," if ".csv" in name else "\t"
    body = f"url{sep}text\nu1{sep}a\n{mark}url{sep}text\nu2{sep}b\nurl{sep}text b\n"
    found = extract(save(tmp_path / name, body))
    assert found.rows == [("u1", "a"), ("u2", "b"), ("url", "text b")]
    assert found.rejected == {"broken_row": 1}


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_a_wanted_column_that_is_there_twice_fails(tmp_path, extract, name):
    """Which of them is meant cannot be known; a name that is not wanted may be there twice."""
    sep = "," if name == "a.csv" else "\t"
    found = extract(save(tmp_path / name, sep.join(["url", "text", "text"]) + "\n" + sep.join("abc") + "\n"))
    assert found.outcome["status"] == "failed"
    assert found.outcome["reason"].startswith("column 'text' is there 2 times; expected once.")
    found = extract(save(tmp_path / name, sep.join(["url", "k", "text", "k"]) + "\n" + sep.join("abcd") + "\n"))
    assert found.rows == [("a", "c")]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_names_of_a_header_are_found_in_quotes_and_white_space(tmp_path, extract, name):
    """A quoted name, a name with spaces around it, and the first name after a byte order mark are the name."""
    sep = "," if name == "a.csv" else "\t"
    for head in (f'"url"{sep}"text"', f" url {sep} text ", f"\ufeffurl{sep}text", f'\ufeff"url"{sep}"text"'):
        assert extract(save(tmp_path / name, f"{head}\nu1{sep}a\n")).rows == [("u1", "a")]


def test_the_choice_is_said(tmp_path):
    """The sentence names the delimiter, the quoting, and the fields that showed it."""
    path = str(save(tmp_path / "a.csv", as_spark()))
    assert dialect_of(path, "csv").sentence == (
        "fields are separated by commas; fields are quoted, and marks inside follow a backslash "
        '(by 11 fields such as "a sign that says \\"open\\" at night")'
    )
    path = str(save(tmp_path / "b.tsv", 'url\ttext\nu\t"Foo" bar\n'))
    assert dialect_of(path, "tsv").sentence == (
        'fields are separated by tabs; quotation marks are text (by 1 field such as "Foo" bar)'
    )
    path = str(save(tmp_path / "c.tsv", "url\ttext\nu\ta\n"))
    assert not dialect_of(path, "tsv").is_chosen


ODD = st.text(alphabet='ab",;\t\n\r\\\u00e9 ', max_size=12)
MANY = st.lists(st.tuples(ODD, ODD), min_size=1, max_size=30)


def read(path, quoting: str) -> tuple[list[tuple[str, str]], Ledger]:
    kind = path.suffix[1:]
    source = Source(str(path), str(path), kind, 0, "")
    ledger = Ledger()
    rows = []
    for _, columns in read_delimited(Split(source, 0, 1, 0, 0), ExtractOptions(quoting=quoting), ledger):
        rows += [tuple(v.as_py().decode() for v in row) for row in zip(columns["url"], columns["text"], strict=True)]
    return rows, ledger


@pytest.mark.parametrize("sep", [",", "\t"])
@pytest.mark.parametrize("dialect", ["double", "backslash", "none"])
def test_any_texts_are_read_back_from_small_blocks(tmp_path, monkeypatch, dialect, sep):
    """Whatever the fields hold, and wherever a block ends, the rows are those that were written."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 48)
    path = tmp_path / ("a.csv" if sep == "," else "a.tsv")

    @settings(max_examples=150)
    @given(rows=MANY)
    def check(rows):
        rows = [(f"u{a}", b) for a, b in rows]
        if dialect == "none":
            rows = [tuple(f.replace(sep, "").replace("\n", "").replace("\r", "") for f in row) for row in rows]
            body = "".join(sep.join(row) + "\n" for row in [("url", "text"), *rows])
        elif dialect == "double":
            body = written(rows, delimiter=sep)
        else:
            body = as_spark(rows, sep=sep)
        path.write_bytes(body.encode())
        assert read(path, dialect)[0] == rows

    check()


NUMBERED = [(f"http://e.org/{n}.jpg", f"a dog, {n}") for n in range(6000)]


@pytest.mark.parametrize("rows", [1001, 2001, 6000])
@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
@pytest.mark.parametrize(("name", "sep"), [("a.csv", ","), ("a.tsv", "\t")])
def test_files_of_any_number_of_quoted_fields_are_read_to_their_end(tmp_path, extract, rows, quoting, name, sep):
    """Fields are weighed some thousands at a time, and no row after them is lost."""
    made = [(url, text.replace(", ", f"{sep} ")) for url, text in NUMBERED[:rows]]
    found = extract(save(tmp_path / name, written(made, delimiter=sep, quoting=quoting)), dedup=False)
    assert (found.rows, found.rejected) == ([(url, clean_text(text)) for url, text in made], {})


@pytest.mark.parametrize("quoting", ["double", "backslash"])
def test_a_given_quoting_reads_all_rows(tmp_path, extract, quoting):
    """With --quoting nothing is weighed."""
    rows = "".join(f'http://e.org/{n}.jpg,"a dog, {n}"\n' for n in range(6000))
    assert len(extract(save(tmp_path / "a.csv", "url,text\n" + rows), quoting=quoting).pairs) == 6000


def test_a_row_with_thousands_of_quoted_fields_is_read(tmp_path, extract):
    """A row may have more fields than are weighed at a time."""
    names = ["url", "text", *(f"c{n}" for n in range(3000))]
    rows = [[f"http://e.org/{n}.jpg", "a dog", *["x"] * 3000] for n in range(5)]
    text = written(rows, header=names, quoting=csv.QUOTE_ALL)
    assert len(extract(save(tmp_path / "a.csv", text)).pairs) == 5


@pytest.mark.parametrize(("name", "sep"), [("a.csv", ","), ("a.tsv", "\t")])
@pytest.mark.parametrize("first", ['"A ""b"" c"', "a plain dog"])
def test_stray_marks_do_not_swallow_the_rows_between_them(tmp_path, extract, name, sep, first):
    """A mark that opens no field and a later one that closes none are at most a reject each."""
    rows = [[f"http://e.org/{n}.jpg", f"cap {n}"] for n in range(5000)]
    rows[5][1] = first
    for at in range(1000, 5000, 1000):
        rows[at][1], rows[at + 100][1] = '"Sunset over', 'size 5"'
    found = extract(save(tmp_path / name, "\n".join(sep.join(row) for row in [["url", "text"], *rows])), dedup=False)
    assert found.outcome["records_read"] == 5000
    assert set(found.rejected) <= {"broken_row"}
    assert len(found.pairs) >= 4990
    assert all("http" not in text for _, text in found.rows)


def test_backslashes_in_texts_are_texts(tmp_path, extract):
    """A few backslashes before marks, delimiters and line ends do not change how the other rows are read."""
    rows = [[f"http://e.org/{n}.jpg", f"cap {n}"] for n in range(3000)]
    rows[5][1], rows[6][1], rows[7][1] = r"the \"best\" dog", r"C:\new\dir", "ends in backslash\\"
    found = extract(save(tmp_path / "a.tsv", "\n".join("\t".join(row) for row in [["url", "text"], *rows])))
    assert found.rows == [tuple(row) for row in rows]
    unc = extract(save(tmp_path / "a.csv", 'url,text\nhttp://e.org/1.jpg,"a, \\\\ b"\n'))
    assert unc.rows == [("http://e.org/1.jpg", "a, \\\\ b")]


@pytest.mark.parametrize("rows", [1500, 2500, 6000])
def test_a_needlessly_quoted_column_is_read_alike_in_files_of_any_size(tmp_path, extract, rows):
    """The number of rows does not decide whether the marks around every text are quotes."""
    text = "url\ttext\n" + "".join(f'http://e.org/{n}.jpg\t"a dog {n}"\n' for n in range(rows))
    assert extract(save(tmp_path / "a.tsv", text)).rows[0] == ("http://e.org/0.jpg", "a dog 0")


def test_long_quoted_fields_are_no_contradiction(tmp_path, extract):
    """A closed field of 80 KB shows nothing about the quoting."""
    rows = [[f"http://e.org/{n}.jpg", f"cap {n}"] for n in range(700)]
    rows[5][1], rows[600][1] = '"A ""b"" ' + "x" * 80_000 + '"', '"c ""d"" e"'
    found = extract(save(tmp_path / "a.tsv", "\n".join("\t".join(row) for row in [["url", "text"], *rows])))
    assert found.rejected == {"text_cap": 1}
    assert dict(found.rows)["http://e.org/600.jpg"] == 'c "d" e'


@pytest.mark.parametrize(
    ("name", "bad"), [("a.tsv", b"caf\xe9\tx"), ("a.tsv", b"a\rb\tc"), ("a.csv", b"caf\xe9, not, here")]
)
def test_a_bad_row_with_bytes_that_are_not_utf8_is_one_reject(tmp_path, extract, name, bad):
    """Arrow decodes a row of another number of columns before it hands it on."""
    sep = b"," if name == "a.csv" else b"\t"
    lines = [sep.join((b"url", b"text", b"lang"))]
    lines += [sep.join((b"http://e.org/%d.jpg" % n, "caf\u00e9 \u732b".encode(), b"en")) for n in range(100)]
    lines[50:50] = [bad.replace(b", ", b",", 1) if name == "a.csv" else bad]
    lines[80] = sep.join((b"http://e.org/latin.jpg", b"caf\xe9", b"en"))
    found = extract(save(tmp_path / name, b"\n".join(lines)))
    assert found.ending == ("done", None)
    assert found.rejected["broken_row"] in (1, 2)
    assert len(found.pairs) == 99
    assert {text for _, text in found.rows} == {"caf\u00e9 \u732b"}


WHOLE_FIELD = {
    False: (rb'"[^"]*(?:""[^"]*)*"(?=[,\r\n]|\Z)', rb'"[^"]*(?:""[^"]*)*\Z'),
    True: (rb'"[^"\\]*(?:(?:\\.|"")[^"\\]*)*"(?=[,\r\n]|\Z)', rb'"[^"\\]*(?:(?:\\.|"")[^"\\]*)*\\?\Z'),
}
"""Whether marks follow a backslash -> a field that is closed, and one that the text does not close."""


@given(st.text('""",\\\n\ra', max_size=12), st.booleans())
def test_the_end_of_a_field_is_where_its_definition_says(text, backslash):
    """From every mark; the definition is an expression, which takes a megabyte of marks apart slowly."""
    data = text.encode()
    quotes = quotes_of(data)
    whole, half = (re.compile(pattern, re.DOTALL) for pattern in WHOLE_FIELD[backslash])
    for at in quotes.tolist():
        closed, opened = whole.match(data, at), half.match(data, at)
        expected = (CLOSED, closed.end()) if closed else (OPEN if opened else BROKEN, 0)
        before = data[at - 1 : at]
        assert before not in (b"", b",", b"\n", b"\r") or field_end(data, quotes, at, 44, backslash) == expected


ROW_END = {
    FIELD: re.compile(rb'(?<!")(?:"")*"(?:,[^\r\n]*)?\r?\n'),
    PLAIN: re.compile(rb"\n"),
}
"""Where a row is at its beginning -> its end, if marks are doubled."""


@given(st.text('"",\n\ra', max_size=20), st.sampled_from([FIELD, PLAIN]), st.integers(0, 20))
def test_the_end_of_a_long_row_is_where_its_definition_says(text, state, cut):
    """In one piece and in two."""
    data = text.encode()
    found = ROW_END[state].search(data)
    expected = found.end() if found else 0
    assert row_end(data, 0, 44, False, 10, state)[0] == expected
    end, state = row_end(data[:cut], 0, 44, False, 10, state)
    rest, _ = row_end(data[cut:], 0, 44, False, 10, state)
    assert (end or (rest and rest + len(data[:cut]))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [(r'a\"\n"\nb', 6), (r'a\\"\nb', 5), (r'a\"","\n"x\n",b\nc', 7), (r'\\\"\n"\n', 7)],
)
@pytest.mark.parametrize("cut", range(12))
def test_a_mark_after_a_backslash_closes_no_long_row(text, expected, cut):
    """An odd number of backslashes makes it text, also where a piece ends between them."""
    data = text.replace(r"\n", "\n").encode()
    end, state = row_end(data[:cut], 0, 44, True, 10, FIELD)
    end = end or row_end(data[cut:], 0, 44, True, 10, state)[0] + len(data[:cut])
    assert end == expected


class Watched(bytes):
    """Bytes that count how many of them are searched."""

    searched = 0

    def _search(self, verb, sign, start=0, stop=None):
        stop = len(self) if stop is None else stop
        found = getattr(bytes, verb)(self, sign, start, stop)
        if verb == "rfind":
            start = max(start, found)
        elif verb == "find" and found >= 0:
            stop = found
        self.searched += stop - start
        return found

    def count(self, *words):
        return self._search("count", *words)

    def find(self, *words):
        return self._search("find", *words)

    def rfind(self, *words):
        return self._search("rfind", *words)


@pytest.mark.parametrize("field", ['"a,b",', '"a,b","c\nd",', '"a\rb,c",x\r', '"a ""b"", c",', '"a\\"b,",', '"a,b"\n'])
@pytest.mark.parametrize("number", [90, 900])
def test_a_row_of_many_fields_is_searched_once_and_not_for_each_field(field, number):
    """Of a row of megabytes, each field must not look at the whole."""
    data = Watched((field * number).encode())
    evidence = Evidence()
    assert weigh(data, b",", 2, True, evidence) == len(data)
    assert evidence.quoted + evidence.none >= number
    assert data.searched <= 8 * len(data)
