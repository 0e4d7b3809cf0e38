"""The verbs on pyarrow Tables: examples, the reference on the sample and on real texts, the facade, keys, refusals."""

from __future__ import annotations

import doctest
import gzip
import inspect
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference

import metaclip_spark as mc
from metaclip_spark.core.hashing.ids import pair_id
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.verbs import arguments, facade, local

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "jobs" / "sample" / "pool.wat.gz"
WORDNET = ROOT / "metadata" / "wordnet.json.gz"
ENTRIES = ["photo", "otter", "an otter"]


def table_of(rows: list[reference.Row]) -> pa.Table:
    """Return each (url, text) once, with a column `position`."""
    pairs = list(dict.fromkeys((row.url, row.text) for row in rows))
    urls, texts = zip(*pairs, strict=True)
    return pa.table({"url": urls, "text": texts, "position": range(len(pairs))})


def assert_equals(curated: pa.Table, expected: reference.Curated) -> None:
    """Compare the kept pairs with their ids, probabilities and draws, floats exactly."""
    keys = [pair_id(url, text) for url, text in zip(*curated.select(["url", "text"]).to_pydict().values(), strict=True)]
    columns = [curated[name].to_pylist() for name in ("entry_ids", "sampling_probability", "draw")]
    got = dict(zip(keys, zip(*columns, strict=True), strict=True))
    wanted = {key: (expected.entry_ids[key], *found) for key, found in expected.kept.items()}
    different = [key for key in got.keys() | wanted.keys() if got.get(key) != wanted.get(key)]
    assert not different, f"{len(different)} differ: {[(got.get(k), wanted.get(k)) for k in different[:3]]}"
    assert len(keys) == len(set(keys))


def assert_examples_hold(function) -> str:
    """Run the examples of a docstring that come before "On Spark:"; return the others."""
    examples, _, others = inspect.getdoc(function).partition("\n    On Spark:\n")
    runner = doctest.DocTestRunner()
    runner.run(doctest.DocTestParser().get_doctest(examples, {}, function.__name__, None, 0))
    assert (runner.failures, runner.tries > 0) == (0, True)
    return others


@pytest.mark.parametrize("module", [facade, arguments], ids=lambda module: module.__name__)
def test_the_examples_of_the_docstrings_are_true(module):
    """Each verb has examples for a pyarrow Table, which run here, and for Spark, which run in tests/spark."""
    for name in getattr(module, "__all__", ["choose_threshold"]):
        others = assert_examples_hold(getattr(module, name))
        assert ("spark.createDataFrame(" in others) == (module is facade)


def test_import_loads_neither_spark_nor_anything_else():
    """`import metaclip_spark` is light; without pyspark the verbs work on Tables, and the error says how to get it."""
    script = """
import sys
sys.modules["pyspark"] = None
import metaclip_spark as mc
heavy = {"pyarrow", "numpy", "pandas", "numba", "pydantic", "pyspark.sql"} & set(sys.modules)
assert not heavy, heavy
assert {"curate", "local", "__version__"} <= set(dir(mc))
import pyarrow as pa
pairs = pa.table({"id": ["x"], "text": ["a photo"]})
curated = mc.local.curate(pairs, ["photo"], threshold=1, key="id")
assert curated.num_rows == 1
assert mc.curate(pairs, ["photo"], threshold=1, key="id") == curated
assert not {"numba", "pydantic"} & set(sys.modules)
try:
    mc.curate({"text": ["a photo"]}, ["photo"])
except TypeError as error:
    print(error)
try:
    mc.balanced
except AttributeError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    no_spark, no_name = ended.stdout.splitlines()
    words, _, command = no_spark.partition("need pyspark: ")
    assert words == (
        "curate: expected a Spark DataFrame, a pyarrow Table, a pandas or Polars DataFrame, a DuckDB relation, a "
        "Hugging Face dataset, an object with __arrow_c_stream__, or the path of Parquet files, got builtins.dict. "
        "pyarrow.table(...) makes a Table of a dict of columns. Spark DataFrames "
    )
    assert re.search(r"pip install 'delta-spark.*pyspark", command)
    assert no_name == "module 'metaclip_spark' has no attribute 'balanced'"


def test_a_table_needs_no_pyspark_even_where_it_is_installed():
    """A verb on a Table, and the refusal of a dict, import nothing of pyspark."""
    script = """
