"""Lists of one name per line are read alike by every command."""

from __future__ import annotations

import gzip
import time
import tracemalloc

import pytest

from metaclip_spark.errors import ConfigError
from metaclip_spark.storage import lines
from metaclip_spark.storage.lines import inflate, read_lines, read_text, split_lines


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_list_is_read_plain_or_gzip_and_without_its_byte_order_mark(tmp_path, packed):
    """The first bytes decide about gzip, not the name; LF and CRLF end a line, and no other character does."""
    text = "\ufeffdog\r\n\nred\u2028cat\n# Ω\rx".encode()
    path = tmp_path / "names.txt"
    path.write_bytes(gzip.compress(text) if packed else text)
    assert read_lines(path, "list").to_pylist() == ["dog", "", "red\u2028cat", "# Ω\rx"]
    assert split_lines(read_text(path).decode()) == ["dog", "", "red\u2028cat", "# Ω\rx"]


def test_the_line_end_of_the_last_line_is_optional():
    """An empty text has no lines; two line ends are one empty line more."""
    assert [split_lines(text) for text in ("", "a", "a\n", "a\r\n\r\n")] == [[], ["a"], ["a"], ["a", ""]]


def test_a_list_that_cannot_be_read_is_named(tmp_path):
    """The error names the file, and the first line that is not UTF-8."""
    path = tmp_path / "names.txt"
    with pytest.raises(ConfigError) as missing:
        read_lines(path, "blocklist")
    assert str(missing.value) == f"blocklist {path} cannot be read: [Errno 2] No such file or directory: '{path}'."
    path.write_bytes(b"dog\r\n\xff\n\xfe")
    with pytest.raises(ConfigError) as wrong:
        read_lines(path, "blocklist")
    assert str(wrong.value) == f"blocklist {path}, line 2 is not UTF-8."


def test_damaged_gzip_is_an_error_of_the_file(tmp_path):
    """Truncated data and wrong bytes both raise `OSError`, so that callers catch one error."""
    whole = gzip.compress(b"dog\n" * 100)
    for raw in (whole[:-5], whole[:12] + b"\xff\xff\xff" + whole[15:], b"\x1f\x8bno"):
        with pytest.raises(OSError, match=r"\w"):
            inflate(raw)
    (tmp_path / "a.gz").write_bytes(whole[:-5])
    with pytest.raises(ConfigError) as damaged:
        read_lines(tmp_path / "a.gz", "list")
    assert str(damaged.value) == (
        f"list {tmp_path / 'a.gz'} cannot be read: Compressed file ended before the end-of-stream marker was reached."
    )


def test_a_gzip_bomb_is_refused_before_it_fills_memory(tmp_path, monkeypatch):
    """A list of names inflates to some times its size; zeros, to a thousand times theirs."""
    monkeypatch.setattr(lines, "MOST_BYTES", 1 << 20)
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(bytes(300 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=r"bytes inflate to more than [\d,]+, which no list of names does"):
            read_lines(path, "list")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * 100 * path.stat().st_size
    path.write_bytes(gzip.compress(bytes(1 << 20)))
    assert read_text(path) == bytes(1 << 20)


def test_a_hundred_thousand_members_are_inflated_in_proportion_to_their_number():
    """The rest of the file is not copied for each member, which would take minutes."""
    began = time.process_time()
    assert inflate(gzip.compress(b"a\n", 0) * 150_000) == b"a\n" * 150_000
    assert time.process_time() - began < 20
