"""The verbs with a list for each language, on Spark: the same rows as on a Table, bit for bit."""

from __future__ import annotations

import gzip
import shutil

import pyarrow as pa
import pytest
from worldwide_pool import LISTS, rows_for, write_lists

import metaclip_spark as mc
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.spark import broadcast

pytestmark = pytest.mark.spark


def test_spark_gives_what_a_table_gives(spark, tmp_path):
    """Ids, counts, probabilities, draws, sizes and explanations."""
    lists = mc.load_worldwide(write_lists(tmp_path / "lists"))
    rows = list({row[:2]: row for row in rows_for("one", 600, 4)}.values())
    pool = pa.table(dict(zip(("url", "text", "lang"), map(list, zip(*rows, strict=True)), strict=True)))
    df = spark.createDataFrame(rows, "url string, text string, lang string").repartition(3)

    def sorted_rows(table):
        return sorted((tuple(row.values()) for row in table.to_pylist()), key=str)

    def collected(frame):
        return sorted((tuple(row.asDict().values()) for row in frame.collect()), key=str)

    matched, on_table = mc.match(df, lists, lang_column="lang"), mc.match(pool, lists, lang_column="lang")
    assert collected(matched) == sorted_rows(on_table)
    assert collected(mc.count_entries(matched, lists)) == sorted_rows(mc.count_entries(on_table, lists))
    how = {"tail_fraction": 0.2, "language_thresholds": {"zh": 4}, "lang_column": "lang"}
    assert collected(mc.curate(df, lists, **how)) == sorted_rows(mc.curate(pool, lists, **how))
    counts = mc.count_entries(matched, lists)
    how = {"metadata": lists, "tail_fractions": [0.1, 0.3], "language_thresholds": {"zh": 4}}
    on_spark, sizes = mc.sweep(matched, counts, **how), mc.sweep(on_table, mc.count_entries(on_table), **how)
    assert on_spark.toArrow().to_pylist() == sizes.to_pylist()
    chances = mc.language_probabilities(counts, lists, tail_fraction=0.2)
    explained = mc.explain(pool, lists, chances, seed=3, lang_column="lang")
    for given in (chances, spark.createDataFrame(chances)):
        frame = mc.explain(df, lists, given, seed=3, lang_column="lang")
        assert frame.columns == explained.column_names
        assert sorted(frame.toArrow().to_pylist(), key=str) == sorted(explained.to_pylist(), key=str)
    alone = mc.explain(df, lists, lang_column="lang").toArrow()
    assert sorted(alone.to_pylist(), key=str) == sorted(
        mc.explain(pool, lists, lang_column="lang").to_pylist(), key=str
    )


def test_spark_refuses_what_a_table_refuses(spark, tmp_path):
    """The errors come before any row is read."""
    lists = mc.load_worldwide(write_lists(tmp_path / "lists"))
    df = spark.createDataFrame([("a dog", "en")], "text string, lang string")
    with pytest.raises(InputError, match="explain: column 'code' is missing"):
        mc.explain(df, lists, lang_column="code")
    with pytest.raises(ConfigError, match="explain: the lists of languages need lang_column"):
        mc.explain(df, lists)
    with pytest.raises(InputError, match="explain adds the column 'list_lang'"):
        mc.explain(df.withColumnRenamed("lang", "list_lang"), lists, lang_column="list_lang")
    matched = mc.match(df, lists, lang_column="lang")
    with pytest.raises(ConfigError, match="t is given for tlh, which the lists do not have"):
        mc.sweep(matched, mc.count_entries(matched), metadata=lists, language_thresholds={"tlh": 5})
    with pytest.raises(InputError, match="got counts of entry 10,000"):
        mc.explain(
            df,
            lists,
            spark.createDataFrame([(10_000, 1, 1)], "entry_id int, count long, threshold long"),
            lang_column="lang",
        )


@pytest.mark.parametrize("suffix", ["json", "json.gz"])
def test_tasks_of_other_machines_read_the_lists_that_were_sent(spark, tmp_path, monkeypatch, suffix):
    """On a cluster, no task reads a file of the driver: the compiled lists and the entries are sent."""
    monkeypatch.setattr(broadcast, "_is_local", lambda spark: False)
    entry = "in " + suffix.replace(".", " ")
    folder = write_lists(tmp_path / "lists", {**LISTS, "en": [*LISTS["en"], entry]})  # no worker has it yet
    if suffix == "json.gz":
        for path in folder.glob("*.json"):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
            path.unlink()
        codes = folder / "languages.yaml"
        codes.write_text(codes.read_text(encoding="utf-8").replace(".json", ".json.gz"), encoding="utf-8")
    lists = mc.load_worldwide(folder)
    rows = pa.table({"text": [f"a dog {entry}", "一只猫", "dog", None], "lang": ["en", "yue", "tlh", "de"]})
    expected = mc.explain(rows, lists, lang_column="lang")
    found = mc.explain(spark.createDataFrame(rows), lists, lang_column="lang")
    shutil.rmtree(folder)
    assert sorted(found.toArrow().to_pylist(), key=str) == sorted(expected.to_pylist(), key=str)
    assert entry in [match["entry"] for row in expected.to_pylist() for match in row["matches"] or ()]
