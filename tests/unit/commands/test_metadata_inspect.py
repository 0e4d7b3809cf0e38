"""What `inspect`, coverage and `diff` say of lists, held against lists made by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.cli import main
from metaclip_spark.commands.metadata_coverage import CURVE, HEAD_SHARE, measure_coverage, read_texts
from metaclip_spark.commands.metadata_diff import compare, compare_coverage
from metaclip_spark.commands.metadata_inspect import inspect
from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata import Metadata, load_metadata

SHIPPED = Path(__file__).resolve().parents[3] / "metadata" / "en.json.gz"


def write(path: Path, entries: list) -> Path:
    """Writes a list as JSON."""
    path.write_text(json.dumps(entries))
    return path


def found_in(path: Path) -> dict[str, tuple[int, list]]:
    """Returns number and examples of each finding that has any."""
    return {finding.name: (finding.number, finding.examples) for finding in inspect(path).findings if finding.number}


def test_usable_list_has_an_id_and_no_error(tmp_path):
    """The id is the loader's, and the cost of compiling is measured."""
    seen = inspect(write(tmp_path / "list.json", ["The", "the", "New York", "cat", "4", "a b c d e"]))
    assert seen.metadata_id == Metadata.from_entries(["The", "the", "New York", "cat", "4", "a b c d e"]).metadata_id
    assert (seen.errors, seen.listed, len(seen.entries)) == ([], 6, 6)
    assert seen.words == [4, 1, 0, 1]
    assert seen.chars == [1, 1, 3, 8, 8, 9]
    assert (seen.with_capital, seen.one_case_only) == (2, 3)
    assert seen.compile_seconds >= 0
    assert seen.compiled_bytes > 0


def test_what_a_list_is_refused_for_is_named_with_its_place(tmp_path):
    """Everything at once, where the loader stops at the first."""
    path = write(tmp_path / "list.json", ["cat", 7, "", "  ", "cat", None, "\ud800", "dog", "dog"])
    found = found_in(path)
    assert found["not a string"] == (2, [(1, "a number"), (5, "null")])
    assert found["empty"] == (1, [(2, "''")])
    assert found["blank"] == (1, [(3, "'  '")])
    assert found["repeats an earlier entry"] == (
        2,
        [(4, "'cat' (first at 0)"), (8, "'dog' (first at 7)")],
    )
    assert found["holds a lone surrogate"] == (1, [(6, "'\\ud800'")])
    seen = inspect(path)
    assert (seen.metadata_id, seen.entries) == (None, ["cat", "dog"])


def test_entries_that_are_odd_are_counted_with_examples(tmp_path):
    """They stay in a list; a user may want to know."""
    path = write(tmp_path / "list.json", ["St. John", "a\tb", " cat", "a  b", "x" * 257, "bell\x07", "fine"])
    assert found_in(path) == {
        "can never match": (2, [(0, "'St. John'"), (1, "'a\\tb'")]),
        "matches only where a text has its outer or double spaces": (2, [(2, "' cat'"), (3, "'a  b'")]),
        "holds a control character": (2, [(1, "'a\\tb'"), (5, "'bell\\x07'")]),
        "has over 256 characters": (1, [(4, repr("x" * 257))]),
    }


@pytest.mark.parametrize(("content", "said"), [("{}", "the JSON is an object"), ("[]", "the list is empty")])
def test_file_that_is_no_list_is_refused(tmp_path, content, said):
    """There is nothing to inspect in it."""
    (tmp_path / "list.json").write_text(content)
    with pytest.raises(MetadataError, match=said):
        inspect(tmp_path / "list.json")


TEXTS = ["the cat", "a cat, a cat", "nothing here", "The New York cat"]


def test_coverage_counts_texts_matches_and_entries():
    """Each entry once a text; texts that match nothing are in the share."""
    coverage = measure_coverage(Metadata.from_entries(["cat", "New York", "the", "dog"]), TEXTS)
    assert (coverage.texts, coverage.matched, coverage.matches, coverage.unmatched_entries) == (4, 3, 5, 1)
    assert (coverage.matched_share, coverage.matches_per_text) == (0.75, pytest.approx(5 / 3))
    assert coverage.counts.tolist() == [3, 1, 1, 0]
    assert coverage.top == [("cat", 3), ("New York", 1), ("the", 1)]


