"""A run stops before deduplication when too much is missing, waits while a server throttles, and names credentials."""

from __future__ import annotations

import gzip
import json

import pytest
from bad_server import serving, status
from e2e_world import call, row, rows_of, wat_of

from metaclip_spark.steps.reading import pace

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]

FILES = 8
ROWS = 3


def refusal(code: int, name: str):
    """Return a behaviour that refuses as an object store does."""

    def answer(handler, data: bytes, start: int, stop: int) -> None:
        page = f"<?xml version='1.0'?><Error><Code>{name}</Code><Message>no</Message></Error>".encode()
        handler.send_response(code)
        handler.send_header("Content-Length", str(len(page)))
        handler.end_headers()
        handler.wfile.write(page)

    return answer


@pytest.fixture
def server(monkeypatch):
    """Serve eight WATs; a wait of extraction takes no time."""
    monkeypatch.setattr(pace, "PAUSES", (0.1,) * 3)
    with serving() as bad_server:
        for number in range(FILES):
            rows = [row(f"f{number}", n)[:2] for n in range(ROWS)]
            bad_server.add(f"/f{number}.wat.gz", b"".join(gzip.compress(record, mtime=0) for record in wat_of(rows)))
        yield bad_server


def words(world, server, *more: object) -> list[object]:
    """Return the flags of a run over the files of the server, two per commit."""
    listed = world.root / "files.paths"
    listed.write_text("".join(f"{server.root}/f{n}.wat.gz\n" for n in range(FILES)))
    return world.words("warehouse", "--files-per-commit", 2, "--outcome", world.root / "o.json", *more, input=listed)


def statuses(spark, world, table: str = "sources") -> list[str]:
    """Return the status of each source, of `sources` or of the staging table."""
    found = rows_of(spark, world.root / "warehouse", table, ("status",))
    return sorted(value for (value,) in found if value is not None)


def test_too_many_failed_sources_stop_the_run_before_deduplication(spark, world, server, tmp_path):
    """With five of eight files gone and two allowed, nothing is deduplicated; the same command does not go on either.

    --retry reads them again when they are back. --allow-incomplete, like --max-failed, goes on without them.
    """
    gone = {path: server.files.pop(path) for path in [f"/f{n}.wat.gz" for n in (0, 1, 2, 5, 7)]}
    ended = call("run", *words(world, server, "--max-failed", 2))
    assert ended.status == 3
    said = (
        "stopped before deduplication: 3 of 4 sources that are read are partial or failed, 2 allowed (--max-failed 2)"
    )
    assert said in ended.err
    assert "3 damaged or refused, e.g." in ended.err
    assert "does not exist (status 404)" in ended.err
    assert rows_of(spark, world.root / "warehouse", "pairs") == []
    assert statuses(spark, world, "extracted") == ["done", *["failed"] * 3]
    outcome = json.loads((world.root / "o.json").read_text())
    assert (outcome["status"], outcome["sources"]["failed"]) == (3, 3)
    assert outcome["error"] in ended.err

    again = call("run", *words(world, server, "--max-failed", 2))
    assert again.status == 3
    assert "4 of 6 sources that are read are partial or failed" in again.err
    assert rows_of(spark, world.root / "warehouse", "pairs") == []

    beside = world.root / "beside"
    allowed = [*words(world, server, "--allow-incomplete", "70%", "--max-failed", 2), "--warehouse", beside]
    on = call("run", *allowed)
    assert on.status == 0, on.err
    assert len(rows_of(spark, beside, "pairs", ("pair_id",))) == 3 * ROWS

    server.files.update(gone)
    last = call("run", *words(world, server, "--max-failed", 2, "--retry", "failed"))
    assert last.status == 0, last.err
    assert statuses(spark, world) == ["done"] * FILES
    assert len(rows_of(spark, world.root / "warehouse", "pairs", ("pair_id",))) == FILES * ROWS


def test_a_server_that_throttles_is_waited_for(spark, world, server, monkeypatch):
    """Two sources of the first commit are refused as too many; extraction waits, and the others are read.

    Failures that pass by themselves are no reason to stop while they may pass; at the end they count.
    """
    monkeypatch.setattr(pace, "LEAST_FAILURES", 2)
    server.always = {f"/f{n}.wat.gz": status(403) for n in range(2)}
    ended = call("run", *words(world, server, "--max-failed", 2))
    assert ended.status == 3, ended.err
    assert (
        "2 of the last 2 sources are throttled by their server: waiting 1 s, then reading at most 1 source" in ended.err
    )
    assert statuses(spark, world) == [*["done"] * (FILES - 2), *["failed"] * 2]
    assert "2 of 8 sources are incomplete, 0 allowed (--allow-incomplete): exit status 3" in ended.err
    assert len(rows_of(spark, world.root / "warehouse", "pairs", ("pair_id",))) == (FILES - 2) * ROWS


@pytest.mark.parametrize(
    ("code", "name"), [pytest.param(403, "ExpiredToken", marks=pytest.mark.slow), (401, "Unauthorized")]
)
def test_expired_credentials_stop_the_run_and_no_source_is_at_fault(spark, world, server, code, name):
    """After the first commit the token expires: exit status 1 says so, and the same command goes on with a new one."""
    server.always = {f"/f{n}.wat.gz": refusal(code, name) for n in range(2, FILES)}
    ended = call("run", *words(world, server))
    assert ended.status == 1
    said = name if code == 403 else "status 401"
    assert f"was refused for its credentials ({said}): they are missing, wrong or expired. Renew them" in ended.err
    assert "Traceback" not in ended.err
    assert statuses(spark, world, "extracted") == ["done", "done"]
    assert rows_of(spark, world.root / "warehouse", "pairs") == []
    server.always = {}
    again = call("run", *words(world, server))
    assert again.status == 0, again.err
    assert statuses(spark, world) == ["done"] * FILES
    assert sorted({path for path, _ in server.requests}) == sorted(server.files)