import sys
import pyarrow as pa
import metaclip_spark as mc
mc.curate(pa.table({"id": ["x"], "text": ["a photo"]}), ["photo"], threshold=1, key="id")
try:
    mc.curate({}, ["photo"])
except TypeError as error:
    print(error)
print([name for name in sys.modules if name.partition(".")[0] == "pyspark"])
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    refusal, modules = ended.stdout.splitlines()
    assert refusal == (
        "curate: expected a Spark DataFrame, a pyarrow Table, a pandas or Polars DataFrame, a DuckDB relation, a "
        "Hugging Face dataset, an object with __arrow_c_stream__, or the path of Parquet files, got builtins.dict. "
        "pyarrow.table(...) makes a Table of a dict of columns."
    )
    assert modules == "[]"


@pytest.mark.parametrize("verb", facade.__all__)
def test_the_facade_and_local_have_one_signature(verb):
    """The same parameters, kinds and defaults in the same order; only the first has a name of its own."""
    first, *public = inspect.signature(getattr(mc, verb)).parameters.values()
    first_local, *local_ones = inspect.signature(getattr(mc.local, verb)).parameters.values()
    assert (first.name, first_local.name, first.kind) == ("df", "table", first_local.kind)
    assert [(p.name, p.kind, p.default) for p in public] == [(p.name, p.kind, p.default) for p in local_ones]
    assert getattr(mc.local, verb).__doc__.splitlines()[0].endswith(f"see `metaclip_spark.{verb}`.")


def test_each_verb_of_the_facade_hands_every_argument_on():
    """With no argument at its default, `mc` gives for a Table what `mc.local` gives."""
    pairs = pa.table({"u": [f"u{n % 40}" for n in range(100)], "t": ["a photo", "an otter"] * 50, "id": range(100)})
    columns = {"url_column": "u", "text_column": "t"}
    named = {**columns, "key": "id", "seed": 3}
    matched = mc.local.match(pairs, ENTRIES, text_column="t", engine="naive")
    counts = mc.local.count_entries(matched, ENTRIES)
    calls = [
        ("curate", (pairs, ENTRIES), {**named, "threshold": 20, "engine": "naive"}),
        ("curate", (pairs, ENTRIES), {**columns, "tail_fraction": 0.4}),
        ("match", (pairs, ENTRIES), {"text_column": "t", "engine": "naive"}),
        ("count_entries", (matched, ENTRIES), {}),
        ("sweep", (matched, counts, [30, 7]), {}),
        ("balance", (matched, counts), {**named, "threshold": 20, "unit": "image"}),
        ("balance", (matched, counts), {**columns, "threshold": 20}),
        ("explain", (pairs, ENTRIES, counts), {**named, "threshold": 20}),
        ("explain", (pairs, ENTRIES, counts), {**columns, "threshold": 20}),
    ]
    for verb, arguments_of, keywords in calls:
        expected = getattr(mc.local, verb)(*arguments_of, **keywords)
        assert getattr(mc, verb)(*arguments_of, **keywords) == expected, verb
        assert expected.num_rows > 0
    assert mc.curate(df=pairs, metadata=ENTRIES, threshold=20, **named) == mc.local.curate(
        table=pairs, metadata=ENTRIES, threshold=20, **named
    )


@pytest.mark.parametrize("verb", facade.__all__)
@pytest.mark.parametrize("value", [{"text": ["a photo"]}, None, 7, np.zeros(3)])
def test_the_facade_refuses_other_types(verb, value):
    """Each verb names itself, the type that it got, and the types that it takes."""
    with pytest.raises(TypeError) as raised:
        getattr(mc, verb)(value, ENTRIES)
    got = f"{type(value).__module__}.{type(value).__name__}"
    assert str(raised.value) == (
        f"{verb}: expected a Spark DataFrame, a pyarrow Table, a pandas or Polars DataFrame, a DuckDB relation, a "
        "Hugging Face dataset, an object with __arrow_c_stream__, or the path of Parquet files, "
        f"got {got}. pyarrow.table(...) makes a Table of a dict of columns."
    )