def test_curve_says_what_the_commonest_entries_hold():
    """Of 1,000 entries the commonest 0.1% is one, here with half of all matches."""
    metadata = Metadata.from_entries(["cat", *[f"word{number}" for number in range(999)]])
    texts = ["cat"] * 10 + [f"word{number}" for number in range(10)]
    curve = dict(measure_coverage(metadata, texts).curve)
    assert (curve[0.0001], curve[0.001], curve[0.01], curve[0.1]) == (0.0, 0.5, 0.95, 1.0)


def test_texts_are_read_from_every_kind_of_file(tmp_path):
    """One text a line, or a column of a table; cleaned, and empty ones left out."""
    (tmp_path / "texts.txt").write_text("the cat \n\na dog\n")
    (tmp_path / "texts.tsv").write_text("the cat\tu\na dog\tv\n")
    (tmp_path / "texts.jsonl").write_text('{"text": "the cat"}\n{"text": null}\n{"text": "a dog"}\n')
    with gzip.open(tmp_path / "texts.txt.gz", "wt") as stream:
        stream.write("the cat\na dog\n")
    pq.write_table(pa.table({"alt": ["the\tcat", None, "", "a dog"]}), tmp_path / "texts.parquet")
    for name, column in (("texts.txt", "text"), ("texts.txt.gz", "text"), ("texts.tsv", "0"), ("texts.jsonl", "text")):
        assert read_texts(tmp_path / name, column) == ["the cat", "a dog"], name
    assert read_texts(tmp_path / "texts.parquet", "alt") == ["the cat", "a dog"]


def test_texts_that_cannot_be_read_are_told(tmp_path):
    """A missing file, a missing column, an empty file."""
    pq.write_table(pa.table({"alt": ["x"]}), tmp_path / "texts.parquet")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "rubbish.parquet").write_bytes(bytes(range(256)))
    for name, said in (
        ("absent.txt", r"absent\.txt: no such file, expected a sample of texts; check --texts\.$"),
        ("texts.parquet", r"texts\.parquet: column 'text' is missing; got \['alt'\]"),
        ("empty.txt", r"empty\.txt: holds no text, expected at least one; check --texts and --text-column\.$"),
        ("rubbish.parquet", r"rubbish\.parquet: .*; check --texts and --text-column\.$"),
    ):
        with pytest.raises(MetadataError, match=said):
            read_texts(tmp_path / name)


ONE = Metadata.from_entries(["cat", "the", "old"])
TWO = Metadata.from_entries(["the", "cat", "New York", "nothing"])


def test_shipped_list_covers_real_texts_as_its_readme_says(shared_data):
    """At least 95% of the LAION sample match, and few entries hold most of the matches; the README has the figures."""
    found = measure_coverage(load_metadata(SHIPPED), read_texts(shared_data / "captions" / "laion_sample.parquet"))
    assert found.matched_share >= 0.95
    held = dict(found.curve)
    assert held[HEAD_SHARE] > 0.9
    readme = SHIPPED.with_name("README.md").read_text(encoding="utf-8")
    assert f"| LAION sample, {found.texts:,} | {found.matched_share:.1%} | {found.matches_per_text:.1f} |" in readme
    assert [f"| {share * 100:g}% | {held[share]:.1%} |" in readme for share in CURVE[:4]] == [True] * 4


def test_difference_names_what_is_only_in_one_and_what_moved():
    """In the order of each list."""
    found = compare(ONE, TWO)
    assert (found.only_first, found.only_second, found.common) == (["old"], ["New York", "nothing"], 2)
    assert found.moved == [("cat", 0, 1), ("the", 1, 0)]
    assert not found.is_empty
    assert compare(ONE, ONE).is_empty


def test_difference_on_texts_says_what_is_gained_and_lost():
    """Texts that match under one list alone, and texts with more or fewer matches."""
    change = compare_coverage(ONE, TWO, [*TEXTS, "old"])
    assert (change.gained, change.lost, change.more, change.fewer) == (1, 1, 2, 1)
    assert (change.first.matched, change.second.matched) == (4, 4)


