"""Named hostile inputs, in every format that can hold them."""

from __future__ import annotations

import gzip
import json
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from extraction import WatBuilder, extract
from warc_builder import page

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata import load_metadata

__all__ = ["extract"]

LEVELS = 10_000
PAGE = "http://ex.org/a/page.html"
STRANGE = "a\0b \u202egnp.\u2069 \ufeffc"
"""NUL, marks of direction, and a byte order mark inside a text."""
CLEAN = "ab \u202egnp.\u2069 \ufeffc"


def bomb(mib: int) -> bytes:
    """Return a gzip member that inflates to so many MiB of one letter."""
    coder, part = zlib.compressobj(9, zlib.DEFLATED, 31), b"x" * (1 << 20)
    return b"".join([*(coder.compress(part) for _ in range(mib)), coder.flush()])


def wat_members(*records: bytes) -> bytes:
    return b"".join(gzip.compress(record, 1, mtime=0) for record in records)


def wat_of(text: str) -> bytes:
    wat = WatBuilder()
    return wat.page(PAGE, [wat.img("http://ex.org/i.jpg", alt=text)])


@pytest.mark.parametrize("number", [1, 3])
def test_the_members_after_a_gzip_bomb_are_read(tmp_path, extract, number):
    """A WAT; tests/unit/extract/warc/test_warc_memory.py has the WARC. Bombs in a row are one damaged place."""
    path = tmp_path / "a.wat.gz"
    path.write_bytes(wat_members(wat_of("a cat")) + bomb(300) * number + wat_members(wat_of("a dog")))
    found = extract(path)
    assert [text for _, text in found.rows] == ["a cat", "a dog"]
    assert found.ending[0] == "partial"
    assert found.rejected == {"broken_record": 1}


@pytest.mark.parametrize("name", ["a.tsv.gz", "a.csv.gz", "a.jsonl.gz"])
def test_the_rows_after_a_gzip_bomb_are_read(tmp_path, extract, name):
    """In a table, a bomb is a row of hundreds of megabytes: it is left out, and counted."""
    sign = {"tsv": "\t", "csv": ","}.get(name[2:-3], "")

    def row(text: str) -> bytes:
        values = {"url": "http://ex.org/i.jpg", "text": text}
        return (json.dumps(values) if not sign else sign.join(values.values())).encode() + b"\n"

    head = b"" if not sign else sign.join(("url", "text")).encode() + b"\n"
    rows = [gzip.compress(head + row("a cat")), bomb(300), gzip.compress(b"\n" + row("a dog"))]
    path = tmp_path / name
    path.write_bytes(b"".join(rows))
    found = extract(path)
    assert [text for _, text in found.rows] == ["a cat", "a dog"], found.outcome
    assert sum(found.rejected.values()) == 1, found.rejected
    assert found.outcome["records_read"] == 3


DEEP = {
    "wat": (
        "a.wat.gz",
        lambda: wat_members(
            *(WatBuilder.record(opening * LEVELS) for opening in (b"[", b'{"a":', b'{"Envelope":')), wat_of("a cat")
        ),
        "broken_json",
    ),
    "jsonl": (
        "a.jsonl",
        lambda: b"\n".join(
            [_jsonl("a cat"), b"[" * LEVELS, b'{"a":' * LEVELS, b'{"url":' * LEVELS + b"0" + b"}" * LEVELS]
            + [_jsonl("a cat")] * 3
        ),
        "broken_json",
    ),
}


@pytest.mark.parametrize("kind", DEEP)
def test_ten_thousand_levels_of_json_are_one_reject(tmp_path, extract, kind):
    """The records after it are read."""
    name, make, reason = DEEP[kind]
    path = tmp_path / name
    path.write_bytes(make())
    found = extract(path)
    assert [text for _, text in found.rows] == ["a cat"], found.outcome
    assert found.rejected[reason] == 3
    assert found.outcome["records_read"] == 4 + found.rejected.get("repeat", 0)


def test_deep_json_that_ends_is_read_as_what_it_is(tmp_path, extract):
    """A page whose other values nest deeply keeps its links, or is one reject; nothing crashes."""
    wat = WatBuilder()
    whole = wat.page(PAGE, [wat.img("i.jpg", alt="a cat")])
    payload = whole.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n\r\n")
    deep = payload[:-1] + b',"x":' + b"[" * LEVELS + b"]" * LEVELS + b"}"
    path = tmp_path / "a.wat.gz"
    path.write_bytes(wat_members(wat.record(deep), wat_of("a dog")))
    found = extract(path)
    assert found.rows[-1][1] == "a dog"
    assert len(found.rows) + found.rejected.get("broken_json", 0) == 2


@pytest.mark.parametrize("content", [b"[" * LEVELS, b'{"a":' * LEVELS, b"[" * LEVELS + b"]" * LEVELS])
def test_ten_thousand_levels_of_an_entry_list_are_refused(tmp_path, content):
    """With a sentence about the list."""
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(MetadataError, match=r"is not JSON|expected a string"):
        load_metadata(path)


@pytest.mark.parametrize("opening", ["<div>", "<svg><g>", "<table><tr><td>", "<a href=x><b>", "<template>"])
def test_ten_thousand_levels_of_tags_keep_the_images(tmp_path, extract, opening):
    """Before, in and after them; tests/unit/extract/warc/test_html.py has more forms."""
    image = "<img src=http://ex.org/{0}.jpg alt='image {0}'>"
    body = image.format(1) + opening * LEVELS + "<p>" + image.format(2)
    path = tmp_path / "a.warc.gz"
    path.write_bytes(wat_members(page(body), page(image.format(3))))
    texts = [text for _, text in extract(path).rows]
    assert texts[0] == "image 1"
    assert texts[-1] == "image 3"


def _jsonl(text: str) -> bytes:
    return json.dumps({"url": "http://ex.org/i.jpg", "text": text}).encode()


def _parquet(text: str) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(pa.table({"url": ["http://ex.org/i.jpg"], "text": [text]}), out)
    return out.getvalue().to_pybytes()


FORMATS = {
    "a.wat.gz": lambda text: wat_members(wat_of(text)),
    "a.warc.gz": lambda text: wat_members(page(f"<img src=http://ex.org/i.jpg alt='{text}'>")),
    "a.tsv": lambda text: f"url\ttext\nhttp://ex.org/i.jpg\t{text}\n".encode(),
    "a.csv": lambda text: f'url,text\nhttp://ex.org/i.jpg,"{text}"\n'.encode(),
    "a.jsonl": _jsonl,
    "a.parquet": _parquet,
}


@pytest.mark.parametrize("name", FORMATS)
def test_nul_goes_and_marks_of_direction_stay_in_every_format(tmp_path, extract, name):
    """One text, whatever it came in; in HTML, a parser puts U+FFFD in the place of NUL."""
    path = tmp_path / name
    path.write_bytes(FORMATS[name](STRANGE))
    (pair,) = extract(path).pairs
    assert pair["text"] == (CLEAN if name != "a.warc.gz" else STRANGE.replace("\0", "\ufffd"))


@pytest.mark.parametrize("name", ["a.wat.gz", "a.jsonl"])
@pytest.mark.parametrize("text", ["a \ud800 b", "\udfff", "\ude00\ud83d", "x \ud83d"])
def test_lone_surrogates_become_the_replacement_character(tmp_path, extract, name, text):
    """In each kind of JSON."""
    path = tmp_path / name
    path.write_bytes(FORMATS[name](text))
    (pair,) = extract(path).pairs
    assert pair["text"] == "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