@pytest.mark.filterwarnings("ignore:t = 2 is very low")
@pytest.mark.parametrize("choosing", [{}, {"threshold": 30, "seed": 5}], ids=["tail fraction", "t and a seed"])
def test_curate_equals_the_reference_on_the_sample(choosing):
    """The shipped sample's pairs give the reference's subset, floats exactly, in the table's order."""
    rows = reference.read_pool([SAMPLE])
    expected = reference.curate(rows, json.loads(gzip.decompress(WORDNET.read_bytes())), **choosing)
    curated = mc.local.curate(table_of(rows), metadata=WORDNET, **choosing)
    assert 0 < curated.num_rows < len(expected.pairs)
    assert_equals(curated, expected)
    assert np.all(np.diff(curated["position"].to_numpy()) > 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["laion_sample.parquet", "xflickrco_8lang.parquet"])
def test_curate_equals_the_reference_on_real_texts(shared_data, name):
    """Real captions and 500,000 entries give the reference's subset."""
    metadata = shared_data / "metadata" / "approx_500k.json.gz"
    rows = reference.read_pool([shared_data / "captions" / name])
    expected = reference.curate(rows, json.loads(gzip.decompress(metadata.read_bytes())), threshold=50)
    assert_equals(mc.local.curate(table_of(rows), metadata, threshold=50), expected)


def test_chunks_and_string_types_do_not_matter():
    """A table in pieces, with large strings or a dictionary, gives what the whole gives."""
    whole = pa.table({"url": [f"u{n}" for n in range(300)], "text": ["a photo", "an otter", "x"] * 100})
    pieces = pa.concat_tables([whole.slice(at, 7) for at in range(0, 300, 7)])
    expected = mc.local.curate(whole, ENTRIES, threshold=20)
    assert 0 < expected.num_rows < 200
    large = pieces.cast(pa.schema({"url": pa.large_string(), "text": pa.large_string()}))
    encoded = pieces.set_column(1, "text", pieces["text"].dictionary_encode())
    for table in (pieces, large, encoded):
        curated = mc.local.curate(table, ENTRIES, threshold=20)
        assert curated.to_pylist() == expected.to_pylist()


def test_an_empty_table_gives_an_empty_one():
    """No rows in, no rows out, with the columns."""
    empty = pa.table({"url": pa.array([], pa.string()), "text": pa.array([], pa.string())})
    curated = mc.local.curate(empty, ENTRIES, threshold=20)
    assert (curated.num_rows, curated.column_names) == (
        0,
        ["url", "text", "entry_ids", "sampling_probability", "draw"],
    )


def test_the_draw_depends_on_the_key_and_not_on_the_position():
    """An integer draws as its digits; the column pair_id is the key where it exists; else url and text give the key."""
    pairs = pa.table({"id": range(100), "url": [f"u{n}" for n in range(100)], "text": ["a photo"] * 100})
    matched = mc.local.match(pairs, ENTRIES)
    counts = mc.local.count_entries(matched)

    def kept(table: pa.Table, **key: str) -> list[int]:
        return mc.local.balance(table, counts, threshold=30, **key)["id"].to_pylist()

    by_url = kept(matched)
    with_pair_id = matched.append_column("pair_id", pa.array([pair_id(f"u{n}", "a photo") for n in range(100)]))
    assert 0 < len(by_url) < 100
    assert kept(with_pair_id) == by_url
    digits = matched.append_column("digits", pa.array([str(n) for n in range(100)]))
    assert kept(matched, key="id") == kept(digits, key="digits") != by_url
    turned = matched.take(pa.array(range(99, -1, -1)))
    assert kept(turned) == by_url[::-1]


def test_more_t_only_adds_rows_and_another_seed_draws_others():
    """At fixed counts the subset is nested; the seed changes it."""
    matched = mc.local.match(pa.table({"id": range(500), "text": ["a photo"] * 500}), ENTRIES)
    counts = mc.local.count_entries(matched)
    few, more, other = (
        set(mc.local.balance(matched, counts, threshold=t, seed=seed, key="id")["id"].to_pylist())
        for t, seed in ((50, 0), (100, 0), (100, 1))
    )
    assert few < more
    assert more - other
    assert other - more


