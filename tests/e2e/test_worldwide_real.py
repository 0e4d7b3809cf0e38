"""Worldwide curation of real captions with the lists that ship equals one process, bit for bit."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import ahocorasick
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference_worldwide as reference
from e2e_world import call, rows_of
from reference import Row, clean, make_matcher, spaced

from metaclip_spark.extract.language import load_identifier
from metaclip_spark.metadata.worldwide.lists import WorldwideLists

CAPTIONS = Path(__file__).resolve().parents[3] / "shared" / "data" / "captions"
NO_DATA = "../shared/data/captions is not there: no real captions to compare on"

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.skipif(not CAPTIONS.is_dir(), reason=NO_DATA)]


def texts_of(path: Path) -> list[str]:
    """Return the texts of a file of captions."""
    if path.name.endswith(".tsv.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [line.split("\t")[0] for line in lines]
    table = pq.read_table(path)
    name = next(name for name in table.column_names if name.lower() in ("text", "title", "caption"))
    return [text or "" for text in table[name].to_pylist()]


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> tuple[Path, list[tuple[str, str]]]:
    """Return a file with the captions of all files, each with a url, and its rows."""
    rows = []
    for path in sorted(CAPTIONS.iterdir()):
        for number, text in enumerate(texts_of(path)):
            if cleaned := clean(text):
                rows.append((f"https://example.org/{path.stem}/{number}.jpg", cleaned))
    assert len(rows) > 50_000
    place = tmp_path_factory.mktemp("captions") / "pool.parquet"
    urls, texts = map(list, zip(*rows, strict=True))
    pq.write_table(pa.table({"url": urls, "text": texts}), place)
    return place, rows


def edge_matcher(entries):
    """Return text -> ids of the entries that are in the spaced text under the edge rule."""
    automaton = ahocorasick.Automaton()
    same: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        same.setdefault(reference.needle(entry), []).append(number)
    for needle, numbers in same.items():
        automaton.add_word(needle, numbers)
    automaton.make_automaton()
    return lambda text: sorted({number for _, numbers in automaton.iter(spaced(text)) for number in numbers})


def test_real_captions_with_the_shipped_lists_equal_one_process(spark, pool, tmp_path):
    """Pairs, lists, ids, counts, t, probabilities and draws; English as an English run but for edge entries."""
    place, rows = pool
    warehouse = tmp_path / "worldwide"
    ended = call("run", "--input", place, "--worldwide", "--tail-fraction", "0.2", "--warehouse", warehouse)
    assert ended.status == 0, ended.err

    shipped = WorldwideLists.open("worldwide")
    lists = {name: shipped.load(name).entries for name in shipped.files}
    codes = load_identifier("lid176").identify(pa.array([text for _, text in rows]))[0].to_pylist()
    list_of = {code: shipped.list_of(code) for code in shipped.languages.codes}
    list_of = {code: name for code, name in list_of.items() if name is not None}
    given = [(Row(str(place), "", "text", url, text), code) for (url, text), code in zip(rows, codes, strict=True)]
    right = reference.curate(given, lists, list_of, tail_fraction=0.2, matcher=edge_matcher)

    pairs = rows_of(spark, warehouse, "pairs", ("pair_id", "list_lang", "entry_ids", "lang"))
    assert {pair: lang for pair, lang, _, _ in pairs} == right.lists
    assert {pair: list(ids) for pair, _, ids, _ in pairs} == right.entry_ids
    chances = rows_of(
        spark, warehouse, "entry_probabilities", ("entry_id", "lang", "count", "threshold", "probability")
    )
    assert {entry: count for entry, _, count, _, _ in chances} == right.counts
    assert {lang: t for _, lang, _, t, _ in chances} == {
        lang: t for lang, t in right.thresholds.items() if lang in {row[1] for row in chances}
    }
    assert {entry: p for entry, _, _, _, p in chances} == right.entry_probabilities
    kept = rows_of(spark, warehouse, "curated_pairs", ("pair_id", "sampling_probability", "draw"))
    assert {pair: (p, u) for pair, p, u in kept} == right.kept
    assert len(Counter(right.lists.values())) > 20

    # English alone: the same ids but for entries at whose edge is a mark, on both sides.
    english = tmp_path / "english"
    ended = call("run", "--input", place, "--metadata", "en", "--threshold", "5", "--warehouse", english, "--json")
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["metadata_id"] == shipped.ids["en"]
    start = sum(len(lists[name]) for name in sorted(lists) if name < "en")
    alone = {pair: list(ids) for pair, ids in rows_of(spark, english, "pairs", ("pair_id", "entry_ids"))}
    at_edges = {at for at, entry in enumerate(lists["en"]) if reference.needle(entry) != f" {entry} "}
    both = {pair: [at - start for at in right.entry_ids[pair]] for pair, name in right.lists.items() if name == "en"}
    for pair, ids in both.items():
        assert [at for at in ids if at not in at_edges] == [at for at in alone.get(pair, []) if at not in at_edges]
        assert set(alone.get(pair, [])) <= set(ids)
    more = [pair for pair, ids in both.items() if ids != alone.get(pair, [])]
    assert alone.keys() <= both.keys()
    assert more
    plain = make_matcher(lists["en"])
    text_of = {reference.keys_of(row)[0]: row.text for row, _ in given}
    for pair in more[:50]:
        assert plain(text_of[pair]) == alone.get(pair, [])