def run(capsys, *words: object) -> tuple[int, str, str]:
    """Runs the command line; returns status, stdout and stderr."""
    status = main([str(word) for word in words])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_inspect_command_prints_and_says_in_its_status_whether_a_list_can_be_used(tmp_path, capsys):
    """Tables on stdout, what is wrong on stderr."""
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    good = write(tmp_path / "good.json", ["cat", "New York", "E. coli"])
    status, out, err = run(capsys, "metadata", "inspect", good, "--texts", tmp_path / "texts.txt")
    assert (status, err) == (0, "")
    assert "\n1  can never match; positions from 0:\n   'E. coli' at 2\nnone: not a string; empty; blank; " in out
    assert "\nmatched                                         75.0%\n" in out
    bad = write(tmp_path / "bad.json", ["cat", "cat"])
    status, out, err = run(capsys, "metadata", "inspect", bad)
    assert status == 1
    assert "'cat' (first at 0) at 1" in out
    assert err == f"metaclip-spark: {bad}: 1 entry: repeats an earlier entry; the list is refused where it is used.\n"


def test_inspect_and_diff_print_json(tmp_path, capsys):
    """The same numbers, for programs."""
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    one, two = write(tmp_path / "one.json", ["cat", "dog"]), write(tmp_path / "two.json", ["dog"])
    texts = ("--texts", tmp_path / "texts.txt", "--json")
    inspected = json.loads(run(capsys, "metadata", "inspect", one, *texts)[1])
    assert (inspected["entries"], inspected["coverage"]["matched_share"]) == (2, 0.75)
    compared = json.loads(run(capsys, "metadata", "diff", one, two, *texts)[1])
    assert (compared["only_first"], compared["moved"]) == (["cat"], [["dog", 1, 0]])
    assert compared["coverage"]["lost"] == 3


def test_diff_command_says_what_changes(tmp_path, capsys):
    """Entries, ids, and coverage side by side."""
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    one, two = write(tmp_path / "one.json", ["cat", "dog"]), write(tmp_path / "two.json", ["dog"])
    status, out, _ = run(capsys, "metadata", "diff", one, two, "--texts", tmp_path / "texts.txt")
    assert status == 0
    assert "'dog' 1 -> 0" in out
    assert "ids differ: counts and matches of one list cannot be used with the other" in out
    assert f"A  {one}\nB  {two}\n" in out
    assert "texts that match only under B: 0; only under A: 3" in out
    assert run(capsys, "metadata", "diff", one, one)[1] == "the lists are equal: 2 entries with the same ids\n"


def test_tables_keep_to_the_terminals_width(tmp_path, capsys, monkeypatch):
    """What is long goes on below, and no entry is broken; where stdout is no terminal each row is one line."""
    many = write(tmp_path / "many.json", [f"U.S. Mint number {number}" for number in range(9)] + ["cat"])
    one = write(tmp_path / "one.json", ["cat"])
    inspected, compared = [], []
    for columns in ("80", "0"):
        monkeypatch.setenv("COLUMNS", columns)
        inspected.append(run(capsys, "metadata", "inspect", many)[1])
        compared.append(run(capsys, "metadata", "diff", many, one, "--examples", 9)[1])
    wide = [line for out in (inspected[0], compared[0]) for line in out.splitlines() if str(tmp_path) not in line]
    assert max(map(len, wide)) <= 80
    assert compared[0].count("'U.S. Mint number") == compared[1].count("'U.S. Mint number") == 9
    assert "'U.S. Mint number 1',\n" in compared[0]
    assert ["only in A" in line and "number 8'" in line for line in compared[1].splitlines()].count(True) == 1
    assert inspected[1].splitlines()[-1].startswith("none: not a string; ")


def test_build_command_prints_what_each_source_brought(tmp_path, capsys):
    """A variadic flag takes every file up to the next flag; what was cut is said."""
    for name, content in (("a.tsv", "the\t900\nrare\t9\n"), ("b.tsv", "the\t9\ncat\t150\n")):
        (tmp_path / name).write_text(content)
    output = tmp_path / "list.json.gz"
    words = ("--unigrams", tmp_path / "a.tsv", tmp_path / "b.tsv", "--numbers", 0, "--output", output)
    status, out, err = run(capsys, "metadata", "build", *words)
    assert (status, err) == (0, "unigrams: 2 entries from 3 candidates\n")
    assert out.splitlines()[:2] == [
        "source    read  offered  taken  cut",
        "unigrams     3        2      2  1 count under 100",
    ]
    assert out.splitlines()[3] == f"in {output} (beside it list.sidecar.json, list.provenance.parquet)"
    status, out, err = run(capsys, "metadata", "build", "--output", output)
    assert (status, out) == (2, "")
    assert err.startswith("metaclip-spark: no source is given, expected at least one of --wordnet")