def test_counts_of_snapshots_add_up_and_probabilities_replace_counts_and_t():
    """Rows of one entry are summed, as in `entry_counts`; a column `probability` needs no t."""
    matched = mc.local.match(pa.table({"id": range(200), "text": ["a photo"] * 200}), ENTRIES)
    whole = pa.table({"entry_id": [0], "count": [200]})
    parts = pa.table({"entry_id": pa.array([0, 0], pa.int64()), "count": [150, 50]})
    given = pa.table({"entry_id": [0], "probability": [0.25]})
    expected = mc.local.balance(matched, whole, threshold=50, key="id")
    assert mc.local.balance(matched, parts, threshold=50, key="id") == expected
    assert mc.local.balance(matched, given, key="id") == expected


def test_sweep_sums_the_probabilities_of_balance():
    """The sums of p and p(1 - p), head and tail at each t; by default 1, 2, 5, ... up to a t that keeps every match."""
    metadata = mc.load_metadata(WORDNET)
    matched = local.match(table_of(reference.read_pool([SAMPLE])), metadata)
    counts = local.count_entries(matched)
    found = local.sweep(matched, counts, [50, 1, 7, 50])
    assert found["threshold"].to_pylist() == [1, 7, 50]
    count = dict(zip(counts["entry_id"].to_pylist(), counts["count"].to_pylist(), strict=True))
    for row in found.to_pylist():
        t, p = row["threshold"], []
        for ids in matched["entry_ids"].to_pylist():
            product = 1.0
            for entry_id in ids:
                product *= 1.0 - t / max(count[entry_id], t)
            p.append(1.0 - product)
        head = [number for number in count.values() if number >= t]
        assert row["expected_size"] == pytest.approx(math.fsum(p), rel=1e-12)
        assert row["expected_sd"] == pytest.approx(math.sqrt(math.fsum(one * (1 - one) for one in p)), rel=1e-12)
        assert (row["entries_head"], row["entries_tail"]) == (len(head), len(count) - len(head))
        assert (row["counts_head"], row["counts_tail"]) == (sum(head), sum(count.values()) - sum(head))
        assert row["tail_fraction"] == row["counts_tail"] / sum(count.values())
        drawn = [local.balance(matched, counts, threshold=t, seed=seed).num_rows for seed in range(5)]
        assert all(abs(size - row["expected_size"]) < 6 * row["expected_sd"] + 1 for size in drawn)
    every = local.sweep(matched, counts).to_pylist()
    assert [row["threshold"] for row in every][:4] == [1, 2, 5, 10]
    assert every[-2]["threshold"] < max(count.values()) <= every[-1]["threshold"]
    assert every[-1]["expected_size"] == sum(len(ids) > 0 for ids in matched["entry_ids"].to_pylist())
    assert [row["expected_size"] for row in local.sweep(matched.slice(0, 0), counts, [3]).to_pylist()] == [0.0]


def test_a_low_t_gives_a_warning():
    """A small pool gets a t by tail fraction that thins everything; the warning shows the caller's line."""
    pairs = pa.table({"id": range(3), "text": ["a photo"] * 3})
    text = r"^t = 1 is very low: the pool is small for a tail fraction of 0\.06\. Set t itself with threshold=\.\.\.$"
    with pytest.warns(UserWarning, match=text) as of_local:
        mc.local.curate(pairs, ENTRIES, key="id")
    with pytest.warns(UserWarning, match=text) as of_facade:
        mc.curate(pairs, ENTRIES, key="id")
    with pytest.warns(UserWarning, match=text) as of_choose:
        mc.choose_threshold(pa.table({"entry_id": [0], "count": [3]}), ENTRIES)
    assert [warning.filename for warning in [*of_local, *of_facade, *of_choose]] == [__file__] * 3


