# Databricks notebook source
# MAGIC %md
# MAGIC # 4. Try another entry list
# MAGIC This notebook shows what a new list matches in the stored pool, before you read a crawl again for it. Run
# MAGIC notebook 2 first. The notebook writes nothing; `metaclip-spark match --metadata NEW` stores the pool under the
# MAGIC new list as well.
# MAGIC
# MAGIC The pool has only pairs that matched the old list. To see what only a new list matches, run with
# MAGIC `--keep-unmatched`.

# COMMAND ----------

# MAGIC %pip install --quiet "/Volumes/main/metaclip/files/metaclip_spark-0.1.0+cluster-py3-none-any.whl[report]"

# COMMAND ----------

import pyarrow as pa
from matplotlib.figure import Figure
from pyspark.sql import functions as F

import metaclip_spark as mc
from metaclip_spark.databricks import show, show_figure, spark_session, widget
from metaclip_spark.metadata import never_matching
from metaclip_spark.warehouse.tables import Warehouse

spark = spark_session()
old = mc.load_metadata(widget("metadata", "/Volumes/main/metaclip/files/en.json.gz"))
catalog = widget("catalog", "main.metaclip")
warehouse = widget("warehouse", "")
added = widget("added", "an otter by the river; photo of a dog; St. John")
threshold = int(widget("threshold", "20000"))
stored = Warehouse(spark, warehouse or None, None if warehouse else catalog)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Make the new list
# MAGIC The new list is the old one with some more entries. Ids are positions, so the old ids stay, but the list's id is
# MAGIC new. Some entries can never match, such as `St. John`: in a text, spaces are put around a full stop.

# COMMAND ----------

known = set(old.entries)
more = [entry for entry in (part.strip() for part in added.split(";")) if entry and entry not in known]
new = mc.Metadata.from_entries([*old.entries, *more])
never = never_matching(more).tolist()
show(spark.createDataFrame(list(zip(more, never, strict=True)), "entry string, can_never_match boolean"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Match the pool with it

# COMMAND ----------

pool = stored.read("pairs").where(F.col("metadata_id") == old.metadata_id)
matched = mc.match(pool.drop("entry_ids"), new)
counts = mc.count_entries(matched, new).toArrow()
before = mc.count_entries(pool, old).toArrow()
found = {row["entry"]: row["count"] for row in counts.to_pylist()}
show(spark.createDataFrame([(entry, found.get(entry, 0)) for entry in more], "entry string, count bigint"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Compare the subsets
# MAGIC The draw is keyed by the pair and the seed alone, so it is the same under both lists: a pair is gained or lost
# MAGIC only because its probability changed.

# COMMAND ----------

kept_before = mc.balance(pool, before, threshold=threshold).select("pair_id", "text")
kept_after = mc.balance(matched, counts, threshold=threshold).select("pair_id", "text")
gained = kept_after.join(kept_before.select("pair_id"), on="pair_id", how="left_anti")
lost = kept_before.join(kept_after.select("pair_id"), on="pair_id", how="left_anti")
sizes = {"old": kept_before.count(), "new": kept_after.count(), "gained": gained.count(), "lost": lost.count()}
show(spark.createDataFrame(list(sizes.items()), "subset string, pairs bigint"))
show(gained)

figure = Figure(figsize=(7, 3))
axes = figure.subplots()
axes.bar(list(sizes), list(sizes.values()), color="#3b6ea8")
axes.set(ylabel="pairs")
show_figure(figure)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Match a text with both lists
# MAGIC The same verbs take a pyarrow Table, without Spark.

# COMMAND ----------

text = pa.table({"text": [added.replace(";", ",")]})
for name, entries in (("old", old), ("new", new)):
    (explained,) = mc.local.explain(text, entries).to_pylist()
    print(name, [match["entry"] for match in explained["matches"]])
