"""Both engines make the same tables, row for row, and the same answers: for every kind of input and every option."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import warc_builder
from e2e_world import (
    COLUMNS,
    ENTRIES,
    SHARED,
    UNMATCHED,
    World,
    row,
    wat_of,
    write_parquet,
    write_tsv,
    write_wat,
)
from other_engine import OTHER, Script, clean_env, play, play_elsewhere
from test_damage import damaged_pool

from metaclip_spark.warehouse.compare import compare, differences

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("METACLIP_TEST_REMOTE" in os.environ, reason="the other engine is in a process of its own"),
]

ODD = "a.b-c_d+e"
"""A name of a snapshot with all characters that it may have besides letters and digits."""
REFUSED = "a b/c=d%é'"
ODD_FILE = "a b=c%20d é'\"{x} [1] #&+.parquet"
"""A name of a file with characters that a path, a uri, a partition and a condition of SQL read otherwise."""
SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def of_every_kind(folder: Path) -> Path:
    """Write a file of each kind, files with every kind of damage, and rows with nulls in every column."""
    damaged_pool(folder)
    rows = [row("k", n) for n in range(9)]
    with gzip.open(folder / "rows.csv.gz", "wt", encoding="utf-8", newline="") as file:
        file.write("".join(",".join(f'"{value}"' for value in line) + "\n" for line in [COLUMNS, *rows[:4], SHARED]))
    write_tsv(folder / "rows.tsv", [*rows[3:7], UNMATCHED])
    lines = [json.dumps(dict(zip(COLUMNS, line, strict=True)) | {"more": [1]}) for line in rows[6:]]
    lines += [json.dumps({name: None for name in COLUMNS}), json.dumps({"url": "http://e.org/1.jpg", "text": "a cat"})]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    nulls = [tuple(None if at == gone else value for at, value in enumerate(row("n", gone))) for gone in range(5)]
    write_parquet(folder / "nulls.parquet", [*nulls, (None,) * 5, row("n", 9)])
    write_parquet(folder / "all_null.parquet", [(None,) * 5] * 3)
    write_parquet(
        folder / ODD_FILE, [row(ODD_FILE, 0), ("http://e.org/\u202e.jpg", "a 'cat' \\ \"red\" \u0000", *"xyz")]
    )
    warc_builder.write(folder / "golden.warc.gz", warc_builder.golden_records())
    texts = ["a cat", " a\tcat ", "a\u00a0cat", "CAT", "ein roter hund \U0001f415", "a" * 20_000, "photo of &amp; cat"]
    page = "".join(f"<img src='/{n}.jpg?a=1&amp;b=2' alt='{text}' title='red'>" for n, text in enumerate(texts))
    warc_builder.write(folder / "page.warc", [warc_builder.page(page)])
    return folder


def json_of(command: str, *words: object) -> list[object]:
    """Return the words of a command that answers with JSON."""
    return [command, *words, "--json"]


AT = ["--warehouse", "{warehouse}"]


def every_kind(root: Path, shared: Path | None) -> list[list[object]]:
    """All kinds of input at once, with an odd name, unmatched texts and kept columns; the same again; questions."""
    world = world_in(root)
    pool = of_every_kind(root / "kinds")
    words = words_of(world, "--keep-unmatched", "--json", input=pool, snapshot=ODD, keep_columns="note,lang")
    run = ["run", *words, "--files-per-commit", 6]
    urls = [row("k", 0)[0], SHARED[0]]
    return [
        run,
        run,
        json_of("sweep", *AT, "--metadata", world.metadata, "--thresholds", "1,2,3"),
        *(json_of("explain", *AT, "--metadata", world.metadata, "--url", url) for url in urls),
        json_of("plan", *words_of(world, input=pool, threshold=None)),
        ["run", *words_of(world, input=pool, snapshot=REFUSED)],
    ]


def crawls(root: Path, shared: Path | None) -> list[list[object]]:
    """One crawl after another, with repeats; other values of t, another seed, the whole pool; a takedown; prune."""
    world = world_in(root)
    paths = [
        write_parquet(root / f"{name}.parquet", [row("shared", n) for n in numbers])
        for name, numbers in (("one", range(40)), ("two", range(30, 80)), ("three", range(70, 90)))
    ]
    (root / "urls.txt").write_text("\n".join(row("shared", n)[0] for n in (0, 1, 35, 36, 75)), encoding="utf-8")
    (root / "domains.txt").write_text("nowhere.example\n", encoding="utf-8")
    runs = [["run", *words_of(world, "--json", input=path, snapshot=path.stem)] for path in paths]
    lists = ["--urls", root / "urls.txt", "--domains", root / "domains.txt"]
    balance = ["balance", *AT, "--metadata", world.metadata, "--json"]
    return [
        runs[0],
        runs[1],
        [*balance, "--threshold", 5],
        [*balance, "--threshold", 2, "--seed", 7],
        ["takedown", *AT, *lists, "--retain-hours", 0, "--json"],
        [*balance, "--tail-fraction", "20%", "--whole-pool"],
        runs[2],
        ["runs", "prune", "{run2}", *AT, "--retain-hours", 0],
        runs[0],
    ]


def images(root: Path, shared: Path | None) -> list[list[object]]:
    """One text per image."""
    world = world_in(root)
    url = "http://example.org/{}.jpg"
    rows = [(url.format(n // 3), f"photo of a {('cat', 'dog', 'cow')[n % 3]} number {n}") for n in range(60)]
    pool = write_parquet(root / "images.parquet", [*rows, (url.format("x"), "nothing")], ("url", "text"))
    words = words_of(world, "--unit", "image", "--json", input=pool, threshold=4)
    return [["run", *words, "--keep-unmatched"], json_of("sweep", *AT, "--unit", "image", "--thresholds", "2,4,9")]


def own_keys(root: Path, shared: Path | None) -> list[list[object]]:
    """A pool that is unique already, with its own keys, languages and kept columns."""
    world = world_in(root)
    rows = [row("own", n) for n in range(20)]
    write_parquet(root / "own" / "a.parquet", rows)
    write_tsv(root / "own" / "b.tsv", [(*line[:3], f"{n:032x}", "again") for n, line in enumerate(rows)])
    words = words_of(world, "--no-dedup", "--json", input=root / "own", id_column="key", lang_column="lang")
    return [["run", *words, "--languages", "all", "--keep-columns", "note,lang"]]


def match_later(root: Path, shared: Path | None) -> list[list[object]]:
    """Extracted without a list, matched later with one list and then with another; step by step."""
    world = world_in(root)
    (root / "other.json").write_text(json.dumps(["a", "road", *ENTRIES[4:]]), encoding="utf-8")
    steps: list[list[object]] = [
        ["extract", *words_of(world, metadata=None, threshold=None)],
        ["dedup", *AT],
    ]
    for metadata in (world.metadata, root / "other.json"):
        steps += [
            ["match", *AT, "--metadata", metadata, "--keep-unmatched"],
            ["count", *AT, "--metadata", metadata],
            ["balance", *AT, "--metadata", metadata, "--threshold", 2],
        ]
    return steps


def after_download(root: Path, shared: Path | None) -> list[list[object]]:
    """Survivors of the pool and of a subset, with a condition, with groups, and at frozen counts."""
    world = world_in(root)
    pool = write_parquet(root / "pairs.parquet", [row("d", n) for n in range(120)])
    table = {
        "url": [row("d", n)[0] for n in range(120)],
        "status": ["failed_to_download" if n % 3 == 2 else "success" for n in range(120)],
        "width": pa.array([None if n % 3 == 2 else 100 + n for n in range(120)], pa.int32()),
        "phash": [f"{n // 10}" for n in range(120)],
    }
    (root / "images").mkdir()
    pq.write_table(pa.table(table), root / "images" / "0.parquet")
    balance = ["balance", *AT, "--metadata", world.metadata, "--json"]
    survivors = ["--survivors", root / "images", "--drawn-from"]
    return [
        ["run", *words_of(world, "--json", input=pool, threshold=20)],
        [*balance, *survivors, "pool", "--where", "width >= 110", "--threshold", 15],
        [*balance, *survivors, "{run}", "--threshold", 5],
        [*balance, *survivors, "{run}", "--threshold", 60, "--group", "phash"],
        [*balance, "--freeze-counts", "{run}", "--threshold", 25],
        ["balance", *AT, "--target-size", 30, "--json"],
        [*balance, *survivors, "pool", "--where", "wide > 1"],
    ]


def nothing(root: Path, shared: Path | None) -> list[list[object]]:
    """Input without rows, with rows that all are left out, and without a match."""
    world = world_in(root)
    paths = {
        "no_rows": write_tsv(root / "no_rows.tsv", []),
        "no_match": write_parquet(root / "no_match.parquet", [UNMATCHED]),
        "null": write_parquet(root / "null.parquet", [(None,) * 5]),
    }
    return [["run", *words_of(world, "--json", input=path, snapshot=name)] for name, path in paths.items()]


def read_again(root: Path, shared: Path | None) -> list[list[object]]:
    """Damaged files are read again after one was mended."""
    world = world_in(root)
    pool = root / "retried"
    damaged_pool(pool)
    (root / "cut.wat.gz").write_bytes((pool / "cut.wat.gz").read_bytes())
    write_wat(root / "whole.wat.gz", wat_of([row("cut", n) for n in range(4)]))
    words = words_of(world, input=pool, threshold=None)
    return [
        ["copy", root / "cut.wat.gz", pool / "cut.wat.gz"],
        ["extract", *words],
        ["copy", root / "whole.wat.gz", pool / "cut.wat.gz"],
        ["extract", *words],
        ["extract", *words, "--retry", "partial,failed"],
        ["dedup", *AT, "--metadata", world.metadata],
        ["run", *words_of(world, "--json", input=pool)],
    ]


def real(root: Path, shared: Path | None) -> list[list[object]]:
    """Real captions in nine languages, real pages, a real list of 500,000 entries, and identified languages."""
    assert shared is not None
    captions, pages = shared / "captions", shared / "crawl"
    tables = [captions / f"{name}.parquet" for name in ("laion_sample", "xflickrco_8lang", "cmoa")]
    crawl = [pages / name for name in ("pages.wat.gz", "whirlwind.warc.gz", "clueweb-quirk.warc.gz")]
    crawl += [pages / name for name in ("ccrawl-link-extraction-test.warc", "nodewarc-books.toscrape.warc")]
    words = ["--input", *tables, *crawl, "--warehouse", "{warehouse}", "--threshold", 20, "--json"]
    metadata = ["--metadata", shared / "metadata" / "approx_500k.json.gz"]
    files = [*(shared / "cases").glob("*.warc.gz"), *(shared / "cases").glob("*.wat.gz")]
    files += [*(shared / "cases").glob("*.jsonl"), *(shared / "cases").glob("*.csv"), *(shared / "cases").glob("*.tsv")]
    cases = ["--input", *sorted(files), "--snapshot", "cases", "--no-lid", "--warehouse", "{warehouse}", "--json"]
    return [["run", *words, *metadata], ["run", *cases, *metadata, "--threshold", 20]]


SCRIPTS = [
    every_kind,
    *(
        pytest.param(script, marks=pytest.mark.slow)
        for script in (crawls, images, own_keys, match_later, after_download, nothing, read_again, real)
    ),
]


def words_of(world: World, *more: object, **instead: object) -> list[object]:
    """Return the flags of `run` on the warehouse of the script."""
    return [
        "{warehouse}" if word == world.root / "{warehouse}" else word
        for word in world.words("{warehouse}", *more, **instead)
    ]


def world_in(root: Path) -> World:
    """Return a tiny world in a new folder."""
    root.mkdir(parents=True, exist_ok=True)
    return World(root)


@pytest.fixture(scope="module")
def sides(request, tmp_path_factory) -> tuple[dict[str, Script], Path, Path, dict[str, list]]:
    """Run the chosen scripts on the other engine, all in one process.

    Returns:
        The scripts by name; the folders of this engine's warehouses and of the other's; the outcomes of the other
        engine by name.
    """
    root = tmp_path_factory.mktemp("engines")
    chosen = {
        item.callspec.params["script"]
        for item in request.session.items
        if item.module is request.module and hasattr(item, "callspec") and "script" in item.callspec.params
    }
    shared = SHARED_DATA if SHARED_DATA.is_dir() else None
    scripts = {
        script.__name__: [[str(word) for word in words] for words in script(root / "input" / script.__name__, shared)]
        for script in sorted(chosen, key=lambda script: script.__name__)
        if script is not real or shared is not None
    }
    mine, theirs = (root / name for name in ("this", "other"))
    other = OTHER[request.config.getoption("--engine")]
    given = {str(theirs / name): script for name, script in scripts.items()}
    outcomes = play_elsewhere(other, given, root / "elsewhere", clean_env())
    return scripts, mine, theirs, {Path(warehouse).name: found for warehouse, found in outcomes.items()}


def sentences(err: str) -> list[str]:
    """Return the lines of stderr that say why a command has failed, without the engine's words about a condition."""
    lines = [line for line in err.splitlines() if line.startswith("metaclip-spark: ")]
    return [line.partition(" cannot be used: ")[0] for line in lines]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_all_tables_and_answers_are_equal(spark, sides, script):
    """Every table has the same rows on both engines, and every command ends with the same status and answer."""
    scripts, mine, theirs, outcomes = sides
    name = script.__name__
    if name not in scripts:
        pytest.skip(f"real data is missing: {SHARED_DATA} does not exist")
    ours = play(scripts[name], str(mine / name))
    for words, (status, out, err), (status2, out2, err2) in zip(scripts[name], ours, outcomes[name], strict=True):
        assert (status, sentences(err)) == (status2, sentences(err2)), words
        assert "Traceback" not in err + err2
        assert by_nature(out) == by_nature(out2), words
    assert differences(str(mine / name), str(theirs / name)) == []
    assert any(compared.rows[0] for compared in compare(str(mine / name), str(theirs / name), ["sources"]))


def by_nature(out: str) -> object:
    """Return an answer without random names, sizes of files, and what a plan estimates from the engine's own rates."""
    try:
        found = json.loads(out)
    except ValueError:
        return re.sub(r"[\d.,]+ [kMG]?B\b", "", out)
    names = {"attempt_id", "takedown_id"}
    names |= {"core_hours", "core_seconds", "start_seconds", "bytes_stored", "stages", "cost", "cost_a_month"}
    return {key: value for key, value in found.items() if key not in names} if isinstance(found, dict) else found
