"""The verbs on Spark DataFrames equal the local verbs bit for bit, run their examples, and refuse wrong input."""

from __future__ import annotations

import doctest
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
from pyspark.errors import PySparkException, PythonException
from pyspark.sql import functions as F

import metaclip_spark as mc
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.spark import arrow_udf
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.verbs import arguments, facade

pytestmark = pytest.mark.spark

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "jobs" / "sample" / "pool.wat.gz"
WORDNET = ROOT / "metadata" / "wordnet.json.gz"
ENTRIES = ["photo", "otter", "an otter"]


def sample_pairs() -> pa.Table:
    """Return the shipped sample's pairs, each once, with a few odd ones."""
    pairs = list(dict.fromkeys((row.url, row.text) for row in reference.read_pool([SAMPLE])))
    pairs += [("u1", ""), ("u2", None), ("", "a photo of a dog"), ("ü", "a\tphoto\nof a dög, 中文 \U0001f600 e\u0301")]
    urls, texts = zip(*pairs, strict=True)
    return pa.table({"url": urls, "text": texts, "position": range(len(pairs))})


def by_position(frame) -> list[dict]:
    """Return the rows of a DataFrame or Table, in the order of a pool's rows."""
    table = frame if isinstance(frame, pa.Table) else frame.toArrow()
    return table.sort_by("position").to_pylist()


def assert_same(of_spark, of_table) -> None:
    """Compare the rows of a DataFrame with those of a Table, floats exactly."""
    got, wanted = by_position(of_spark), by_position(of_table)
    assert len(got) == len(wanted)
    different = [(a, b) for a, b in zip(got, wanted, strict=True) if a != b]
    assert not different, different[:3]


@pytest.fixture(scope="module")
def pool(spark) -> tuple:
    """Return the sample's pairs as a Table, and as a DataFrame with several partitions in another order."""
    table = sample_pairs()
    rows = table.to_pylist()
    random.Random(1).shuffle(rows)
    df = spark.createDataFrame(pa.Table.from_pylist(rows, table.schema)).repartition(3)
    return table, df.persist()


@pytest.mark.parametrize("module", [facade, arguments], ids=lambda module: module.__name__)
def test_the_examples_of_the_docstrings_are_true(spark, module):
    """Every example of the docstrings runs, and every verb has examples."""
    result = doctest.testmod(module, extraglobs={"spark": spark})
    assert (result.failed, result.attempted > 0) == (0, True)
    names = getattr(module, "__all__", ["choose_threshold"])
    assert all(">>> " in getattr(module, name).__doc__ for name in names)


@pytest.mark.filterwarnings("ignore:t = 2 is very low")
def test_curate_equals_the_local_one_on_the_sample(pool):
    """The shipped sample and WordNet give the same rows, ids, probabilities and draws."""
    table, df = pool
    expected = mc.local.curate(table, WORDNET)
    assert 0 < expected.num_rows < table.num_rows
    assert_same(mc.curate(df, metadata=str(WORDNET)), expected)


@pytest.mark.filterwarnings("ignore:t = 2 is very low")
def test_a_table_given_to_curate_gives_what_local_gives(pool):
    """With a session running, a pyarrow Table gives a Table, equal to the local verb's."""
    table, df = pool
    curated = mc.curate(table, metadata=WORDNET)
    assert isinstance(curated, pa.Table)
    assert curated == mc.local.curate(table, WORDNET)
    assert curated.num_rows > 0


