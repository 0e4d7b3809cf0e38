"""The data card of a run has the numbers of the tables, and the entry points work."""

from __future__ import annotations

import html
import importlib
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from e2e_world import call, flag_words, rows_of, versions, wat_record, write_wat

import metaclip_spark
from metaclip_spark.core.draw import draws
from metaclip_spark.report.formatting import visible
from metaclip_spark.storage.packed import ENTRIES, TEXTS, split_blocks

pytestmark = pytest.mark.spark

ROOT = Path(__file__).resolve().parents[2]
JOBS = sorted(path.name for path in (ROOT / "jobs").glob("*.py"))


def words_of(page: str) -> str:
    """Return the page's words with single spaces, without its style and plots."""
    page = re.sub(r"<style>.*?</style>|<script.*?</script>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def sidecar_of(undisturbed) -> dict:
    """Return the sidecar JSON of the run's page."""
    path = undisturbed.warehouse / "reports" / f"{undisturbed.run_id}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_report_writes_the_page_again_with_the_tables_numbers(spark, undisturbed):
    """`report` prints the path of the page, and its numbers are those of the tables."""
    path = undisturbed.warehouse / "reports" / f"{undisturbed.run_id}.html"
    first = path.read_text(encoding="utf-8")
    path.unlink()
    ended = call("report", "--warehouse", undisturbed.warehouse)
    assert (ended.status, ended.out) == (0, f"{path}\n"), ended.err
    page = path.read_text(encoding="utf-8")
    assert re.sub(r"<time>.*?</time>", "", page) == re.sub(r"<time>.*?</time>", "", first)
    assert not list(path.parent.glob("*.partial"))

    words = words_of(page)
    state, warehouse = undisturbed.state, undisturbed.warehouse
    texts, matched = (
        sum(number for (number,) in rows_of(spark, warehouse, "sources", (name,)))
        for name in ("texts_read", "texts_matched")
    )
    assert f"Pool, unique pairs {len(state['pairs'])} " in words
    assert f"Curated subset {len(state['curated_pairs'])} " in words
    assert f"Texts {texts} " in words
    assert f"Matched {matched} " in words
    curated = [ids for (ids,) in rows_of(spark, warehouse, "curated_pairs", ("entry_ids",))]
    top = rows_of(spark, warehouse, "entry_probabilities", ("entry", "entry_id", "count", "probability"))
    assert len(top) == 7
    for entry, entry_id, count, probability in top:
        kept = sum(entry_id in ids for ids in curated)
        assert f" {entry} {entry_id} {count} {kept} {probability:.4g} " in words
    assert f"Counts after {sum(map(len, curated))} " in words


def test_the_sidecar_has_the_numbers_of_the_tables(spark, undisturbed):
    """Languages, text sources, domains, unmatched entries and rejects equal counts over the tables' rows."""
    sidecar = sidecar_of(undisturbed)
    rows = {
        side: rows_of(spark, undisturbed.warehouse, table, ("lang", "text_source", "url", "entry_ids"))
        for side, table in (("pool", "pairs"), ("curated", "curated_pairs"))
    }
    for at, name in enumerate(("languages", "text_sources")):
        found = {part["value"]: (part["pool"], part["curated"]) for part in sidecar[name]["listed"]}
        sums = {side: Counter(row[at] for row in listed) for side, listed in rows.items()}
        assert found == {value: (n, sums["curated"][value]) for value, n in sums["pool"].items()}
    everything = {"pool": len(rows["pool"]), "curated": len(rows["curated"])}
    assert sidecar["domains"] == {
        "share_of_pairs": 1.0,
        "values": 1,
        **everything,
        "listed": [{"value": "example.org", **everything}],
    }
    counts = Counter(entry for row in rows["pool"] for entry in row[3])
    worst = sidecar["entry_domains"]["worst"]
    assert {one["entry_id"]: one["pool"] for one in worst} == {at: n for at, n in counts.items() if n >= 20}
    assert {(one["effective_domains"], one["top_domain"], one["top_domain_share"]) for one in worst} == {
        (1.0, "example.org", 1.0)
    }
    assert sidecar["never_matched"] == {
        "can_never_match": 1,
        "did_not_occur": 2,
        "examples_that_can_never_match": ["St. John"],
        "examples_that_did_not_occur": ["a cat", "zebra"],
    }
    reasons = Counter()
    for (of_source,) in rows_of(spark, undisturbed.warehouse, "sources", ("rejected",)):
        reasons.update(dict(of_source))
    assert sidecar["rejected"] == dict(reasons)
    for before, after in zip(sidecar["funnel"], sidecar["funnel"][1:], strict=False):
        assert before["value"] - sum(after["left_out"].values()) == after["value"]


def test_pairs_shown_are_the_tables_with_their_probability_and_draw(spark, undisturbed):
    """Kept pairs are in curated_pairs, dropped pairs only in pairs. Both are ordered by a hash that is not the draw."""
    warehouse, sidecar = undisturbed.warehouse, sidecar_of(undisturbed)["samples"]
    names = ("pair_id", "url", "text")
    decided = ("sampling_probability", "draw")
    kept = {row[0]: row[1:] for row in rows_of(spark, warehouse, "curated_pairs", (*names, *decided))}
    pool = {row[0]: row[1:] for row in rows_of(spark, warehouse, "pairs", names)}
    assert {one["pair_id"]: tuple(one[name] for name in (*names, *decided)[1:]) for one in sidecar["curated"]} == kept
    assert {one["pair_id"]: (one["url"], one["text"]) for one in sidecar["dropped"]} == {
        pair: row for pair, row in pool.items() if pair not in kept
    }
    assert all(one["draw"] >= one["sampling_probability"] > 0 for one in sidecar["dropped"])
    for shown in sidecar.values():
        ids = pa.array([one["pair_id"] for one in shown])
        assert len(ids) > 3
        assert np.all(np.diff(draws(ids, 0, "sample")) > 0)
        assert not np.all(np.diff(draws(ids, 0)) > 0)


def test_texts_of_entries_are_the_tables_pairs_with_the_lowest_hashes(spark, undisturbed):
    """Ten of the pool and ten of the subset, by the hash that samples pairs. The page carries all counted entries."""
    warehouse = undisturbed.warehouse
    page = (warehouse / "reports" / f"{undisturbed.run_id}.html").read_text(encoding="utf-8")
    blocks = split_blocks(page)[1]
    counts = rows_of(spark, warehouse, "entry_probabilities", ("entry_id", "entry", "count"))
    carried = blocks[ENTRIES]
    ids = np.cumsum(carried["ids"]).tolist()
    assert sorted(zip(ids, carried["entries"], carried["pool"], strict=True)) == sorted(counts)
    texts = blocks[TEXTS]["texts"]
    assert sorted(map(int, blocks[TEXTS]["of"])) == sorted(ids)
    for at, table in enumerate(("pairs", "curated_pairs")):
        rows = rows_of(spark, warehouse, table, ("pair_id", "url", "text", "entry_ids"))
        s = dict(zip([row[0] for row in rows], draws(pa.array([row[0] for row in rows]), 0, "sample"), strict=True))
        for entry, sides in blocks[TEXTS]["of"].items():
            mine = sorted((row for row in rows if int(entry) in row[3]), key=lambda row: s[row[0]])
            assert [texts[one] for one in sides[at]] == [[visible(row[2], 300), row[1], row[0]] for row in mine[:10]]


def test_class_names_are_counted_before_and_after(spark, undisturbed, tmp_path):
    """A name is looked up as an entry, then in lower case. The page has thin classes and names without an entry."""
    names = tmp_path / "names.txt"
    names.write_text("cat\nDOG\npurple\nkite (bird of prey)\n", encoding="utf-8")
    output = tmp_path / "card.html"
    words = flag_words(warehouse=undisturbed.warehouse, class_names=names, thin=3, output=output)
    ended = call("report", *words)
    assert (ended.status, ended.out) == (0, f"{output}\n"), ended.err
    sidecar = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))["class_names"]
    counts = dict(rows_of(spark, undisturbed.warehouse, "entry_counts", ("entry", "count")))
    after = Counter(e for (ids,) in rows_of(spark, undisturbed.warehouse, "curated_pairs", ("entry_ids",)) for e in ids)
    assert [(one["name"], one["entry"], one["exact"], one["pool"], one["curated"]) for one in sidecar["classes"]] == [
        ("cat", "cat", True, counts["cat"], after[1]),
        ("DOG", "dog", False, counts["dog"], after[2]),
        ("purple", "purple", True, 1, 1),
    ]
    assert "purple" in sidecar["thin"]
    assert sidecar["no_entry"] == ["kite (bird of prey)"]
    words = words_of(output.read_text(encoding="utf-8"))
    assert f"{len(sidecar['thin'])} of 4 classes " in words
    assert "1 class is not an entry" in words


