"""Building a list from its inputs: budget, order, dropped candidates, provenance, and invalid input."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata import Part, Recipe, assemble, build_from, load_metadata, never_matching
from metaclip_spark.metadata.ngrams import RankedEntry, Ranking

ROOT = Path(__file__).resolve().parents[3]
TINY = ROOT / "tests" / "data" / "wordnet_tiny"
HOURS = tuple(str(path) for path in sorted((ROOT / "tests" / "data" / "pageviews").iterdir()))


def part(name: str, *entries: str, limit: int | None = None) -> Part:
    """Return a source with these entries in order."""
    ranked = [RankedEntry(entry, float(-at)) for at, entry in enumerate(entries)]
    return Part(name, Ranking(ranked, len(entries), {}), limit)


def cuts(built) -> list[dict[str, int]]:
    """Return the number of dropped candidates of each source, by reason."""
    return [dict(counts.cut) for counts in built.source_counts]


def test_entry_has_the_position_of_its_first_source():
    """Entries are in the order of sources and ranks; the provenance names later sources of an entry."""
    built = assemble([part("a", "cat", "dog"), part("b", "dog", "ant", "cat"), part("c", "cat", "bee")])
    assert built.entries == ["cat", "dog", "ant", "bee"]
    assert (built.sources, built.ranks) == ([0, 0, 1, 2], [0, 1, 1, 1])
    assert built.also_in == {0: [1, 2], 1: [1]}
    assert [(counts.taken, counts.first_id) for counts in built.source_counts] == [(2, 0), (1, 2), (1, 3)]


def test_budget_and_limit_drop_the_lowest_ranks():
    """The limit of a source counts its new entries alone; dropped entries are counted by reason."""
    built = assemble([part("a", "cat", "dog"), part("b", "dog", "ant", "bee", "fly", limit=2), part("c", "x", "y")], 5)
    assert built.entries == ["cat", "dog", "ant", "bee", "x"]
    assert cuts(built) == [
        {},
        {"brought by an earlier source": 1, "not among the best": 1},
        {"over the budget of 5": 1},
    ]


def test_punctuation_and_overlong_entries_are_dropped():
    """Upstream drops them, too; a word with punctuation inside is kept."""
    built = assemble([part("a", "!", "--", "don't", "x" * 257, "y" * 256, " ", "St. John")])
    assert built.entries == ["don't", "y" * 256, "St. John"]
    assert cuts(built) == [{"punctuation alone": 2, "over 256 characters": 1, "blank": 1}]


def test_entries_that_can_never_match_are_dropped_on_request():
    """By default they are kept, as in the paper's list."""
    built = assemble([part("a", "St. John", "cat")], drop_never_matching=True)
    assert (built.entries, cuts(built)) == (["cat"], [{"can never match": 1}])


ENTRIES = st.text("ab.! ", max_size=3)


@given(st.lists(st.lists(ENTRIES, max_size=9), max_size=4), st.integers(0, 12), st.booleans())
def test_every_offered_entry_is_taken_or_counted(offers, budget, drop):
    """No entry is dropped without a reason, no entry occurs twice, and the list is within the budget."""
    built = assemble([part(str(at), *entries) for at, entries in enumerate(offers)], budget, drop)
    assert len(set(built.entries)) == len(built.entries) <= budget
    for counts in built.source_counts:
        assert counts.taken + counts.cut.total() == counts.offered
    assert not (drop and never_matching(built.entries).any())


@pytest.fixture
def inputs(tmp_path) -> Path:
    """A folder with small inputs of every kind of source."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    (folder / "words.tsv").write_text("the\t900\ncat\t150\nkong\t2\nhong\t2\nof\t300\nrare\t99\n")
    (folder / "bigrams.tsv").write_text("hong kong\t2\nof the\t200\n")
    (folder / "titles.tsv").write_text("Hong Kong\t7000000\ncat\t1\nSt. Louis\t300000\n")
    (folder / "words.tsv.source.json").write_text('{"name": "hand", "version": "7", "licence": "CC0-1.0"}')
    return folder


def recipe(folder: Path, **changes) -> Recipe:
    """Return the recipe of a list from every kind of source, with changes."""
    defaults = {
        "wordnet": str(TINY),
        "numbers": 2,
        "unigrams": (str(folder / "words.tsv"),),
        "min_pmi": 2.0,
        "bigrams": (str(folder / "bigrams.tsv"),),
        "pageviews": HOURS,
    }
    return Recipe(**{**defaults, **changes})


def test_sources_are_in_the_papers_order(inputs, tmp_path):
    """The order is numbers, WordNet, words, bigrams, titles."""
    built = build_from(recipe(inputs), tmp_path / "list.json.gz")
    entries = load_metadata(tmp_path / "list.json.gz").entries
    assert entries == built.metadata.entries
    assert entries[:4] == ("0", "1", "entity", "cat")
    # WordNet has `cat`; `rare`, `hong` and `kong` are under the minimum count; `of the` is under 2 bits.
    assert entries[16:] == ("the", "of", "hong kong", "Main Page", "Cat", "New York City")
    assert [(counts.name, counts.taken) for counts in built.source_counts] == [
        ("numbers", 2),
        ("wordnet", 14),
        ("unigrams", 2),
        ("bigrams", 1),
        ("titles", 3),
    ]


def test_dropped_candidates_are_in_the_sidecar(inputs, tmp_path):
    """They are counted by source and reason, with the malformed lines of page views."""
    build_from(recipe(inputs), tmp_path / "list.json.gz")
    sidecar = json.loads((tmp_path / "list.sidecar.json").read_text())
    by_name = {source["name"]: source for source in sidecar["sources"]}
    assert by_name["hand"]["cut"] == {"count under 100": 3, "brought by an earlier source": 1}
    assert (by_name["hand"]["version"], by_name["hand"]["licence"]) == ("7", "CC0-1.0")
    titles = sidecar["sources"][-1]
    assert titles["cut"]["malformed line: not four columns"] == 2
    assert titles["cut"]["punctuation alone"] == 1
    assert (titles["licence"], len(titles["files"])) == ("unknown", 2)
    assert sidecar["parameters"]["min_pmi"] == 2.0


def test_each_entry_has_its_provenance(inputs, tmp_path):
    """Each row has the source, rank and score of an entry and its later sources, in the order of ids."""
    build_from(recipe(inputs), tmp_path / "list.json.gz")
    rows = pq.read_table(tmp_path / "list.provenance.parquet").to_pylist()
    assert [row["entry_id"] for row in rows] == list(range(22))
    assert rows[3] == {"entry_id": 3, "source": "wordnet", "rank": 1, "score": 0.0, "also_in": "unigrams"}
    assert rows[16] == {"entry_id": 16, "source": "unigrams", "rank": 0, "score": 900.0, "also_in": ""}
    assert (rows[18]["source"], round(rows[18]["score"], 3)) == ("bigrams", 9.505)


def test_same_inputs_give_the_same_bytes(inputs, tmp_path, monkeypatch):
    """The list and the provenance depend on the inputs alone; the sidecar also depends on the time."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    for place in ("one", "two"):
        build_from(recipe(inputs), tmp_path / place / "list.json.gz")
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / place).iterdir()} for place in ("one", "two"))
    assert one == two
    assert sorted(one) == ["list.json.gz", "list.provenance.parquet", "list.sidecar.json"]


