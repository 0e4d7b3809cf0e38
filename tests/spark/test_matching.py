"""The matching cases give their answers in Spark: in the column function, in `match` and `extract`, in every engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest
import reference
from pyspark.sql import functions as F

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import InputError
from metaclip_spark.extract.task import Stamp
from metaclip_spark.matchers import ENGINES, compile_matcher
from metaclip_spark.matchers.base import matched_ids
from metaclip_spark.metadata import Metadata
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.spark import arrow_udf
from metaclip_spark.spark.broadcast import broadcast_matcher
from metaclip_spark.spark.session import minor_version
from metaclip_spark.stages.extract import BroadcastTools, extract
from metaclip_spark.stages.match import match, register_match_entries

pytestmark = pytest.mark.spark

CASES_FILE = Path(__file__).resolve().parents[1] / "data" / "matching_cases.json"


class Case(NamedTuple):
    """A row of the table of cases."""

    name: str
    entries: list[str]
    text: str | None
    expected: list[int]

    @property
    def matched(self) -> list[str]:
        """Return the entries that the text matches."""
        return [self.entries[i] for i in self.expected]


def load_cases() -> list[Case]:
    """Read the table. {"repeat": [s, n]} means s, n times."""
    cases = []
    for row in json.loads(CASES_FILE.read_text(encoding="utf-8")):
        text = row["text"]
        if isinstance(text, dict):
            piece, times = text["repeat"]
            text = piece * times
        cases.append(Case(row["name"], row["entries"], text, row["expected"]))
    return cases


CASES = load_cases()
COMBINED = list(dict.fromkeys(entry for case in CASES for entry in case.entries))
"""The entries of all cases. With this list, one job answers every case."""


@pytest.fixture(scope="module")
def combined() -> Metadata:
    """Make the combined list."""
    return Metadata.from_entries(COMBINED)


@pytest.fixture(scope="module")
def by_scan() -> list[list[int] | None]:
    """Match each text with the combined list by the reference's naive scan; None for a null text."""
    scan = reference.make_matcher(COMBINED, naive=True)
    return [None if case.text is None else scan(case.text) for case in CASES]


@pytest.fixture(scope="module")
def texts(spark):
    """Register the texts as a view with one row per case."""
    rows = [(number, case.text) for number, case in enumerate(CASES)]
    frame = spark.createDataFrame(rows, "number int, text string")
    frame.createOrReplaceTempView("matching_cases")
    yield frame
    spark.catalog.dropTempView("matching_cases")


def assert_answers(answers: dict[int, list[int] | None], by_scan: list[list[int] | None]) -> None:
    """Check ids in the combined list against the scan, and against the expectation of each case."""
    assert sorted(answers) == list(range(len(CASES)))
    wrong = {}
    for number, (case, scanned) in enumerate(zip(CASES, by_scan, strict=True)):
        got = answers[number]
        if got is None or scanned is None:
            ok = got is None and scanned is None
        else:
            of_case = [entry for entry in case.entries if entry in {COMBINED[i] for i in got}]
            ok = got == scanned and of_case == case.matched
        if not ok:
            wrong[case.name] = (got, scanned, case.expected)
    assert not wrong


def test_the_combined_list_answers_every_case(by_scan):
    """The scan over the combined list agrees with the expectation of each case, so one list can replace all."""
    scan = {number: ids for number, ids in enumerate(by_scan)}
    assert_answers(scan, by_scan)


def test_sql_function_matches_every_case_and_gives_null_for_null(spark, texts, combined, by_scan):
    """`select match_entries(text)` returns ascending ids, an empty array for no match, null for null."""
    register_match_entries(spark, combined)
    rows = spark.sql("select number, match_entries(text) as ids from matching_cases").collect()
    assert_answers({row["number"]: row["ids"] for row in rows}, by_scan)


@pytest.mark.parametrize("variant", ["_arrow_function", "_pandas_function"])
def test_both_kinds_of_column_function_match_every_case(spark, texts, combined, by_scan, variant):
    """The Arrow function (Spark 4.1 and newer) and the pandas function (4.0) give the same column."""
    if variant == "_arrow_function" and minor_version(pyspark.__version__) < (4, 1):
        pytest.skip(f"pyspark {pyspark.__version__} has no arrow_udf")
    matcher = broadcast_matcher(spark, compile_matcher(combined))
    takes = () if variant == "_arrow_function" else ((pa.string(),),)
    function = getattr(arrow_udf, variant)(lambda texts: matched_ids(matcher.value, texts), "array<int>", *takes)
    answered = texts.select("number", function("text").alias("ids"))
    assert answered.schema["ids"].dataType.simpleString() == "array<int>"
    assert_answers({row["number"]: row["ids"] for row in answered.collect()}, by_scan)


def test_registered_function_is_usable_as_a_column_and_under_another_name(spark, texts, combined, by_scan):
    """`register_match_entries` returns the function for the DataFrame API, with the requested engine."""
    function = register_match_entries(spark, combined, name="naive_entries", engine="naive")
    both = texts.where("length(text) < 1000 or text is null").select(
        "number", function("text").alias("column"), F.expr("naive_entries(text)").alias("sql")
    )
    rows = both.collect()
    assert len(rows) > 50
    assert all(row["column"] == row["sql"] == by_scan[row["number"]] for row in rows)