def test_explain_gives_the_draw_and_agrees_with_balance():
    """Every verdict agrees with balance; a text without a match and a null text have their own verdicts."""
    texts = ["a photo", "an otter, an otter", "xyzzy", None] * 25
    pairs = pa.table({"id": range(100), "text": pa.array(texts)})
    matched = mc.local.match(pairs, ENTRIES)
    counts = mc.local.count_entries(matched)
    kept = mc.local.balance(matched, counts, threshold=10, key="id")
    explained = mc.local.explain(pairs, ENTRIES, counts, threshold=10, key="id").to_pylist()
    assert {row["id"] for row in explained if row["verdict"].startswith("kept")} == set(kept["id"].to_pylist())
    assert explained[1]["spaced"] == " an otter ,  an otter "
    assert [(m["entry"], m["positions"], m["part"]) for m in explained[1]["matches"]] == [
        ("otter", [4, 16], "head"),
        ("an otter", [1, 13], "head"),
    ]
    assert (explained[2]["verdict"], explained[2]["matches"]) == ("dropped: the text matches no entry", [])
    assert (explained[3]["spaced"], explained[3]["matches"], explained[3]["sampling_probability"]) == (None, None, 0.0)


def test_explain_without_counts_gives_the_matches_alone():
    """A first look at texts needs no pool."""
    (explained,) = mc.local.explain(pa.table({"text": ["an otter"]}), ENTRIES).to_pylist()
    assert explained["verdict"] == "matches 2 entries; counts and t decide"
    assert [(m["entry"], m["count"], m["probability"]) for m in explained["matches"]] == [
        ("otter", None, None),
        ("an otter", None, None),
    ]
    assert (explained["sampling_probability"], explained["draw"]) == (None, None)