def test_two_runs_side_by_side(spark, undisturbed, tmp_path):
    """The page has both runs' numbers, the differences, and the entries that moved. The tables do not change."""
    warehouse = shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    other = json.loads(call("balance", *flag_words(warehouse=warehouse, threshold=6, seed=1), "--json").out)
    before = versions(warehouse)
    ended = call("report", "--compare", undisturbed.run_id, other["run_id"], "--warehouse", warehouse)
    page = warehouse / "reports" / f"{undisturbed.run_id}-{other['run_id']}.html"
    assert (ended.status, ended.out) == (0, f"{page}\n"), ended.err
    assert versions(warehouse) == before
    sidecar = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    first, second = sidecar["cards"]
    del other["report"]
    assert {name: second[name] for name in other} == other
    mine = sidecar_of(undisturbed)
    same = [name for name in first if name not in ("created_at", "tables")]
    assert {name: first[name] for name in same} == {name: mine[name] for name in same}
    sizes = len(undisturbed.state["curated_pairs"]), other["curated_size"]
    assert sidecar["differences"]["curated_size"] == {
        "first": sizes[0],
        "second": sizes[1],
        "difference": sizes[1] - sizes[0],
    }
    assert (sidecar["settings"]["seed"], sidecar["settings"]["threshold"]) == (["0", "1"], ["2", "6"])
    assert sidecar["moved_by_count"] == []
    words = words_of(page.read_text(encoding="utf-8"))
    assert f"Curated subset {sizes[0]} {sizes[1]} " in words
    for moved in sidecar["moved_by_kept_share"]:
        assert f" {moved['entry']} {moved['pool'][0]} {moved['pool'][1]} {moved['curated'][0]} " in words


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--compare", "a", "b", "--run-id", "a"], "--compare names both runs; remove --run-id."),
        (
            ["--compare", "a", "b", "--class-names", "names.txt"],
            "--class-names is for the card of one run; remove it, or remove --compare.",
        ),
        (["--thin", "5"], "--thin needs the classes; give them with --class-names FILE."),
        (
            ["--class-names", "none.txt"],
            "--class-names none.txt cannot be read: No such file or directory. Check the path.",
        ),
    ],
)
def test_wrong_usage_of_report_starts_nothing(undisturbed, words, sentence):
    """The error is one sentence, before Spark starts."""
    ended = call("report", "--warehouse", undisturbed.warehouse, *words)
    assert (ended.status, ended.out, ended.err) == (2, "", f"metaclip-spark: {sentence}\n")


