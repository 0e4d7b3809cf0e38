"""Curate each month's crawl: one DAG run per crawl, one Airflow task per command. docs/AIRFLOW.md has the requirements.

The Airflow variable `metaclip` has the paths. One of them is the path of a YAML file with the settings that decide a
run's result. So every command has the same settings, and the run has the id that `metaclip-spark run` would give it.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, ObjectStoragePath, Param
from common_crawl import CrawlPublished

CRAWL = "{{ ti.xcom_pull(task_ids='published') }}"
RUN_ID = "--run-id={{ ti.xcom_pull(task_ids='extract')['run_id'] }}"


def version(stage: str, table: str) -> str:
    """Return a template of TABLE=VERSION, as an earlier command left the table."""
    return f"{table}={{{{ ti.xcom_pull(task_ids='{stage}')['versions']['{table}'] }}}}"


class StageOperator(SparkSubmitOperator):
    """An operator that runs one command by spark-submit, in client mode, and returns its outcome as XCom.

    Args:
        stage: the name of the Airflow task, and of the script in jobs/.
        arguments: the flags of this command alone, templated.
    """

    template_fields = (*SparkSubmitOperator.template_fields, "outcome")

    def __init__(self, *, stage: str, arguments: list[str], **kwargs: object) -> None:
        outcome = f"{{{{ var.json.metaclip.outcomes }}}}/{CRAWL}/{stage}.json"
        super().__init__(
            task_id=stage,
            application="{{ var.json.metaclip.home }}/jobs/" + stage + ".py",
            name=f"metaclip {CRAWL} {stage}",
            deploy_mode="client",
            packages="{{ var.json.metaclip.delta }}",
            properties_file="{{ var.json.metaclip.home }}/conf/cluster.conf",
            conf={
                "spark.archives": "{{ var.json.metaclip.archive }}#environment",
                "spark.pyspark.python": "./environment/bin/python",
                "spark.pyspark.driver.python": "{{ var.json.metaclip.python }}",
            },
            application_args=[
                "--config={{ var.json.metaclip.config }}",
                "--metadata={{ var.json.metaclip.metadata }}",
                "--warehouse={{ var.json.metaclip.warehouse }}",
                f"--outcome={outcome}",
                *arguments,
            ],
            **kwargs,
        )
        self.outcome = outcome

    def execute(self, context: object) -> dict:
        """Submit the command, wait for it, and return its outcome."""
        super().execute(context)
        return json.loads(ObjectStoragePath(self.outcome).read_text())


with DAG(
    dag_id="metaclip_curation",
    description="Curates each month's crawl of Common Crawl as MetaCLIP does.",
    schedule=CronDataIntervalTimetable("@monthly", timezone="UTC"),
    start_date=datetime(2017, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,  # one run at a time may write to a warehouse
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
    extract = StageOperator(
        stage="extract",
        arguments=[
            f"--crawl={CRAWL}",
            "--crawl-root={{ var.json.metaclip.get('crawl_root', 'https://data.commoncrawl.org/') }}",
            # A retry re-reads the sources that could not be read to their end, in case they failed the first try.
            "--retry={{ 'partial,failed' if ti.try_number > 1 else '' }}",
        ],
    )
    dedup = StageOperator(stage="dedup", arguments=[RUN_ID, f"--snapshot={CRAWL}"])
    count = StageOperator(stage="count", arguments=[RUN_ID, f"--pinned={version('dedup', 'pairs')}"])
    balance = StageOperator(
        stage="balance",
        arguments=[RUN_ID, f"--pinned={version('count', 'pairs')},{version('count', 'entry_counts')}"],
        outlets=[Asset("metaclip_curated_pairs")],
    )
    report = StageOperator(
        stage="report",
        arguments=[RUN_ID, f"--output={{{{ var.json.metaclip.outcomes }}}}/{CRAWL}/report.html"],
    )
    CrawlPublished() >> extract >> dedup >> count >> balance >> report