PAIRS = pa.table({"url": ["u", None], "text": ["a photo", "a photo"], "n": [1.5, 2.5]})
MATCHED = mc.local.match(PAIRS, ENTRIES)
COUNTS = mc.local.count_entries(MATCHED)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: mc.local.curate(PAIRS.drop_columns("url"), ENTRIES, threshold=1),
            InputError,
            "curate: the draw needs a key for each row, and column 'url' is missing; got ['text', 'n']. key names the "
            "column that identifies a row, or url_column names the image urls.",
        ),
        (
            lambda: mc.local.curate(PAIRS, ENTRIES, threshold=1),
            InputError,
            "balance: a matched row has no key: column 'url' or 'text' is null; the draw needs one. Drop such rows, or "
            "name another key.",
        ),
        (
            lambda: mc.local.balance(MATCHED, COUNTS, threshold=1, key="n"),
            InputError,
            "balance: column 'n' holds double; expected strings, integers, decimals, UUIDs or bytes.",
        ),
        (
            lambda: mc.local.balance(MATCHED, COUNTS, threshold=1, key="id"),
            InputError,
            "balance: column 'id' is missing; got ['url', 'text', 'n', 'entry_ids']. key names the column that "
            "identifies a row.",
        ),
        (
            lambda: mc.local.match(PAIRS, ENTRIES, text_column="alt"),
            InputError,
            "match: column 'alt' is missing; got ['url', 'text', 'n']. text_column names the texts; perhaps "
            "text_column='text'.",
        ),
        (
            lambda: mc.local.match(PAIRS, ENTRIES, text_column="n"),
            InputError,
            "match: column 'n' holds double; expected strings. text_column names the texts; perhaps "
            "text_column='text'.",
        ),
        (
            lambda: mc.local.match(MATCHED, ENTRIES),
            InputError,
            "match adds the column 'entry_ids', which exists already; drop it or rename it first.",
        ),
        (
            lambda: mc.local.count_entries(PAIRS),
            InputError,
            "count_entries: column 'entry_ids' is missing; got ['url', 'text', 'n']. Call match first, which adds it.",
        ),
        (
            lambda: mc.local.balance(MATCHED, COUNTS),
            ConfigError,
            "balance: t is missing; give threshold=..., or counts with a column 'probability'. "
            "choose_threshold(counts, metadata) gives the t of a tail fraction.",
        ),
        (
            lambda: mc.local.balance(MATCHED, COUNTS, threshold=0),
            ConfigError,
            "threshold must be an integer >= 1, got 0. MetaCLIP-400M used 20000.",
        ),
        (
            lambda: mc.local.sweep(MATCHED, COUNTS, []),
            ConfigError,
            "sweep: thresholds is empty; expected at least one t, or None for 1, 2, 5, 10, ...",
        ),
        (
            lambda: mc.local.sweep(MATCHED, COUNTS, [5, 0]),
            ConfigError,
            "threshold must be an integer >= 1, got 0. MetaCLIP-400M used 20000.",
        ),
        (
            lambda: mc.local.sweep(MATCHED, pa.table({"entry_id": [2], "count": [1]})),
            InputError,
            "a pair matches an entry that was never counted: pairs and counts differ; run count again",
        ),
        (
            lambda: mc.local.sweep(PAIRS, COUNTS),
            InputError,
            "sweep: column 'entry_ids' is missing; got ['url', 'text', 'n']. Call match first, which adds it.",
        ),
        (
            lambda: mc.local.curate(PAIRS, ENTRIES, threshold=1, tail_fraction=0.1),
            ConfigError,
            "curate: got both threshold and tail_fraction, expected one; each of them sets t.",
        ),
        (
            lambda: mc.choose_threshold(COUNTS, ENTRIES, 6),
            ConfigError,
            "tail_fraction must be between 0 and 1, got 6. The paper's is 0.06.",
        ),
        (
            lambda: mc.local.balance(MATCHED, pa.table({"entry_id": [2], "count": [1]}), threshold=1),
            InputError,
            "a pair matches an entry that was never counted: pairs and counts differ; run count again",
        ),
        (
            lambda: mc.local.balance(MATCHED, COUNTS.slice(0, 0), threshold=1),
            InputError,
            "a pair matches an entry that was never counted: pairs and counts differ; run count again",
        ),
        (
            lambda: mc.local.sweep(MATCHED, COUNTS.slice(0, 0)),
            InputError,
            "a pair matches an entry that was never counted: pairs and counts differ; run count again",
        ),
        (
            lambda: mc.local.balance(MATCHED, pa.table({"entry_id": [0, 0], "probability": [1.0, 0.5]})),
            InputError,
            "balance: an entry has several probabilities, expected one; keep the rows of one run_id.",
        ),
        (
            lambda: mc.local.balance(
                MATCHED, pa.table({"entry_id": [0, 0], "count": [1, 2], "metadata_id": ["a", "b"]}), threshold=1
            ),
            InputError,
            "balance: the counts belong to 2 entry lists, expected one; keep the rows of one metadata_id.",
        ),
        (
            lambda: mc.local.explain(PAIRS, ENTRIES, COUNTS),
            ConfigError,
            "explain: got counts without threshold; give both, or neither to see the matches alone.",
        ),
        (
            lambda: mc.local.balance(MATCHED, pa.table({"entry_id": [0], "count": [1.5]}), threshold=1),
            InputError,
            "balance: column 'count' of the counts holds a value of type double that is no int64; expected int64 >= 0. "
            "Expected what count_entries returns.",
        ),
        (
            lambda: mc.local.balance(MATCHED, pa.table({"entry_id": [0, None], "count": [1, 1]}), threshold=1),
            InputError,
            "balance: column 'entry_id' of the counts holds a null; expected int32 >= 0. Expected what count_entries "
            "returns.",
        ),
        (
            lambda: mc.local.sweep(MATCHED, pa.table({"entry_id": [-1], "count": [1]}), [1]),
            InputError,
            "sweep: column 'entry_id' of the counts holds -1; expected int32 >= 0. Expected what count_entries "
            "returns.",
        ),
    ],
)
def test_refusals_name_the_fault_and_the_remedy(call, error, message):
    """Each error names what it got, what it expected and what to do next."""
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


def test_parquet_of_pairs_is_curated(tmp_path):
    """A file of pairs with other columns goes in and out, types and all."""
    pairs = pa.table(
        {
            "url": ["u1", "u2"],
            "text": ["a photo", "xyzzy"],
            "size": pa.array([{"w": 1}, None]),
            "blob": [b"x", b"y"],
        }
    )
    pq.write_table(pairs, tmp_path / "pairs.parquet")
    curated = mc.local.curate(pq.read_table(tmp_path / "pairs.parquet"), ENTRIES, threshold=20)
    assert curated.select(pairs.column_names) == pairs.slice(0, 1)