def test_each_verb_equals_the_local_one_on_the_sample(pool):
    """Matches (null for a null text), counts, sweeps, a subset by t and key, and explanations are equal."""
    table, df = pool
    metadata = mc.load_metadata(WORDNET)
    matched, expected = mc.match(df, metadata), mc.local.match(table, metadata)
    assert_same(matched, expected)
    counts, counted = mc.count_entries(matched, metadata), mc.local.count_entries(expected, metadata)
    assert counts.toArrow().sort_by("entry_id").to_pylist() == counted.to_pylist()
    assert mc.count_entries(matched).columns == ["entry_id", "count"]
    for thresholds in (None, [30, 1, 30]):
        found = mc.sweep(matched, counts, thresholds)
        assert found.toArrow().to_pylist() == mc.local.sweep(expected, counted, thresholds).to_pylist()
    choosing = {"threshold": 30, "seed": 5, "key": "position"}
    kept = mc.local.balance(expected, counted, **choosing)
    assert 0 < kept.num_rows < table.num_rows
    assert_same(mc.balance(matched, counts, **choosing), kept)
    few = F.col("position") % 500 == 0
    some = table.filter(pa.array([at % 500 == 0 for at in range(table.num_rows)]))
    assert_same(
        mc.explain(df.where(few), metadata, counts, threshold=30, seed=2),
        mc.local.explain(some, metadata, counted, threshold=30, seed=2),
    )
    assert_same(mc.explain(df.where(few).drop("url"), metadata), mc.local.explain(some.drop_columns("url"), metadata))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["laion_sample.parquet", "xflickrco_8lang.parquet", "cmoa.parquet"])
def test_curate_equals_the_local_one_on_real_texts(spark, shared_data, name):
    """Real captions and 500,000 entries give the same rows."""
    metadata = mc.load_metadata(shared_data / "metadata" / "approx_500k.json.gz")
    table = pq.read_table(shared_data / "captions" / name, columns=["url", "text"])
    table = table.filter(pa.compute.is_valid(table["url"]))
    table = table.append_column("position", pa.array(range(table.num_rows)))
    df = spark.createDataFrame(table).repartition(3)
    assert_same(mc.curate(df, metadata, threshold=50), mc.local.curate(table, metadata, threshold=50))


@pytest.mark.parametrize("i", ["interval 3 months", "date '2026-01-02'"], ids=["interval", "date"])
def test_all_columns_are_kept_whatever_their_types_and_names(spark, i):
    """Structs, maps, intervals and names with dots are kept. Columns that Python cannot represent stay in the JVM."""
    if is_embedded(spark) and "interval" in i:
        pytest.skip("the embedded engine passes all columns through Arrow, which has no interval of Spark's")
    df = spark.sql(
        f"select * from values (7L, 'a photo', named_struct('a', map('k', 1)), {i}, x'00', 1.50) "
        "as t(`my.id`, `the text`, s, i, b, d)"
    )
    curated = mc.curate(df, ENTRIES, threshold=1, text_column="the text", key="my.id")
    assert curated.columns == [*df.columns, "entry_ids", "sampling_probability", "draw"]
    assert [field.dataType for field in curated.schema.fields[:6]] == [field.dataType for field in df.schema.fields]
    assert curated.selectExpr("s.a['k']", "string(i)", "hex(b)", "d", "entry_ids").collect()[0][:3] == (
        1,
        "INTERVAL '3' MONTH" if "interval" in i else "2026-01-02",
        "00",
    )


def test_pandas_functions_of_older_spark_give_the_same(spark, monkeypatch):
    """Without Arrow functions (Spark 4.0), `curate` gives the same rows."""
    texts = ["a photo", "an otter", "xyzzy", None] * 25
    df = spark.createDataFrame([(f"u{n}", text) for n, text in enumerate(texts)], "url string, text string")
    expected = mc.curate(df, ENTRIES, threshold=10).collect()
    monkeypatch.setattr(arrow_udf.pyspark, "__version__", "4.0.1")
    assert mc.curate(df, ENTRIES, threshold=10).collect() == expected
    assert 0 < len(expected) < 50


def test_counts_of_pandas_and_keys_of_bytes_and_decimals_give_what_the_local_verb_gives(spark):
    """Counts may be in pandas' columns, and a key is the same text on both sides, whatever its type."""
    from decimal import Decimal

    rows = [(bytes([n, 255]), Decimal(n * 10**20), "a photo") for n in range(40)]
    df = spark.createDataFrame(rows, "b binary, d decimal(38,0), text string")
    matched, table = mc.match(df, ENTRIES), mc.local.match(df.toArrow(), ENTRIES)
    counts = mc.local.count_entries(table).to_pandas().astype({"count": "float64"})
    for key in ("b", "d"):
        kept = mc.local.balance(table, counts, threshold=20, key=key)["d"].to_pylist()
        assert 0 < len(kept) < 40
        assert sorted(row["d"] for row in mc.balance(matched, counts, threshold=20, key=key).collect()) == sorted(kept)


