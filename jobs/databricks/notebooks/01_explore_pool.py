# Databricks notebook source
# MAGIC %md
# MAGIC # 1. Explore a pool
# MAGIC This notebook shows which entries of a list match a pool of texts, and what different t would keep. It writes
# MAGIC nothing.
# MAGIC
# MAGIC `pool` is a table's name or the path of Parquet files, with a column `text` and a column `url`. If `pool` is
# MAGIC empty, the notebook generates pairs. `metadata` is the entry list.

# COMMAND ----------

# MAGIC %pip install --quiet "/Volumes/main/metaclip/files/metaclip_spark-0.1.0+cluster-py3-none-any.whl[report]"

# COMMAND ----------

from matplotlib.figure import Figure
from pyspark.sql import functions as F

import metaclip_spark as mc
from metaclip_spark.databricks import show, show_figure, spark_session, widget

spark = spark_session()
pool = widget("pool", "")
metadata = mc.load_metadata(widget("metadata", "/Volumes/main/metaclip/files/en.json.gz"))
print(f"{len(metadata.entries):,} entries, list {metadata.metadata_id[:12]}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Read the texts

# COMMAND ----------

if pool:
    df = spark.read.parquet(pool) if "/" in pool else spark.table(pool)
else:
    texts = ["a photo of a dog", "a red house in the garden", "New York at night", "an otter by the river", "IMG_0"]
    common = F.least(F.log2(F.col("id") % 89 + 1).cast("int"), F.lit(len(texts) - 1))
    text = F.element_at(F.array(*map(F.lit, texts)), F.lit(len(texts)) - common)
    url = F.format_string("https://example.org/%d.jpg", "id")
    df = spark.range(2000).select(url.alias("url"), text.alias("text"))

show(df)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Match the texts
# MAGIC `match` adds `entry_ids`, and keeps every column and row. For a large pool, store the result of `match` and
# MAGIC continue from there.

# COMMAND ----------

matched = mc.match(df, metadata)
matches = matched.groupBy(F.size("entry_ids").alias("matches")).count().orderBy("matches")
show(matches)

by_matches = matches.toPandas()
figure = Figure(figsize=(7, 3))
axes = figure.subplots()
axes.bar(by_matches["matches"], by_matches["count"], color="#3b6ea8")
axes.set(xlabel="entries that a text matches", ylabel="texts")
show_figure(figure)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Count the entries
# MAGIC A few entries have most of the counts, and balancing samples those entries down.

# COMMAND ----------

counts = mc.count_entries(matched, metadata).toArrow()  # at most one row per entry, collected to the driver
ranked = counts.sort_by([("count", "descending"), ("entry_id", "ascending")])
show(spark.createDataFrame(ranked.slice(0, 50)))

figure = Figure(figsize=(7, 3))
axes = figure.subplots()
axes.loglog(range(1, ranked.num_rows + 1), ranked["count"].to_pylist(), color="#3b6ea8")
axes.set(xlabel="rank of the entry", ylabel="entry count")
show_figure(figure)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Try several t
# MAGIC The entries are counted once. At fixed counts the subsets are nested: a larger t only adds pairs.

# COMMAND ----------

sizes = [(t, mc.balance(matched, counts, threshold=t).count()) for t in (20, 200, 2_000)]
show(spark.createDataFrame(sizes, "t int, kept bigint"))

figure = Figure(figsize=(7, 3))
axes = figure.subplots()
axes.semilogx(*zip(*sizes, strict=True), marker="o", color="#3b6ea8")
axes.set(xlabel="t", ylabel="pairs kept", ylim=(0, None))
show_figure(figure)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Explain why a pair is kept or dropped

# COMMAND ----------

explained = mc.explain(df.limit(5), metadata, counts, threshold=20)
show(explained.select("text", "sampling_probability", "draw", "verdict"))
show(explained.select("text", F.inline("matches")))
