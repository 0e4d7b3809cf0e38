"""`optouts build` makes a table of robots rules, and `run --robots` rejects what they refuse, on both engines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from e2e_world import call, flag_words, row, rows_of, versions, wat_record, write_tsv, write_wat
from robots_archive import COUNTS, HOSTS, PAGES, archive
from warc_builder import write

pytestmark = pytest.mark.spark

CRAWL = "CC-MAIN-2024-51"
INSIDE = f"crawl-data/{CRAWL}/segments/1/robotstxt"


def mirror(root: Path) -> Path:
    """Write the archives of a crawl, two of them, below a root."""
    records = archive()
    for name, part in (("a", records[:11]), ("b", records[11:])):
        path = root / INSIDE / f"{name}.warc.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, part)
    listed = "".join(f"{INSIDE}/{name}.warc.gz\n" for name in "ab")
    (root / f"crawl-data/{CRAWL}/robotstxt.paths.gz").write_bytes(gzip.compress(listed.encode()))
    return root


def pages(path: Path) -> Path:
    """Write a WAT with a page of each of PAGES, each with an image on another host and one on a host with rules."""
    images = [
        {"url": "http://img.example/{}.jpg", "alt": "a red cat {}"},
        {"url": "https://news.example/{}.jpg", "alt": "a dog"},
    ]
    made = [
        wat_record(page, [{name: value.format(at) for name, value in image.items()} for image in images])
        for at, page in enumerate(PAGES)
    ]
    return write_wat(path, made)


def robots_table(spark, where: Path) -> dict[str, tuple[str, str]]:
    """Return origin -> status and rules."""
    return {
        origin: (status, rules)
        for origin, status, rules in rows_of(spark, where, "robots", ("origin", "status", "rules"))
    }


def rejected(spark, where: Path) -> dict[str, int]:
    """Return the rejects of a warehouse by reason."""
    counts: dict[str, int] = {}
    for (one,) in rows_of(spark, where, "sources", ("rejected",)):
        for reason, number in dict(one or ()).items():
            counts[reason] = counts.get(reason, 0) + number
    return counts


def wanted(image: bool, page: bool) -> dict[str, int]:
    """Return the rejects of `pages`, by whose host decides."""
    counts: dict[str, int] = {}
    for reason in PAGES.values():
        for of_image in (None, "robots:GPTBot"):
            why = (reason if page else None) or (of_image if image else None)
            if why:
                counts[why] = counts.get(why, 0) + 1
    return counts


@pytest.mark.timeout(900)
def test_the_robots_of_a_crawl_are_built_once_and_applied(spark, world):
    """The table, its numbers, what `run` rejects for page, image and both; the same commands again do no work."""
    root, where = mirror(world.root / "mirror"), world.root / "robots"
    words = ["optouts", "build", *flag_words(crawl=CRAWL, crawl_root=root, warehouse=where, files_per_commit=1)]
    built = call(*words, "--json")
    assert built.status == 0, built.err
    numbers = json.loads(built.out)
    assert robots_table(spark, where) == HOSTS
    assert numbers["counts"] == COUNTS
    assert numbers["status"] == {"absent": 2, "read": 9, "redirect": 2, "unreachable": 1}
    assert (numbers["archives"], numbers["hosts"], numbers["hosts_with_rules"], numbers["records_read"]) == (
        2,
        14,
        10,
        20,
    )
    assert numbers["agents"] == {"*": 9, "CCBot": 1, "GPTBot": 1}
    assert numbers["shut_out"] == {"CCBot": 1, "GPTBot": 1}
    assert rows_of(spark, where, "robots_records") == []
    before = versions(where, ["robots", "robots_records"])
    again = call(*words)
    assert (again.status, versions(where, ["robots", "robots_records"])) == (0, before), again.err
    assert f"build {numbers['build_id']} is done; nothing was read." in again.err
    assert [line.split()[:3] for line in again.out.splitlines() if line.startswith(("GPTBot", "CCBot", "*"))] == [
        ["GPTBot", "1", "1"],
        ["CCBot", "1", "1"],
        ["*", "9", "0"],
    ]

    found = pages(world.root / "pages" / "p.wat.gz")
    for number, (flags, image, page) in enumerate(
        [([], False, True), (["--robots-for", "image"], True, False), (["--robots-for", "both"], True, True)]
    ):
        warehouse = world.root / f"w{number}"
        ended = call("run", *world.words(warehouse, "--robots", where, *flags, input=found))
        assert ended.status == 0, ended.err
        assert rejected(spark, warehouse) == wanted(image, page)
        reasons = rows_of(spark, warehouse, "rejects", ("record", "reason"))
        assert {(page_url, why) for page_url, why in reasons if not image} <= set(PAGES.items())
        assert "1 redirect to files that the archives lack (allowed)" in ended.err
    before = versions(world.root / "w0", ["extracted", "sources", "pairs"])
    by_table = call("run", *world.words(world.root / "w0", "--robots", where / "robots", input=found))
    assert (by_table.status, versions(world.root / "w0", list(before))) == (0, before), by_table.err
    assert call(*words, "--agents", "CCBot,*", "--replace").status == 0
    later = call("run", *world.words(world.root / "w1", "--robots", where, "--robots-for", "image", input=found))
    assert (later.status, later.out) == (2, "")
    assert f"all flags are the same, so what differs is the build of --robots {where}" in later.err
    assert versions(world.root / "w0", list(before)) == before


@pytest.mark.timeout(900)
def test_an_interrupted_build_goes_on_and_another_one_is_refused(spark, world, monkeypatch):
    """Archives that are committed are not read again. Other crawlers are another build, which --replace allows."""
    from metaclip_spark.steps.optouts import build

    root, where = mirror(world.root / "mirror"), world.root / "robots"
    folder = root / INSIDE
    words = ["optouts", "build", *flag_words(input=folder, warehouse=where, files_per_commit=1)]

    def fails(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(build, "robots_of_hosts", fails)
        assert call(*words).status == 1
    refused = call("run", *world.words("w", "--robots", where))
    assert (refused.status, refused.out) == (2, "")
    assert f"robots {where} has no finished build; run the same `optouts build` again." in refused.err or (
        f"robots {where} has no table robots; expected the folder of an `optouts build`." in refused.err
    )
    read: list[int] = []
    archives = build.read_archives
    monkeypatch.setattr(build, "read_archives", lambda *given: (read.append(1), archives(*given))[1])
    ended = call(*words)
    assert (ended.status, read) == (0, []), ended.err
    assert robots_table(spark, where) == HOSTS
    other = call(*words, "--agents", "CCBot,ccbot")
    assert (other.status, other.out) == (2, "")
    assert "has another build (" in other.err
    assert "Nothing was read. Give another --warehouse, or --replace." in other.err
    replaced = call(*words, "--agents", "CCBot,ccbot", "--replace", "--json")
    assert (replaced.status, json.loads(replaced.out)["agents_given"]) == (0, ["CCBot"]), replaced.err
    assert robots_table(spark, where)["https://news.example"] == ("read", "User-agent: CCBot\nDisallow: /\n")
    with monkeypatch.context() as patch:  # interrupted when all is written, and the earlier build is still there
        patch.setattr(build, "finish", fails)
        assert call(*words, "--replace").status == 1
    assert len({made for (made,) in rows_of(spark, where, "robots", ("build_id",))}) == 2
    ended = call(*words)
    assert (ended.status, "nothing was read" in ended.err, read) == (0, True, [1, 1, 1, 1]), ended.err
    assert robots_table(spark, where) == HOSTS
    assert rows_of(spark, where, "robots_records") == []


def test_wrong_input_is_refused_and_a_damaged_archive_is_counted(spark, world):
    """Before anything is read where it can be known; afterwards by the exit status."""
    where = world.root / "robots"
    table = write_tsv(world.root / "pool2" / "a.tsv", [row("a", 1)])
    for words, said in [
        ([], "input is missing; expected --crawl NAME, or --input with archives of robots.txt (WARC)."),
        (["--input", table], f"input {table} is tsv; expected archives of robots.txt (.warc.gz)."),
        (["--input", table, "--agents", "a b"], "agents: got 'a b', expected product tokens of crawlers"),
        (["--crawl", CRAWL, "--crawl-root", world.root], f"crawl {CRAWL} cannot be listed"),
    ]:
        ended = call("optouts", "build", "--warehouse", where, *words)
        assert (ended.status, ended.out) == (2, ""), ended.err
        assert said in ended.err or words[-1] == "a b"
    damaged = world.root / "bad" / "a.warc.gz"
    damaged.parent.mkdir()
    (world.root / "no").mkdir()
    write(damaged, archive())
    damaged.write_bytes(damaged.read_bytes()[:-100])
    ended = call("optouts", "build", "--warehouse", where, "--input", damaged)
    assert ended.status == 3
    assert f"{damaged} is partial: " in ended.err
    assert "1 archive is partial or failed, more than --allow-incomplete 0." in ended.err
    again = ["optouts", "build", "--warehouse", where, "--input", damaged, "--allow-incomplete", 1]
    assert call(*again).status == 0
    before = versions(where, ["robots"])
    assert (call(*again, "--replace").status, versions(where, ["robots"]) == before) == (0, False)
    assert len(robots_table(spark, where)) > 5
    without = write(world.root / "no" / "a.warc.gz", archive()[-2:-1])
    ended = call("optouts", "build", "--warehouse", world.root / "none", "--input", without)
    assert ended.status == 0
    assert "no robots.txt was found: --robots will refuse nothing." in ended.err
    missing = call("run", *world.words("w", "--robots", world.root / "nowhere"))
    assert missing.status == 2
    assert (
        f"robots {world.root / 'nowhere'} has no table robots; expected the folder of an `optouts build`."
        in missing.err
    )


def test_tabular_input_has_no_page_to_ask(spark, world):
    """By default it is refused; with `both` it is said, and the image's host decides."""
    root, where = mirror(world.root / "mirror"), world.root / "robots"
    assert call("optouts", "build", *flag_words(input=root / INSIDE, warehouse=where)).status == 0
    pool = write_tsv(
        world.root / "t" / "a.tsv", [("https://news.example/1.jpg", "a red cat"), row("a", 1)[:2]], ("url", "text")
    )
    words = world.words("w", "--robots", where, input=pool)
    refused = call("run", *words)
    assert (refused.status, refused.out) == (2, "")
    assert (
        f"--robots asks the robots.txt of the page's host, and {pool} names no page; give --robots-for image or both, "
        "which ask that of the image's host."
    ) in refused.err
    ended = call("run", *words, "--robots-for", "both")
    assert ended.status == 0, ended.err
    assert f"{pool} and other tabular input names no page: --robots asks the image's host only there." in ended.err
    assert rejected(spark, world.root / "w") == {"robots:GPTBot": 1}
