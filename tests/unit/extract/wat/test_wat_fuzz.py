"""Mutated WATs: none crashes or hangs, and each has an outcome whose counts add up (the fixture checks them)."""

from __future__ import annotations

import gzip
import json
import random
import time

import pytest

from metaclip_spark.extract.records.members import MemberReader

PAGE = "http://ex.org/a/page.html"


def pages(wat, number: int) -> list[bytes]:
    """Build records as extractors write them, with links of every kind."""
    records = [wat.record(b"software: x\r\n", kind="warcinfo", content_type="application/warc-fields")]
    for page in range(number):
        links = [
            {"path": "A@/href", "url": f"/{page}.html", "text": 'a "quoted" }] text'},
            wat.img(f"{page}.jpg", alt=f"text {page} \u732b"),
            wat.img(f"//cdn.org/{page}.jpg", alt="", title="a title &amp; more"),
            wat.img("data:image/gif;base64", alt="inlined"),
        ]
        html = {"Head": {"Base": "/b/", "Metas": [{"name": "robots", "content": "noai" if page % 5 == 4 else ""}]}}
        envelope = {
            "WARC-Header-Metadata": {"WARC-Type": "response", "WARC-Target-URI": PAGE},
            "Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": {**html, "Links": links}}},
        }
        records.append(wat.record(json.dumps({"Envelope": envelope}, separators=(",", ":")).encode()))
    return records


def wat_record(payload: bytes) -> bytes:
    head = b"WARC/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(payload)
    return head + payload + b"\r\n\r\n"


def mutated(draw: random.Random, records: list[bytes]) -> bytes:
    """Build a WAT of these records with one to three faults in its records, its members or the file."""
    records = list(records)
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(records))
        record = bytearray(records[at])
        kind = draw.choice(["bits", "bytes", "cut", "repeat", "deep", "header", "insert", "nothing", "drop", "length"])
        place = draw.randrange(len(record) + 1)
        if kind == "bits":
            for _ in range(draw.randint(1, 8) if record else 0):
                record[draw.randrange(len(record))] ^= 1 << draw.randrange(8)
        elif kind == "bytes":
            record[place : place + draw.randint(0, 40)] = draw.randbytes(draw.randint(0, 40))
        elif kind == "cut":
            del record[place:]
        elif kind == "repeat":
            records.insert(at, bytes(record))
        elif kind == "deep":
            opening = draw.choice([b"[", b'{"a":', b'{"Envelope":', b'{"Links":[{"path":"IMG@/src","url":'])
            deep = opening * draw.choice([10, 500, 990, 1030, 50_000])
            record = bytearray(wat_record(deep))
        elif kind == "header":
            giant = [b"X: " + b"y" * 200_000, b"X: y\r\n" * 3000]
            record[10:10] = draw.choice([*giant, b"\r\n", b"Content-Length: 1\r\n"])
        elif kind == "insert":
            record[place:place] = draw.choice([b" ", b"\\", b'"', b"}", b'{"path":"IMG@/src"', b"\xff", b"\0" * 100])
        elif kind == "drop":
            record = bytearray()
        elif kind == "length":
            record = record.replace(b"Content-Length: ", b"Content-Length: %d" % draw.randrange(10))
        records[at] = bytes(record)
    whole = bytearray(b"".join(gzip.compress(record, 1) for record in records))
    kind = draw.choice(["whole", "whole", "bits", "cut", "one member", "joined", "garbage"])
    if kind == "bits":
        whole[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del whole[draw.randrange(len(whole)) :]
    elif kind == "one member":
        whole = gzip.compress(b"".join(records), 1)
    elif kind == "joined":
        whole = whole + whole[draw.randrange(len(whole)) :]
    elif kind == "garbage":
        whole += draw.randbytes(draw.randint(1, 50))
    return bytes(whole)


def fuzz(tmp_path, extract, wat, monkeypatch, seeds: range) -> set[str]:
    """Extract one mutated WAT per seed, its members together and one by one; return their statuses."""
    records, endings, path = pages(wat, 12), set(), tmp_path / "a.wat.gz"
    for seed in seeds:
        path.write_bytes(mutated(random.Random(seed), records))
        began = time.monotonic()
        found = extract(path)
        assert time.monotonic() - began < 30, f"seed {seed} hangs"
        assert found.outcome["status"] in ("done", "partial", "failed"), f"seed {seed}"
        assert found.outcome["records_read"] >= 0
        with monkeypatch.context() as patch:
            patch.setattr(MemberReader, "read", lambda *_: None)
            one_by_one = extract(path)
        assert found.rows == one_by_one.rows, f"seed {seed}"
        assert found.outcome == one_by_one.outcome, f"seed {seed}"
        endings.add(found.outcome["status"])
    return endings


def test_mutated_wats_end_with_an_outcome(tmp_path, extract, wat, monkeypatch):
    """The quick test takes 100 seeds."""
    assert fuzz(tmp_path, extract, wat, monkeypatch, range(100)) == {"done", "partial", "failed"}


@pytest.mark.slow
def test_a_thousand_more_mutated_wats_end_with_an_outcome(tmp_path, extract, wat, monkeypatch):
    """The thorough test takes 1,200 seeds."""
    assert fuzz(tmp_path, extract, wat, monkeypatch, range(100, 1300)) == {"done", "partial", "failed"}
