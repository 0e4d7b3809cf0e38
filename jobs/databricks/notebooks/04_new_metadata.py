# Databricks notebook source
# MAGIC %md
# MAGIC # 4. Another entry list
# MAGIC What a new list would find in the pool that is there, before a crawl is read again for it. Notebook 2 comes
# MAGIC first. Nothing is written; `metaclip-spark match --metadata NEW` stores the pool under the new list as well.
# MAGIC
# MAGIC The pool holds what matched the old list. To see what only a new list would find, run with `--keep-unmatched`.

# COMMAND ----------

# MAGIC %pip install --quiet "/Volumes/main/metaclip/files/metaclip_spark-0.1.0-py3-none-any.whl[report]"

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
# MAGIC ## The new list
# MAGIC The old one and some entries more. Ids are positions, so the old ones stay; the list's id is new all the same.
# MAGIC Some entries can never match, such as `St. John`: a full stop inside a text stands between spaces.

# COMMAND ----------

known = set(old.entries)
more = [entry for entry in (part.strip() for part in added.split(";")) if entry and entry not in known]
new = mc.Metadata.from_entries([*old.entries, *more])
never = never_matching(more).tolist()
show(spark.createDataFrame(list(zip(more, never, strict=True)), "entry string, can_never_match boolean"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## The pool, matched with it

# COMMAND ----------

pool = stored.read("pairs").where(F.col("metadata_id") == old.metadata_id)
matched = mc.match(pool.drop("entry_ids"), new)
counts = mc.count_entries(matched, new).toArrow()
before = mc.count_entries(pool, old).toArrow()
found = {row["entry"]: row["count"] for row in counts.to_pylist()}
show(spark.createDataFrame([(entry, found.get(entry, 0)) for entry in more], "entry string, count bigint"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## What it would change
# MAGIC The draw is keyed by the pair and the seed alone, so it is the same under both lists: what differs, differs for
# MAGIC its probability.

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
# MAGIC ## A text against both lists
# MAGIC The same verbs on a pyarrow Table, without Spark.

# COMMAND ----------

text = pa.table({"text": [added.replace(";", ",")]})
for name, entries in (("old", old), ("new", new)):
    (told,) = mc.local.explain(text, entries).to_pylist()
    print(name, [match["entry"] for match in told["matches"]])
