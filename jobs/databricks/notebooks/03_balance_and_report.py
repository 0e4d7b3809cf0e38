# Databricks notebook source
# MAGIC %md
# MAGIC # 3. Balance again, and write the report
# MAGIC Another t or seed needs neither the files nor matching: `pairs` and `entry_counts` are stored. Run notebook 2
# MAGIC first.

# COMMAND ----------

# MAGIC %pip install --quiet "/Volumes/main/metaclip/files/metaclip_spark-0.1.0+cluster-py3-none-any.whl[report]"

# COMMAND ----------

from pathlib import Path

from matplotlib.figure import Figure
from pyspark.sql import functions as F

import metaclip_spark as mc
from metaclip_spark.cli import main
from metaclip_spark.databricks import show, show_figure, show_html, spark_session, widget
from metaclip_spark.warehouse.tables import Warehouse

spark = spark_session()
metadata = widget("metadata", "/Volumes/main/metaclip/files/en.json.gz")
catalog = widget("catalog", "main.metaclip")
warehouse = widget("warehouse", "")
report = widget("report", "/Volumes/main/metaclip/files/reports/notebook.html")
stored = Warehouse(spark, warehouse or None, None if warehouse else catalog)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Read the pool and its counts
# MAGIC Counts of several crawls add up. `choose_threshold` gives the t of a tail fraction.

# COMMAND ----------

entries = mc.load_metadata(metadata)
pairs = stored.read("pairs").where(F.col("metadata_id") == entries.metadata_id)
counted = stored.read("entry_counts").where(F.col("metadata_id") == entries.metadata_id).toArrow()
tail_fractions = [0.2, 0.4, 0.6, 0.8]
chosen = [(fraction, mc.choose_threshold(counted, entries, fraction)) for fraction in tail_fractions]
show(spark.createDataFrame(chosen, "tail_fraction double, t int"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Try several t
# MAGIC At fixed counts the subsets are nested: a larger t only adds pairs.

# COMMAND ----------

sizes = [(t, mc.balance(pairs, counted, threshold=t).count()) for t in sorted({t for _, t in chosen})]
show(spark.createDataFrame(sizes, "t int, kept bigint"))

figure = Figure(figsize=(7, 3))
axes = figure.subplots()
axes.semilogx(*zip(*sizes, strict=True), marker="o", color="#3b6ea8")
axes.axhline(pairs.count(), linestyle="--", color="#888888")
axes.set(xlabel="t", ylabel="pairs kept (dashed: all)", ylim=(0, None))
show_figure(figure)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Explain some pairs

# COMMAND ----------

t = sizes[-1][0]
few = pairs.orderBy("pair_id").limit(3).select("pair_id", "url", "text")
explained = mc.explain(few, entries, counted, threshold=t)
show(explained.select("text", "sampling_probability", "draw", "verdict"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Write the report of the last run
# MAGIC `metaclip-spark balance --threshold T` stores the subset of another t in `curated_pairs`, next to the others.

# COMMAND ----------

tables = ["--warehouse", warehouse] if warehouse else ["--catalog", catalog]
assert main(["report", "--output", report, "--metadata", metadata, *tables]) == 0
show_html(Path(report).read_text(encoding="utf-8"))