def test_every_engine_matches_every_case_with_its_own_list_inside_a_worker(spark):
    """One job compiles the list of each case in Python workers, and matches it with every engine."""
    cases = [tuple(case) for case in CASES]

    def work(batches):
        for batch in batches:
            for number in batch.column(0).to_pylist():
                _, entries, text, _ = cases[number]
                for engine in ENGINES:
                    matcher = compile_matcher(Metadata.from_entries(entries), engine)
                    for kind in (pa.string(), pa.large_string()):
                        ids = matcher.match(pa.array([text], kind)).ids.tolist()
                        yield pa.record_batch({"n": [number], "engine": [engine], "ids": [json.dumps(ids)]})

    rows = spark.range(len(cases)).mapInArrow(work, "n bigint, engine string, ids string").collect()
    assert len(rows) == len(CASES) * len(ENGINES) * 2
    wrong = {
        (CASES[row["n"]].name, row["engine"]): row["ids"]
        for row in rows
        if json.loads(row["ids"]) != CASES[row["n"]].expected
    }
    assert not wrong


def test_match_stage_matches_every_case_and_keeps_unmatched_pairs_only_on_request(spark, make_pairs, combined, by_scan):
    """The stage `match` answers every case. Rows without a match are dropped, unless `keep_unmatched` is set."""
    stored = make_pairs([(f"{number:032x}", None) for number in range(len(CASES))], metadata_id="old")
    keys = spark.createDataFrame(
        [(f"{n:032x}", case.text) for n, case in enumerate(CASES)], "pair_id string, case_text string"
    )
    columns = stored.columns
    pairs = stored.join(keys, on="pair_id", how="inner").withColumn("text", F.col("case_text")).select(columns)
    matcher = broadcast_matcher(spark, compile_matcher(combined))

    kept = match(pairs, matcher, combined.metadata_id, keep_unmatched=True)
    assert kept.columns == columns
    rows = kept.select("metadata_id", "pair_id", "text", "entry_ids").collect()
    assert {row["metadata_id"] for row in rows} == {combined.metadata_id}
    answers = {int(row["pair_id"], 16): row["entry_ids"] for row in rows}
    assert {int(row["pair_id"], 16): row["text"] for row in rows} == {
        number: case.text for number, case in enumerate(CASES)
    }
    # A stored text is never null. A null text would match nothing.
    assert_answers(answers, [[] if ids is None else ids for ids in by_scan])

    dropped = match(pairs, matcher, combined.metadata_id).select("pair_id", "entry_ids").collect()
    assert {int(row["pair_id"], 16): row["entry_ids"] for row in dropped} == {
        number: ids for number, ids in enumerate(by_scan) if ids
    }


def test_match_stage_without_texts_reports_the_missing_column(spark, combined):
    """The error names the missing column `text`, the columns that exist, and what to do next."""
    frame = spark.range(1).toDF("pair_id")
    with pytest.raises(InputError, match=r"^match: column 'text' is missing; got \['pair_id'\]\. Run extract"):
        match(frame, lambda: None, combined.metadata_id)


def test_extract_stage_matches_every_case(spark, tmp_path, combined):
    """The stage `extract` stores each case's text cleaned, with the ids that the cleaned text matches."""
    urls = [f"http://cases.example/{number}" for number in range(len(CASES))]
    pq.write_table(pa.table({"url": urls, "text": [case.text for case in CASES]}), tmp_path / "cases.parquet")
    rows = extract(
        spark,
        splits_of(find_sources([str(tmp_path / "cases.parquet")])),
        ExtractOptions(keep_unmatched=True, text_cap=1 << 20),  # some cases are longer than the default
        BroadcastTools(matcher=broadcast_matcher(spark, compile_matcher(combined))),
        Stamp("s", combined.metadata_id, "b"),
    ).cache()
    scan = reference.make_matcher(COMBINED, naive=True)
    cleaned = [reference.clean(case.text or "") for case in CASES]

    found = rows.where("kind = 'pair'").select("url", "text", "entry_ids").collect()
    assert {row["url"]: (row["text"], row["entry_ids"]) for row in found} == {
        url: (text, scan(text)) for url, text in zip(urls, cleaned, strict=True) if text
    }
    unchanged = {url: case for url, case, text in zip(urls, CASES, cleaned, strict=True) if case.text == text}
    assert len(unchanged) > len(CASES) / 2
    for row in found:
        if row["url"] in unchanged:
            case = unchanged[row["url"]]
            assert [e for e in case.entries if e in {COMBINED[i] for i in row["entry_ids"]}] == case.matched

    outcome = rows.where("kind = 'source'").collect()[0]
    nulls = sum(case.text is None for case in CASES)
    assert outcome["status"] == "done"
    assert outcome["rejected"] == {"no_text": nulls, "empty_text": cleaned.count("") - nulls}
    assert outcome["texts_matched"] == sum(bool(scan(text)) for text in cleaned)
    rows.unpersist()
