"""What a file is by its first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from archives import written, zipped

from metaclip_spark.errors import DamagedSourceError, WrongKindError
from metaclip_spark.storage.magic import check_head, check_start, identified, kind_of

TABLE = pa.table({"url": ["u1"], "text": ["a cat"]})
TEXT = "url\ttext\nu1\ta cat\nu2\ta dog\n"


def stream() -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return out.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
FILES = {
    "gzip": gzip.compress(TEXT.encode()),
    "bzip2": bz2.compress(TEXT.encode()),
    "xz": lzma.compress(TEXT.encode()),
    "zstd": bytes(pa.compress(TEXT.encode(), codec="zstd", asbytes=True)),
    "zip": zipped(TEXT),
    "parquet": written(lambda out: pq.write_table(TABLE, out)),
    "orc": written(lambda out: pyarrow.orc.write_table(TABLE, out)),
    "arrow": written(lambda out: pyarrow.feather.write_feather(TABLE, out)),
    "feather": b"FEA1" + bytes(8),
    "arrow-stream": stream(),
    "avro": b"Obj\x01\x04\x14avro.codec",
    "lfs": LFS,
    "html": b"\n <!DOCTYPE html><html><body>503</body></html>",
    "xml": b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>',
    "json-array": b'\n[{"url": "u1"}]',
    "json": b'{"url": "u1"}',
    "utf-16": TEXT.encode("utf-16"),
    "utf-32": TEXT.encode("utf-32"),
    "nul": bytes(10_000),
    "warc": b"WARC/1.0\r\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_its_first_bytes_say(name):
    """Each library's own output has its kind."""
    assert kind_of(FILES[name][:4096]).name == name


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_found_without_its_mark(encoding):
    """NULs in every second byte tell it, also where some letters are not Latin."""
    assert kind_of(TEXT.encode(encoding)).name == "utf-16"
    assert kind_of('url\ttext\nu1\t"\u732b" \u732b\n'.encode(encoding)).name == "utf-16"


@pytest.mark.parametrize(
    "text",
    [
        "url,text\n",
        "",
        "\ufeffurl;text",
        "\u732b\t\u732b\n",
        "versions\ttext\n",
        "BZ2,text\n",
        "<alt>,text",
        "a\0b\tc\n",
    ],
)
def test_tables_of_text_have_no_kind(text):
    """Names, languages, byte order marks and single NULs are no sign of another kind."""
    assert kind_of(text.encode()) is None


def test_what_a_format_reads_is_accepted():
    """The reader's own kind, and text without a sign."""
    check_head(FILES["parquet"], "parquet")
    check_head(FILES["json"], "jsonl")
    check_head(b"url,text", "csv")
    check_head(b"[url],text", "csv")
    check_head(b"WARC/1.0", "warc")


def test_other_kinds_are_refused_with_what_they_are():
    """The error says what was got, what was expected, and what to do."""
    with pytest.raises(WrongKindError) as caught:
        check_head(LFS, "tsv")
    assert str(caught.value) == (
        "the file is a Git LFS pointer, not the file itself (it begins with b'version https://git-'); expected a "
        "header and rows of text in UTF-8, plain or gzip. What to do: fetch the file with 'git lfs pull'."
    )
    with pytest.raises(DamagedSourceError, match="the file is empty; expected a Parquet file"):
        check_head(b"", "parquet")


def test_the_start_is_checked_from_any_position():
    """The file is read from its first byte, and rewound."""
    raw = io.BytesIO(LFS)
    raw.seek(0, io.SEEK_END)
    with pytest.raises(WrongKindError):
        check_start(raw, "parquet")
    assert raw.tell() == 0


def test_a_phrase_for_other_errors():
    """Nothing is said of bytes without a sign."""
    assert identified(LFS).startswith("; it is a Git LFS pointer")
    assert identified(b"url,text") == ""


@pytest.mark.parametrize("head", [b"ORCID,url,text\n", b"PAR1,url\n", b"BZhong\ttext\n", b"FEA1\n"])
def test_text_that_begins_like_a_signature_is_text(head):
    """A header line may begin with the letters of a binary format."""
    assert kind_of(head) is None