@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        ("metaclip_spark.commands.report", "with_composition", {}),
        ("metaclip_spark.steps.summary.write", "read_facts", {"eu_summary": "summary"}),
    ],
    ids=["card", "summary"],
)
def test_a_takedown_while_a_page_is_made_leaves_no_page(spark, undisturbed, tmp_path, monkeypatch, module, name, words):
    """The page could show what is removed: it is not kept, and the same command then makes one without it."""
    made_by = importlib.import_module(module)
    function = getattr(made_by, name)
    warehouse = shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    ((url,), *_) = rows_of(spark, warehouse, "curated_pairs", ["url"])
    (tmp_path / "urls").write_text(f"{url}\n")
    words = flag_words(warehouse=warehouse, **{flag: tmp_path / folder for flag, folder in words.items()})

    def taken_down_meanwhile(*given):
        made = function(*given)
        assert call("takedown", *flag_words(warehouse=warehouse, urls=tmp_path / "urls")).status == 0
        return made

    monkeypatch.setattr(made_by, name, taken_down_meanwhile)
    done = call("report", *words)
    assert (done.status, done.out) == (1, "")
    assert f"a takedown removed pairs of run {undisturbed.run_id} while this command read them" in done.err
    pages = [*(warehouse / "reports").iterdir(), *tmp_path.glob("summary/*")]
    assert pages == []
    monkeypatch.undo()
    assert call("report", *words).status == 0


