"""Records that are passed over are JSON and describe no page: never anything else, and nearly all that do not."""

from __future__ import annotations

import gzip
import json
from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metaclip_spark.extract.options import ExtractOptions
from metaclip_spark.extract.plain_json import is_plain_json
from metaclip_spark.extract.records import warc_records
from metaclip_spark.extract.wat_links import describes_no_page
from metaclip_spark.extract.wat_pages import PageReader
from metaclip_spark.kernels import bytes_of

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
PIECES = [
    "{", "}", "[", "]", ",", ":", '"', "\\", "\\u", "\\u00e9", '\\"', "1", "0", "-", ".", "e", "E+", "true", "false",
    "null", "nul", " ", "\n", "\t", "\0", "\x7f", "é", '"a"', '"a":', "{}", "[]", "NaN", "01", "1.", ".5",
]  # fmt: skip


def says_yes(raw: bytes) -> bool:
    """What the compiled check says of the whole of these bytes, in the middle of others."""
    return is_plain_json(bytes_of(b'"[' + raw + b']"'), 2, 2 + len(raw))


@settings(max_examples=400, deadline=None)
@given(VALUES, st.booleans())
def test_what_json_writes_in_ascii_is_taken(value, spread):
    """With and without white space; a few levels are not deep."""
    assert says_yes(json.dumps(value, indent=1 if spread else None).encode())


@settings(max_examples=3000, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
@example('{"a":1,}')
@example('{"a":1}}')
@example('[1}')
@example('{"a":1]')
@example("[1,]")
@example('{"a"}')
@example("1 2")
@example('"\\u12')
@example('{"a":[1,{"b":[]}],"c":{}}')
def test_what_is_taken_is_json(text):
    """Whatever pieces of JSON stand next to each other."""
    if says_yes(text.encode()):
        json.loads(text)


def test_what_only_some_parsers_take_is_left_to_them():
    """Deep nesting, numbers of thousands of digits, bytes beyond ASCII, and no value at all."""
    for text in ("[" * 62 + "]" * 62, "9" * 5000, '"é"', "NaN", "-Infinity", "", "  ", "\ufeff1"):
        assert not says_yes(text.encode())
    assert says_yes(b"[" * 60 + b"]" * 60)


def wat_record(payload: bytes, content_type: str = "application/json", kind: str = "metadata") -> bytes:
    """A record as it stands in a WAT."""
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nContent-Type: {content_type}\r\nContent-Length: {len(payload)}\r\n\r\n"
    return head.encode() + bytes(payload) + b"\r\n\r\n"


NO_PAGE = b'{"Envelope":{"WARC-Header-Metadata":{"WARC-Type":"request"}}}'


@pytest.mark.parametrize(
    ("record", "passed"),
    [
        (wat_record(NO_PAGE), True),
        (wat_record(NO_PAGE[:-1]), False),
        (wat_record(NO_PAGE.replace(b"request", b'IMG@/src"')), False),
        (wat_record(b'{"path":"IMG@/src"}'), False),
        (wat_record(b'{"path":"IMG@\\/src"}'), False),
        (wat_record(b'{"path":"\\u0049MG@/src"}'), False),
        (wat_record(NO_PAGE, content_type="text/plain"), False),
        (wat_record(NO_PAGE, kind="response"), False),
        (wat_record(NO_PAGE) + wat_record(NO_PAGE), False),
        (wat_record(NO_PAGE)[:-2], False),
        (wat_record(b'"' + b"x" * 7000 + b'"'), False),
    ],
)
def test_only_a_whole_record_without_image_links_is_passed_over(record, passed):
    """What is anything else goes the usual way."""
    assert describes_no_page(bytes_of(record)) is passed


def test_records_passed_over_are_counted_and_the_others_come_whole():
    """None stands in their place."""
    broken = wat_record(b"{")
    stream = BytesIO(b"".join(gzip.compress(raw) for raw in (wat_record(NO_PAGE), broken, wat_record(NO_PAGE))))
    found = list(warc_records(stream, describes_no_page))
    assert [record if record is None else bytes(record.payload) for record in found] == [None, b"{", None]


def test_two_of_three_real_records_are_passed_over(shared_data):
    """Those that are describe no page in full either."""
    reader, passed, number = PageReader(ExtractOptions()), 0, 0
    with open(shared_data / "crawl" / "pages.wat.gz", "rb") as file:
        for record in warc_records(file):
            number += 1
            if record.holds_json and describes_no_page(bytes_of(wat_record(record.payload))):
                assert reader.in_full(record.payload) is None
                passed += 1
    assert passed > 0.6 * number
