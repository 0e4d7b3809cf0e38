"""Which crawl a DAG run is for, and whether Common Crawl has published it. Beside the DAGs, in the DAG folder."""

from __future__ import annotations

from datetime import date, timedelta
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from airflow.sdk import BaseSensorOperator, Context, ObjectStoragePath, PokeReturnValue, Variable

HTTPS = "https://data.commoncrawl.org/"
"""Answers without an account, also for what lies in s3://commoncrawl/."""


def crawls_of(month: date) -> list[str]:
    """Return the names that a crawl of this month can have: Common Crawl calls it after a week, CC-MAIN-2024-51.

    A week belongs to the month that its Monday lies in, so each crawl is one month's.
    """
    first = month.replace(day=1)
    days = (first + timedelta(days=offset) for offset in range(31))
    mondays = [day for day in days if day.month == first.month and day.weekday() == 0]
    return ["CC-MAIN-{}-{:02}".format(*monday.isocalendar()[:2]) for monday in mondays]


def is_published(crawl: str, root: str) -> bool:
    """Return whether the crawl's list of files is there, which Common Crawl puts there last.

    Args:
        root: what crawl-data/ lies in, as --crawl-root takes it.
    """
    if root.startswith(("s3://commoncrawl", "s3a://commoncrawl")):
        root = HTTPS
    listed = f"{root.rstrip('/')}/crawl-data/{crawl}/wat.paths.gz"
    if not listed.startswith(("https://", "http://")):
        return ObjectStoragePath(listed).exists()
    try:
        with urlopen(Request(listed, method="HEAD"), timeout=60):
            return True
    except HTTPError as error:
        if error.code in (403, 404):  # of a key that is not there, S3 says either
            return False
        raise


class CrawlPublished(BaseSensorOperator):
    """Waits until the crawl of the run is published; its XCom is the crawl's name.

    The name is the run's param `crawl`, else it is told from the month of the logical date. A month without a crawl
    ends the run as skipped.
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
        """Ask once, for each name that the crawl can have."""
        named, month = context["params"]["crawl"], context["dag_run"].logical_date
        if named is None and month is None:
            raise ValueError('no logical date to tell the crawl from; name it: {"crawl": "CC-MAIN-2024-51"}')
        root = Variable.get("metaclip", deserialize_json=True).get("crawl_root", HTTPS)
        for crawl in [named] if named else crawls_of(month.date()):
            if is_published(crawl, root):
                return PokeReturnValue(is_done=True, xcom_value=crawl)
        return PokeReturnValue(is_done=False)