def test_an_unknown_run_cannot_be_compared(undisturbed):
    """The error names the unknown run of the two."""
    ended = call("report", "--warehouse", undisturbed.warehouse, "--compare", undisturbed.run_id, "feedfeedfeedfeed")
    assert (ended.status, ended.out) == (2, "")
    assert "holds no run 'feedfeedfeedfeed'" in ended.err.splitlines()[-1]


def test_report_of_an_unknown_run_is_refused(undisturbed):
    """An unknown run id is an error of one sentence."""
    ended = call("report", "--warehouse", undisturbed.warehouse, "--run-id", "feedfeedfeedfeed")
    assert (ended.status, ended.out) == (2, "")
    sentence = f"{undisturbed.warehouse} holds no run 'feedfeedfeedfeed'; expected tables made by run."
    assert ended.err.splitlines()[-1] == f"metaclip-spark: {sentence}"


def test_report_on_a_folder_without_tables_is_refused(spark, tmp_path):
    """A folder without tables is an error, and does not change."""
    ended = call("report", "--warehouse", tmp_path)
    assert ended.status in (1, 2)
    assert ended.err.splitlines()[-1] == (f"metaclip-spark: {tmp_path} holds no curated subset yet; run balance first.")
    assert list(tmp_path.iterdir()) == []


def test_explain_agrees_with_the_tables(spark, undisturbed):
    """Kept and dropped pairs are explained with the tables' probability, draw and verdict."""
    kept = rows_of(spark, undisturbed.warehouse, "curated_pairs", ("pair_id", "sampling_probability", "draw"))
    dropped = {pair for (pair,) in rows_of(spark, undisturbed.warehouse, "pairs", ("pair_id",))} - {k[0] for k in kept}
    pair, probability, draw = kept[0]
    ended = call("explain", "--warehouse", undisturbed.warehouse, "--pair-id", pair, "--json")
    assert ended.status == 0, ended.err
    assert repr(probability) in ended.out
    assert repr(draw) in ended.out
    (why,) = json.loads(ended.out)
    assert why["seen_in"] == ["default"]
    assert why["verdict"].startswith("kept: ")
    assert 1 <= why["kept_from_threshold"] <= 2
    for match in why["matches"]:
        for at in match["positions"]:
            assert why["spaced"][at:].startswith(match["entry"])
    ended = call("explain", "--warehouse", undisturbed.warehouse, "--pair-id", min(dropped), "--json")
    assert ended.status == 0, ended.err
    (why,) = json.loads(ended.out)
    assert why["verdict"].startswith("dropped: ")
    assert 2 < why["kept_from_threshold"] <= min(match["count"] for match in why["matches"])


def child(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess:
    """Run Python on these words in another process."""
    return subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True, timeout=120, check=False)


def test_module_prints_its_version_without_spark(child_env, tmp_path):
    """`python -m metaclip_spark --version` needs no Java."""
    ended = child("-m", "metaclip_spark", "--version", env={**child_env, "JAVA_HOME": str(tmp_path)})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"metaclip-spark, version {metaclip_spark.version.full_version()}\n"


def test_no_java_is_one_sentence(world, child_env, tmp_path):
    """Without Java a run ends with status 1, and the error names what to install."""
    words = ["-m", "metaclip_spark", "run", *map(str, world.words()), "--engine", "spark"]
    ended = child(*words, env={**child_env, "JAVA_HOME": str(tmp_path)})
    assert (ended.returncode, ended.stdout) == (1, "")
    sentence = ended.stderr.splitlines()[-1]
    assert sentence.startswith(f"metaclip-spark: Spark needs Java 17 or 21, and JAVA_HOME={tmp_path} has no bin/java.")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("job", JOBS)
def test_job_takes_the_flags_of_its_command(child_env, job):
    """`jobs/NAME.py --help` prints the help of `metaclip-spark NAME`."""
    name = job.removesuffix(".py")
    ended = child(str(ROOT / "jobs" / job), "--help", env=child_env)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == call(name, "--help").out


