"""Archives of robots.txt: one row per file, and an outcome that counts all else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from robots_archive import COUNTS, DATE, HOSTS, archive, moved, robots
from warc_builder import record, write

from metaclip_spark.extract.robots import read_source
from metaclip_spark.robots.text import AGENTS
from metaclip_spark.schemas import ROBOTS_RECORDS
from metaclip_spark.sources.files import Source


def read(path: Path, agents: tuple[str, ...] = AGENTS) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows of an archive, and its outcome."""
    source = Source(str(path), str(path), "warc", path.stat().st_size, "etag")
    batches = list(read_source(source, agents, "build"))
    assert all(batch.schema == ROBOTS_RECORDS.arrow for batch in batches)
    *rows, outcome = pa.Table.from_batches(batches).to_pylist()
    assert {row["kind"] for row in rows} <= {"record"}
    assert outcome["kind"] == "source"
    return rows, outcome


CHUNKED = b"4\r\nUser\r\n1A\r\n-agent: GPTBot\nDisallow: /\r\n0\r\n\r\n"


@pytest.mark.parametrize("name", ["a.warc.gz", "a.warc"])
def test_an_archive_with_one_of_everything(tmp_path, name):
    """Each file has its status, rules and date; everything else is counted."""
    rows, outcome = read(write(tmp_path / name, archive()))
    found = {row["origin"]: (row["status"], row["rules"]) for row in rows if "again" not in row["origin"]}
    assert found == {origin: kept for origin, kept in HOSTS.items() if "again" not in origin}
    assert [row["fetched"][8:10] for row in rows if "again" in row["origin"]] == ["01", "03", "04", "02"]
    assert {row["fetched"] for row in rows if "again" not in row["origin"]} == {DATE}
    assert {row["origin"]: row["target"] for row in rows if row["target"]} == {
        "http://news.example": "https://news.example",
        "http://lost.example": "http://lost.example/elsewhere/robots.txt",
    }
    assert (outcome["outcome"], outcome["reason"], outcome["records_read"]) == ("done", None, 20)
    assert dict(outcome["counts"]) == COUNTS
    assert outcome["bytes_read"] == (tmp_path / name).stat().st_size


@pytest.mark.parametrize(
    ("made", "row"),
    [
        (robots("http://a.example/robots.txt", status="204 No Content"), (204, "read", "", "")),
        (robots("http://a.example/robots.txt", status="429 Slow"), (429, "absent", "", "")),
        (robots("http://a.example/robots.txt", status="599 Odd"), (599, "unreachable", "", "unreachable")),
        (robots("http://a.example/robots.txt", status="304 Same"), (304, "absent", "", "")),
        (moved("http://a.example/robots.txt", "//b.example/robots.txt", "308 P"),
         (308, "redirect", "http://b.example", "")),
        (moved("http://a.example/robots.txt", "http://[", "302 F"), (302, "absent", "", "")),
        (moved("http://a.example/robots.txt", "mailto:robots.txt", "302 F"), (302, "absent", "", "")),
        (
            robots("http://a.example/robots.txt", CHUNKED, "Transfer-Encoding: chunked"),
            (200, "read", "", "User-agent: GPTBot\nDisallow: /\n"),
        ),
    ],
)  # fmt: skip
def test_statuses(tmp_path, made, row):
    """RFC 9309, section 2.3.1: 4xx allows everything, 5xx nothing, a redirect has the rules of another file."""
    ((found,), outcome) = read(write(tmp_path / "a.warc.gz", [made]))
    assert (found["http"], found["status"], found["target"], found["rules"]) == row
    assert (found["origin"], dict(outcome["counts"])) == ("http://a.example", {})


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (record(b"HTTP/1.1 200 OK\r\nno end", uri="http://a.example/robots.txt"), "broken_record"),
        (record(b"HTTP/1.1 OK\r\n\r\n", uri="http://a.example/robots.txt"), "broken_record"),
        (robots("http://a.example/robots.txt", b"\x1f\x8bbad", "Content-Encoding: gzip"), "broken_record"),
        (robots("ftp://a.example/robots.txt"), "not_robots"),
        (robots("http://a b/robots.txt"), "not_robots"),
        (robots("http://a.example/humans.txt"), "not_robots"),
    ],
)
def test_records_without_a_robots_txt_are_counted(tmp_path, made, reason):
    """None is left out in silence."""
    rows, outcome = read(write(tmp_path / "a.warc.gz", [made]))
    assert (rows, dict(outcome["counts"])) == ([], {reason: 1})


def test_a_damaged_archive_keeps_what_was_read(tmp_path):
    """It is partial, with the reason; one of another kind is failed."""
    path = write(tmp_path / "a.warc.gz", archive())
    path.write_bytes(path.read_bytes()[:-200])
    rows, outcome = read(path)
    assert (outcome["outcome"], len(rows) > 5) == ("partial", True)
    assert outcome["reason"]
    other = tmp_path / "b.warc.gz"
    other.write_bytes(b"<html>")
    rows, outcome = read(other)
    assert (rows, outcome["outcome"]) == ([], "failed")
    assert outcome["reason"].startswith("not a WARC: the first bytes are b'<html'")


def test_many_files_come_in_batches(tmp_path, monkeypatch):
    """A batch is bounded in rows."""
    monkeypatch.setattr("metaclip_spark.extract.robots._BATCH_ROWS", 2)
    made = [robots(f"http://{number}.example/robots.txt", "User-agent: *\nDisallow: /a") for number in range(5)]
    path = write(tmp_path / "a.warc.gz", made)
    source = Source(str(path), str(path), "warc", path.stat().st_size, "etag")
    assert [len(batch) for batch in read_source(source, ("*",), "build")] == [2, 2, 1, 1]
