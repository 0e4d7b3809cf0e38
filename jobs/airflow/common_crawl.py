"""Choose the crawl of a DAG run, and wait for Common Crawl to publish it.

Copy this module to the DAG folder, next to the DAGs.
"""

from __future__ import annotations

from datetime import date, timedelta
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from airflow.sdk import BaseSensorOperator, Context, ObjectStoragePath, PokeReturnValue, Variable

HTTPS = "https://data.commoncrawl.org/"
"""This address needs no account, also for files of s3://commoncrawl/."""


def crawls_of(month: date) -> list[str]:
    """Return the possible names of this month's crawl. Common Crawl names a crawl after a week: CC-MAIN-2024-51.

    A week belongs to the month of its Monday, so each crawl belongs to one month.
    """
    first = month.replace(day=1)
    days = (first + timedelta(days=offset) for offset in range(31))
    mondays = [day for day in days if day.month == first.month and day.weekday() == 0]
    return ["CC-MAIN-{}-{:02}".format(*monday.isocalendar()[:2]) for monday in mondays]


def is_published(crawl: str, root: str) -> bool:
    """Return whether the crawl's list of files exists; Common Crawl publishes the list last.

    Args:
        root: the folder or uri that contains crawl-data/, as --crawl-root takes it.
    """
    if root.startswith(("s3://commoncrawl", "s3a://commoncrawl")):
        root = HTTPS
    list_of_files = f"{root.rstrip('/')}/crawl-data/{crawl}/wat.paths.gz"
    if not list_of_files.startswith(("https://", "http://")):
        return ObjectStoragePath(list_of_files).exists()
    try:
        with urlopen(Request(list_of_files, method="HEAD"), timeout=60):
            return True
    except HTTPError as error:
        if error.code in (403, 404):  # S3 answers either for a missing key
            return False
        raise


class CrawlPublished(BaseSensorOperator):
    """A sensor that waits until the DAG run's crawl is published; its XCom is the crawl's name.

    The name is the DAG run's param `crawl`, or else follows from the month of the logical date. A month without a crawl
    ends the DAG run as skipped.
    """

    def __init__(self, task_id: str = "published", **kwargs: object) -> None:
        patience = {
            "poke_interval": timedelta(hours=6),
            "timeout": timedelta(days=40),
            "mode": "reschedule",
            "soft_fail": True,
        }
        super().__init__(task_id=task_id, **{**patience, **kwargs})

    def poke(self, context: Context) -> PokeReturnValue:
        """Check once whether a crawl with one of the possible names is published."""
        named, month = context["params"]["crawl"], context["dag_run"].logical_date
        if named is None and month is None:
            raise ValueError('no logical date to choose a crawl by; expected a param: {"crawl": "CC-MAIN-2024-51"}')
        root = Variable.get("metaclip", deserialize_json=True).get("crawl_root", HTTPS)
        for crawl in [named] if named else crawls_of(month.date()):
            if is_published(crawl, root):
                return PokeReturnValue(is_done=True, xcom_value=crawl)
        return PokeReturnValue(is_done=False)
