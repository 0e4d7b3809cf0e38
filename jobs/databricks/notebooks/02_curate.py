# Databricks notebook source
# MAGIC %md
# MAGIC # 2. Curate
# MAGIC This notebook runs the whole job: it reads files and writes Delta tables. If it was interrupted, the same
# MAGIC command continues where it stopped; after the end, the same command does nothing. For large pools use the job of
# MAGIC the bundle, which makes the same call.
# MAGIC
# MAGIC `input` is what `metaclip-spark run --input` takes. Tables go to `catalog`, or by path to `warehouse` if it is
# MAGIC set.

# COMMAND ----------

# MAGIC %pip install --quiet "/Volumes/main/metaclip/files/metaclip_spark-0.1.0+cluster-py3-none-any.whl[report]"

# COMMAND ----------

from matplotlib.figure import Figure
from pyspark.sql import functions as F

from metaclip_spark.cli import main
from metaclip_spark.databricks import show, show_figure, spark_session, widget
from metaclip_spark.warehouse.tables import Warehouse

spark = spark_session()
input_files = widget("input", "/Volumes/main/metaclip/files/pairs/*.parquet")
metadata = widget("metadata", "/Volumes/main/metaclip/files/en.json.gz")
catalog = widget("catalog", "main.metaclip")
warehouse = widget("warehouse", "")
threshold = widget("threshold", "20000")
seed = widget("seed", "0")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Plan

# COMMAND ----------

tables = ["--warehouse", warehouse] if warehouse else ["--catalog", catalog]
source = ["--input", *input_files.split(), "--metadata", metadata]
assert main(["plan", *source, *tables]) == 0

# COMMAND ----------

# MAGIC %md
# MAGIC ## Run
# MAGIC Status 3 means that some sources could not be read to their end; the table `sources` has the reason of each.

# COMMAND ----------

status = main(["run", *source, *tables, "--threshold", threshold, "--seed", seed])
assert status in (0, 3), f"the run ended with status {status}"

# COMMAND ----------

# MAGIC %md
# MAGIC ## Look at the tables

# COMMAND ----------

stored = Warehouse(spark, warehouse or None, None if warehouse else catalog)
show(stored.read("sources").select("source_path", "status", "reason", "texts_read", "texts_matched", "pairs_written"))
show(stored.read("rejects").groupBy("reason").count())
curated = stored.read("curated_pairs")
show(curated.select("url", "text", "sampling_probability", "draw").orderBy("draw"))

# COMMAND ----------

rounded = F.round("sampling_probability", 1).alias("probability")
kept = curated.groupBy(rounded).count().orderBy("probability").toPandas()
figure = Figure(figsize=(7, 3))
axes = figure.subplots()
axes.bar(kept["probability"], kept["count"], width=0.08, color="#3b6ea8")
axes.set(xlabel="sampling probability", ylabel="pairs kept", xlim=(-0.05, 1.05))
show_figure(figure)