def test_a_text_is_matched_once_per_row(spark):
    """A filter on a column that a verb adds does not make Spark recompute the column."""
    if is_embedded(spark):
        pytest.skip("Spark's plan tells how often a function is evaluated; the embedded engine's has other words")
    df = spark.createDataFrame([("u", "a photo")], "url string, text string")
    matched = mc.match(df, ENTRIES)
    curated = mc.balance(matched, spark.createDataFrame([(0, 5)], "entry_id int, count bigint"), threshold=1)

    def evaluations(frame) -> int:
        plan = frame._jdf.queryExecution().executedPlan().toString()
        return sum(line.split("[pythonUDF")[0].count("(text#") for line in plan.splitlines() if "EvalPython" in line)

    assert evaluations(matched.where("size(entry_ids) > 0 and entry_ids[0] < 9")) == 1
    assert evaluations(curated) == 1  # the key of url and text is another function


def test_a_matched_row_without_a_key_fails_the_job(spark):
    """A matched row with a null url or a null key fails; an unmatched row needs no key."""
    df = spark.createDataFrame([(None, "a photo"), (None, "xyzzy")], "url string, text string")
    matched = mc.match(df, ENTRIES)
    counts = mc.count_entries(matched)
    message = "balance: a matched row has no key: column 'url' or 'text' is null; the draw needs one"
    with pytest.raises(PySparkException, match=message):
        mc.balance(matched, counts, threshold=1).collect()
    with pytest.raises(PySparkException, match="no key: column 'url' is null"):
        mc.balance(matched, counts, threshold=1, key="url").collect()
    assert mc.balance(matched.where("text = 'xyzzy'"), counts, threshold=1).collect() == []


@pytest.mark.parametrize("unit", ["pair", "image"])
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.string()], ids=str)
def test_weights_give_what_the_local_verb_gives(pool, spark, unit, kind):
    """Numbers, and strings that are numbers; of an image, the weight of the drawn text counts."""
    table, _ = pool
    numbers = [(at * 37 % 101) / 100 for at in range(len(table))]
    weights = pa.array(numbers).cast(kind) if kind != pa.string() else pa.array([f" {number}" for number in numbers])
    matched = mc.local.match(table.filter(table["text"].is_valid()), WORDNET)
    matched = matched.append_column("score", weights.filter(table["text"].is_valid().combine_chunks()))
    how = {"threshold": 5, "seed": 3, "unit": unit, "weight": "score"}
    counts = mc.local.count_entries(matched)
    expected = mc.local.balance(matched, counts, **how)
    plain = mc.local.balance(matched, counts, **{**how, "weight": None})
    assert 0 < len(expected) < len(plain)
    got = mc.balance(spark.createDataFrame(matched).repartition(3), counts, **how)
    assert got.columns == expected.column_names
    assert_same(got, expected)


def test_a_matched_row_without_a_weight_is_refused(spark):
    """By the verb on a Table, and by the job on Spark; rows that match nothing need no weight."""
    table = pa.table({"id": range(5), "text": ["a photo"] * 4 + ["xyzzy"], "score": [0.5, None, 1.5, 1.0, None]})
    matched = mc.local.match(table, ENTRIES)
    counts = mc.local.count_entries(matched)
    how = {"threshold": 5, "key": "id", "weight": "score"}
    message = "balance: 2 of 4 matched rows have no weight from 0 to 1 in column 'score'. Fill or drop them first."
    with pytest.raises(InputError, match="2 of 4") as refused:
        mc.balance(matched, counts, **how)
    assert str(refused.value) == message
    with pytest.raises(PySparkException, match="matched rows? ha(s|ve) no weight from 0 to 1 in column 'score'"):
        mc.balance(spark.createDataFrame(matched), counts, **how).toArrow()
    fine = matched.filter(pa.array([True, False, False, True, True]))
    assert mc.balance(fine, counts, **how)["id"].to_pylist() == [
        row["id"] for row in mc.balance(spark.createDataFrame(fine), counts, **how).collect()
    ]
    for column, error in (("text", "no weight from 0 to 1 in column 'text'"), ("nope", "'nope' is missing")):
        with pytest.raises(InputError, match=error):
            mc.balance(matched, counts, **{**how, "weight": column})
    flags = matched.append_column("flag", pa.array([True] * 5))
    with pytest.raises(InputError, match="column 'flag' holds bool; expected weights, numbers from 0 to 1."):
        mc.balance(flags, counts, **{**how, "weight": "flag"})


