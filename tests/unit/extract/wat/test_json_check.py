"""The compiled check of JSON accepts nothing that a parser refuses, and measures strings as a parser does."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metaclip_spark.core.jit import bytes_of, kernel
from metaclip_spark.extract.wat.json_check import PADDING, after_scalar, end_of_string, is_utf8


@kernel
def _end(raw, at, stop):
    return end_of_string(raw, at, stop)


def padded(content: bytes):
    return bytes_of(content + b"\r" + b'"' * PADDING)


def is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


EDGES = [
    "00",
    "7f",
    "80",
    "bf",
    "c0",
    "c1",
    "c2",
    "df",
    "e0",
    "ed",
    "ef",
    "f0",
    "f4",
    "f5",
    "ff",
    "a0",
    "9f",
    "90",
    "8f",
]
BYTES = st.lists(st.sampled_from([bytes.fromhex(byte) for byte in EDGES]), max_size=6).map(b"".join)


@settings(max_examples=2000)
@given(st.integers(0, 140), st.one_of(BYTES, st.binary(max_size=8), st.text(max_size=4).map(str.encode)), BYTES)
@example(63, "\u732b".encode(), b"")
@example(62, "\u732b".encode()[:2], b"")
@example(0, b"\xed\xa0\x80", b"")
def test_utf8_is_what_python_decodes(before, content, after):
    """At every place of a block, and with any bytes after the end."""
    whole = b"a" * before + content
    raw = bytes_of(whole + after + b"\x80" * PADDING)
    assert is_utf8(raw, 0, len(whole)) == is_text(whole)


@pytest.mark.parametrize("lead", range(128, 256))
def test_every_pair_of_bytes_is_decoded_as_python_does(lead):
    """With the third and fourth bytes that are right."""
    for second in range(256):
        for tail in (b"", b"\x80", b"\x80\x80"):
            content = bytes([lead, second]) + tail
            assert is_utf8(bytes_of(content + bytes(PADDING)), 0, len(content)) == is_text(content), content


PIECES = st.sampled_from(
    [b"a" * 70, b"a", b'"', b"\\", b"\\n", b'\\"', b"\\u0041", b"\\ud83d", b"\\x", b"\x1f", b"\xc3\xa9"]
)


@settings(max_examples=2000)
@given(st.lists(PIECES, max_size=8).map(b"".join), st.integers(0, 70))
@example(b"a" * 64 + b'"', 0)
@example(b"a" * 63 + b'\\"', 0)
def test_a_string_ends_where_python_ends_it(content, before):
    """Strings with invalid escapes, controls or halves of pairs have no end here."""
    raw = padded(b" " * before + content)
    found = _end(raw, before, before + len(content))
    try:
        value, end = json.decoder.scanstring(content.decode(), 0, True)
    except ValueError:
        assert found == -1
        return
    if any("\ud800" <= char < "\ue000" for char in value):
        assert found == -1
        return
    size = len(content.decode()[: end - 1].encode())
    assert found == 2 * (before + size) + (b"\\" in content[:size])


@settings(max_examples=2000)
@given(st.text("-+0123456789.eEnulltrfas", max_size=22))
@example("9" * 18)
@example("9" * 19)
@example("-0")
@example("-")
@example("01")
def test_a_scalar_that_is_accepted_is_one_to_python(content):
    """Its start is accepted only if it is a whole token, and every plain integer is accepted."""
    end = after_scalar(padded(content.encode()), 0)
    if end >= 0:
        assert type(json.loads(content[:end])) in (int, bool, type(None))
    digits = content.removeprefix("-")
    if digits.isdigit() and str(int(digits)) == digits and len(digits) <= 18:
        assert end == len(content)
    if content in ("true", "false", "null"):
        assert end == len(content)
