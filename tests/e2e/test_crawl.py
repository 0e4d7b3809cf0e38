"""Crawls are read over HTTP. Each is a snapshot, every file has an outcome, and incomplete files are read again."""

from __future__ import annotations

import gzip
import json

import pytest
from bad_server import reset, serving, status, well
from e2e_world import call, row, rows_of, wat_of

pytestmark = pytest.mark.spark

CRAWLS = ("CC-MAIN-2023-50", "CC-MAIN-2024-10")
BLOCKED = ("http://images.blocked.example/1.jpg", "photo of a red dog on a road")
SHORT = ("http://example.org/short.jpg", "dog")
GERMAN = ("http://example.org/de.jpg", "ein Hund und eine Katze sitzen auf der Straße, photo of nothing")


def wat(rows) -> bytes:
    """Return a WAT with one page per row."""
    return b"".join(gzip.compress(record, mtime=0) for record in wat_of(rows))


@pytest.fixture
def server():
    """Serve two crawls. The first has a truncated file, the second a missing one."""
    files = {
        CRAWLS[0]: [
            [*(row("a", n, "dog")[:2] for n in range(9)), BLOCKED, SHORT],
            [row("b", n, "cat")[:2] for n in range(9)],
        ],
        CRAWLS[1]: [[*(row("c", n, "cow")[:2] for n in range(9)), row("a", 0, "dog")[:2], GERMAN]],
    }
    with serving() as bad_server:
        bad_server.whole = {}
        for crawl, parts in files.items():
            names = [f"crawl-data/{crawl}/segments/{n}/wat/{n}.warc.wat.gz" for n in range(len(parts))]
            listed = "".join(f"{name}\n" for name in names).encode()
            bad_server.add(f"/crawl-data/{crawl}/wat.paths.gz", gzip.compress(listed))
            bad_server.whole.update({f"/{name}": wat(rows) for name, rows in zip(names, parts, strict=True)})
        for path, content in bad_server.whole.items():
            if path.startswith(f"/crawl-data/{CRAWLS[0]}/segments/1"):
                bad_server.add(path, content[: len(content) // 2])
            elif not path.startswith(f"/crawl-data/{CRAWLS[1]}/segments/0"):
                bad_server.add(path, content)
        yield bad_server


@pytest.mark.timeout(900)
def test_crawls_are_snapshots_and_incomplete_files_are_read_again(spark, world, server):
    """With one truncated and one missing file, two crawls end with exit status 3 and the pairs of the other files.

    When the server has both files, --retry reads only these two, and adds exactly the missing pairs.
    """
    (world.root / "blocked.txt").write_text("blocked.example\n")
    warehouse = world.root / "warehouse"
    words = [
        "run",
        "--crawl",
        *CRAWLS,
        "--crawl-root",
        server.root,
        "--metadata",
        world.metadata,
        "--warehouse",
        warehouse,
        "--threshold",
        2,
        "--blocklist",
        world.root / "blocked.txt",
        "--min-words",
        2,
        "--json",
    ]
    ended = call(*words)
    assert ended.status == 3, ended.err
    assert "2 of 3 sources are incomplete, 0 allowed" in ended.err
    ends = dict(rows_of(spark, warehouse, "sources", ("source_path", "status")))
    assert {name.split("/", 1)[1][:30]: state for name, state in ends.items()} == {
        f"{CRAWLS[0]}/segments/0/wat/"[:30]: "done",
        f"{CRAWLS[0]}/segments/1/wat/"[:30]: "partial",
        f"{CRAWLS[1]}/segments/0/wat/"[:30]: "failed",
    }
    numbers = json.loads(ended.out)
    assert numbers["snapshots"] == list(CRAWLS)
    assert (numbers["rejected"]["blocklist"], numbers["rejected"]["too_short"]) == (1, 1)

    for path, content in server.whole.items():
        server.add(path, content)
    earlier = len(server.requests)
    server.plan = [
        well,
        well,
        status(503, "0"),
        reset(10),
    ]  # the two lists of paths, then failing reads that are repeated
    again = call(*words, "--retry", "partial,failed")
    assert again.status == 0, again.err
    requested = {path for path, _ in server.requests[earlier:] if path.endswith("wat.gz")}
    assert requested == {f"/{name}" for name, state in ends.items() if state != "done"}
    found = rows_of(spark, warehouse, "pairs", ("snapshot", "url", "text", "lang"))
    wanted = [
        *((CRAWLS[0], *row("a", n, "dog")[:2], "en") for n in range(9)),
        *((CRAWLS[0], *row("b", n, "cat")[:2], "en") for n in range(9)),
        *((CRAWLS[1], *row("c", n, "cow")[:2], "en") for n in range(9)),
    ]
    assert found == sorted(wanted, key=repr)
    assert json.loads(again.out)["sources"] == {"done": 3, "partial": 0, "failed": 0}
    assert all(etag for (etag,) in rows_of(spark, warehouse, "sources", ("etag",)))
    assert json.loads(again.out)["rejected"]["language"] == 1
    sightings = rows_of(spark, warehouse, "sightings", ("snapshot",))
    assert [len([1 for (name,) in sightings if name == crawl]) for crawl in CRAWLS] == [18, 10]

    once_more = call(*words, "--retry", "partial,failed")
    assert (once_more.status, once_more.out) == (0, again.out)