def test_counts_of_another_pool_fail_the_job(spark):
    """A row that matches an entry without a count is not a row of the counted pool."""
    matched = mc.match(spark.createDataFrame([("u", "an otter")], "url string, text string"), ENTRIES)
    with pytest.raises(PythonException, match="matches an entry that was never counted.*run count again"):
        mc.balance(matched, pa.table({"entry_id": [0], "count": [1]}), threshold=1).collect()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda df: mc.curate(df.drop("url"), ENTRIES, threshold=1),
            InputError,
            "curate: the draw needs a key for each row, and column 'url' is missing; got ['text', 'n']. key names the "
            "column that identifies a row, or url_column names the image urls.",
        ),
        (
            lambda df: mc.balance(mc.match(df, ENTRIES), pa.table({"entry_id": [0], "count": [1]}), key="n"),
            InputError,
            "balance: column 'n' holds double; expected strings, integers, decimals, UUIDs or bytes.",
        ),
        (
            lambda df: mc.match(df, ENTRIES, text_column="n"),
            InputError,
            "match: column 'n' holds double; expected strings. text_column names the texts; perhaps "
            "text_column='text'.",
        ),
        (
            lambda df: mc.match(df.withColumn("Entry_Ids", F.lit(1)), ENTRIES),
            InputError,
            "match adds the column 'entry_ids', which exists already; drop it or rename it first.",
        ),
        (
            lambda df: mc.count_entries(df),
            InputError,
            "count_entries: column 'entry_ids' is missing; got ['url', 'text', 'n']. Call match first, which adds it.",
        ),
        (
            lambda df: mc.balance(mc.match(df, ENTRIES), df.select("text"), threshold=1),
            InputError,
            "balance: column 'entry_id' is missing; got ['text']. Expected what count_entries returns.",
        ),
        (
            lambda df: mc.curate(df, ENTRIES, threshold=True),
            ConfigError,
            "threshold must be an integer >= 1, got True. MetaCLIP-400M used 20000.",
        ),
        (
            lambda df: mc.curate({"text": ["a photo"]}, ENTRIES),
            TypeError,
            "curate: expected a Spark DataFrame, a pyarrow Table, a pandas or Polars DataFrame, a DuckDB relation, a "
            "Hugging Face dataset, an object with __arrow_c_stream__, or the path of Parquet files, got builtins.dict. "
            "pyarrow.table(...) makes a Table of a dict of columns.",
        ),
        (
            lambda df: mc.local.curate(df, ENTRIES),
            TypeError,
            "curate: expected a pyarrow Table, a pandas or Polars DataFrame, a DuckDB relation, a Hugging Face "
            "dataset, an object with __arrow_c_stream__, or the path of Parquet files, got "
            "pyspark.sql.classic.dataframe.DataFrame. metaclip_spark.curate(df, ...) takes a Spark DataFrame; mc.local "
            "does not.",
        ),
    ],
)
def test_refusals_name_the_fault_and_the_remedy(spark, call, error, message):
    """Each error names what it got, what it expected and what to do next."""
    df = spark.createDataFrame([("u", "a photo", 1.5)], "url string, text string, n double")
    with pytest.raises(error) as raised:
        call(df)
    assert str(raised.value).replace("sql.connect.", "sql.classic.") == message