def test_the_public_summary_has_the_numbers_of_the_tables(spark, undisturbed, tmp_path):
    """Of archives of Common Crawl with their dates, opt-outs and a takedown; the page of the run is not written."""
    crawl = tmp_path / "crawl-data" / "CC-MAIN-2024-51" / "segments" / "1" / "wat"
    name = "CC-MAIN-20241201162023-20241203192023-{:05}.warc.wat.gz"
    pages = [
        wat_record(
            f"http://www.page{number % 30}.org/{number}",
            [{"url": f"http://img.host{number % 12}.com/{number}.jpg", "alt": f"photo of a red cat {number}"}],
        )
        for number in range(60)
    ]
    write_wat(crawl / name.format(0), pages[:40])
    write_wat(crawl / name.format(1), pages[40:])
    warehouse = tmp_path / "warehouse"
    words = undisturbed.world.words(warehouse, input=crawl, threshold=20, snapshot="winter")
    ended = call("run", *words)
    assert ended.status == 0, ended.err
    (tmp_path / "hosts.txt").write_text("host3.com\n")
    assert call("takedown", *flag_words(warehouse=warehouse, domains=tmp_path / "hosts.txt")).status == 0
    reports = sorted(path.name for path in (warehouse / "reports").glob("*"))

    ended = call("report", *flag_words(warehouse=warehouse, eu_summary=tmp_path / "summary"))
    assert ended.status == 0, ended.err
    files = ["summary.md", "summary.json", "domains-of-images.csv", "domains-of-pages.csv"]
    assert ended.out.splitlines() == [str(tmp_path / "summary" / name) for name in files]
    assert sorted(path.name for path in (tmp_path / "summary").iterdir()) == sorted(files)
    assert sorted(path.name for path in (warehouse / "reports").glob("*")) == reports

    kept = rows_of(spark, warehouse, "curated_pairs", ("url", "page_url", "text", "image_id"))
    plain = json.loads((tmp_path / "summary" / "summary.json").read_text(encoding="utf-8"))
    numbers = plain["numbers"]
    assert (numbers["pairs"], numbers["images"]) == (len(kept), len({row[3] for row in kept}))
    assert numbers["characters"] == sum(len(row[2]) for row in kept)
    (read,) = numbers["inputs"]
    days = {"first": "2024-12-01", "last": "2024-12-03"}
    found = {key: value for key, value in read.items() if key != "bytes"}
    assert found == {
        "snapshot": "winter",
        "format": "wat",
        "crawl": "CC-MAIN-2024-51",
        "sources": 2,
        "texts": 60,
        **days,
    }
    assert numbers["taken_down"] == 5
    assert "noai" in numbers["rules"]["winter"]["opt_outs"]

    for of, column in (("images", 0), ("pages", 1)):
        sizes = Counter(".".join(row[column].split("/")[2].split(".")[-2:]) for row in kept)
        first = sorted(sizes, key=lambda domain: (-sizes[domain], domain))[: -(-len(sizes) // 10)]
        lines = (tmp_path / "summary" / f"domains-of-{of}.csv").read_text(encoding="utf-8").splitlines()
        assert lines[0] == "rank,domain,pairs,characters"
        assert [line.split(",")[:3] for line in lines[1:]] == [
            [str(rank), domain, str(sizes[domain])] for rank, domain in enumerate(first, 1)
        ]
    page = (tmp_path / "summary" / "summary.md").read_text(encoding="utf-8")
    assert "CC-MAIN-2024-51 (WAT): 2 files, 60 texts" in page
    assert "**Latest date of data acquisition/collection for model training:** 2024-12-03" in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--eu-small"], "--eu-small says how many domains --eu-summary DIR lists; give that folder, too."),
        (
            ["--eu-summary", "x", "--class-names", "y"],
            "--class-names is of the page; --eu-summary writes a summary instead of it. Remove one of them.",
        ),
    ],
)
def test_wrong_usage_of_a_summary_starts_nothing(undisturbed, words, sentence):
    """One sentence, exit status 2."""
    ended = call("report", "--warehouse", undisturbed.warehouse, *words)
    assert (ended.status, ended.out, ended.err) == (2, "", f"metaclip-spark: {sentence}\n")
