"""Curate each month's crawl on Databricks, with the job of jobs/databricks. docs/AIRFLOW.md has the requirements.

The job has one Databricks task per command. A failed Databricks task is repaired alone, in the same run of the job.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.databricks.operators.databricks import DatabricksRunNowOperator
from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param
from common_crawl import CrawlPublished

CRAWL = "{{ ti.xcom_pull(task_ids='published') }}"

with DAG(
    dag_id="metaclip_curation_databricks",
    description="Curates each month's crawl of Common Crawl as MetaCLIP does, on Databricks.",
    schedule=CronDataIntervalTimetable("@monthly", timezone="UTC"),
    start_date=datetime(2017, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,  # one run at a time may write to a schema
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10), "retry_exponential_backoff": True},
    params={
        "crawl": Param(
            None,
            type=["null", "string"],
            pattern=r"^CC-MAIN-\d{4}-\d{2}$",
            description="The crawl to curate, such as CC-MAIN-2024-51. Empty: the crawl of the run's month.",
        )
    },
    tags=["metaclip"],
    doc_md=__doc__,
):
    curate = DatabricksRunNowOperator(
        task_id="curate",
        job_name="{{ var.json.metaclip.get('databricks_job', 'metaclip_curation') }}",
        job_parameters={
            "input": "{{ var.json.metaclip.get('crawl_root', 'https://data.commoncrawl.org/') }}"
            f"crawl-data/{CRAWL}/wat.paths.gz",
            "snapshot": CRAWL,
        },
        # A repeated request starts no second run; a new try makes a new token. At most 64 characters.
        idempotency_token="{{ macros.uuid.uuid5(macros.uuid.NAMESPACE_URL, run_id ~ '/' ~ ti.try_number) }}",
        repair_run=True,
        outlets=[Asset("metaclip_curated_pairs")],
    )
    CrawlPublished() >> curate