def test_ranked_titles_replace_page_views(inputs, tmp_path):
    """Their numbers are not views, so they have no minimum."""
    changed = recipe(inputs, pageviews=(), titles=(str(inputs / "titles.tsv"),), best_titles=2)
    entries = build_from(changed, tmp_path / "list.json.gz").metadata.entries
    assert entries[-2:] == ("Hong Kong", "St. Louis")


def test_bigrams_may_be_ranked_by_separate_counts(inputs, tmp_path):
    """The words and the bigrams may come from different corpora."""
    (inputs / "others.tsv").write_text("hong\t4\nkong\t4\nelse\t1016\n")
    changed = recipe(inputs, pmi_unigrams=(str(inputs / "others.tsv"),), pageviews=())
    build_from(changed, tmp_path / "list.json.gz")
    rows = pq.read_table(tmp_path / "list.provenance.parquet").to_pylist()
    assert [(row["source"], row["score"]) for row in rows[16:]] == [
        ("unigrams", 900.0),
        ("unigrams", 300.0),
        ("bigrams", 7.0),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "no source is given, expected at least one of --wordnet, --unigrams, --bigrams, --pageviews, --titles."),
        ({"bigrams": ("b",)}, "--bigrams needs the counts of their words, too, for the PMI; give them as --unigrams"),
        ({"pageviews": ("p",), "titles": ("t",)}, "--titles replaces --pageviews, got both; remove one of them."),
        ({"wordnet": "w", "budget": 0}, "--budget must be >= 1, got 0."),
        ({"wordnet": "w", "min_count": -1}, "--min-count must be >= 0, got -1."),
    ],
)
def test_invalid_recipe_is_refused(changes, message):
    """The error is raised before any input is read."""
    with pytest.raises(MetadataError) as caught:
        Recipe(**changes)
    assert str(caught.value).startswith(message)


BAD = {
    "truncated bz2": ("bad.bz2", bz2.compress(b"cat\t3\n" * 99)[:-8]),
    "truncated gzip": ("bad.gz", gzip.compress(b"cat\t3\n" * 99)[:-8]),
    "wrong columns": ("bad.tsv", b"cat 3\n"),
    "negative count": ("bad.tsv", b"cat\t-3\n"),
    "binary data": ("bad.tsv", bytes(range(256)) * 9),
    "no lines": ("bad.tsv", b""),
}


FLAGS = ["unigrams", "pmi_unigrams", "bigrams", "pageviews", "titles"]
# A file of bigrams may be empty: a corpus may have none.
BAD_INPUTS = [(kind, flag) for kind in BAD for flag in FLAGS if (kind, flag) != ("no lines", "bigrams")]


@pytest.mark.parametrize(("kind", "flag"), BAD_INPUTS)
def test_bad_input_is_one_sentence_and_writes_nothing(inputs, tmp_path, kind, flag):
    """For every fault in every input, the error is one line, and no file and no folder remains."""
    name, content = BAD[kind]
    (inputs / name).write_bytes(content)
    changes = {flag: (str(inputs / name),)}
    if flag == "titles":
        changes["pageviews"] = ()
    with pytest.raises(MetadataError) as caught:
        build_from(recipe(inputs, **changes), tmp_path / "out" / "list.json.gz")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(("fetch or create the file again.", "names it.", "the files.", "--pageviews."))
    assert not (tmp_path / "out").exists()


def test_invalid_origin_is_refused(inputs, tmp_path):
    """A licence file that cannot be read raises an error; it is not ignored."""
    (inputs / "words.tsv.source.json").write_text('{"license": "CC0"}')
    with pytest.raises(
        MetadataError, match=r"words\.tsv\.source\.json: expected a JSON object with name, version, lic"
    ):
        build_from(recipe(inputs), tmp_path / "list.json.gz")
