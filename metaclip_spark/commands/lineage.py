"""OpenLineage: a START event when an attempt begins, and COMPLETE or FAIL with its tables when it ends.

Events are sent where openlineage-python is installed and its own variables name a transport. A place that does not
answer ends no command.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from metaclip_spark.core.secrets import masked
from metaclip_spark.version import __version__
from metaclip_spark.warehouse.events import DONE, Event, StageEvent

_SWITCHES = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT__TYPE", "OPENLINEAGE__TRANSPORT")
_PRODUCER = f"metaclip-spark/{__version__}"
NAMESPACE, JOB = "metaclip-spark", "curation"
"""Namespace (OPENLINEAGE_NAMESPACE wins) and name of the job."""


@contextlib.contextmanager
def lineage(
    place: str, run_id: str, attempt_id: str, config: Mapping[str, Any], log: Iterable[Event]
) -> Iterator[None]:
    """Send the events of an attempt around the body.

    Args:
        place: the warehouse's folder, uri or catalog.
        config: the resolved settings, without secrets.
        log: the events of the log of runs, which has those of this attempt when the body ends.
    """
    client = _client()
    if client is None:
        yield
        return
    inputs = [str(masked(name)) for name in (*(config.get("input") or ()), *(config.get("crawl") or ()))]
    attempt = _Attempt(client, str(uuid.uuid5(uuid.NAMESPACE_OID, attempt_id)), place, run_id, config, inputs)
    attempt.send("START")
    try:
        yield
    except BaseException as error:
        attempt.send("FAIL", log=_of(log, attempt_id), error=str(masked(f"{type(error).__name__}: {error}"))[:2000])
        raise
    attempt.send("COMPLETE", log=_of(log, attempt_id))


def _client() -> Any:
    """Return the client that the environment configures; None without one."""
    if not any(os.environ.get(name) for name in _SWITCHES) or os.environ.get("OPENLINEAGE_DISABLED", "") == "true":
        return None
    if importlib.util.find_spec("openlineage") is None:
        return None
    with contextlib.suppress(Exception):
        from openlineage.client import OpenLineageClient

        return OpenLineageClient()
    return None


def _of(log: Iterable[Event], attempt_id: str) -> list[StageEvent]:
    return [e for e in log if isinstance(e, StageEvent) and e.attempt_id == attempt_id and e.event == DONE]


class _Attempt:
    """An attempt as a run of OpenLineage."""

    def __init__(
        self, client: Any, uuid: str, place: str, run_id: str, config: Mapping[str, Any], inputs: list[str]
    ) -> None:
        self._client, self._uuid, self._place = client, uuid, str(masked(place))
        self._run_id, self._config, self._inputs = run_id, config, inputs

    def send(self, state: str, log: Iterable[StageEvent] = (), error: str | None = None) -> None:
        """Send an event; a failure to send it is not one of the command."""
        with contextlib.suppress(Exception):
            self._send(state, list(log), error)

    def _send(self, state: str, log: list[StageEvent], error: str | None) -> None:
        from openlineage.client import event_v2, facet_v2

        facets: dict[str, Any] = {
            "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet(
                version=__version__, name="metaclip-spark"
            ),
            "executionParameters": facet_v2.execution_parameters_run.ExecutionParametersRunFacet(
                parameters=[
                    facet_v2.execution_parameters_run.ExecutionParameter(key=name, name=name, value=str(value))
                    for name, value in {"metaclip_run_id": self._run_id, **self._config}.items()
                    if value not in (None, (), {})
                ]
            ),
        }
        if error is not None:
            facets["errorMessage"] = facet_v2.error_message_run.ErrorMessageRunFacet(
                message=error, programmingLanguage="Python"
            )
        self._client.emit(
            event_v2.RunEvent(
                eventType=event_v2.RunState[state],
                eventTime=datetime.now(timezone.utc).isoformat(),
                run=event_v2.Run(runId=self._uuid, facets=facets),
                job=event_v2.Job(namespace=os.environ.get("OPENLINEAGE_NAMESPACE", NAMESPACE), name=JOB),
                producer=_PRODUCER,
                inputs=[event_v2.InputDataset(*_named(place)) for place in self._inputs],
                outputs=[self._output(event_v2, facet_v2, table, log) for table in sorted(_tables(log))],
            )
        )

    def _output(self, event_v2: Any, facet_v2: Any, table: str, log: list[StageEvent]) -> Any:
        last = [event for event in log if table in event.versions][-1]
        namespace, name = _named(f"{self._place}/{table}" if "/" in self._place else f"{self._place}.{table}")
        version = facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(last.versions[table]))
        rows = sum(event.rows or 0 for event in log if _MAIN.get(event.stage) == table)
        statistics = facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
        counted = table in _MAIN.values()
        return event_v2.OutputDataset(
            namespace,
            name,
            facets={"version": version},
            outputFacets={"outputStatistics": statistics} if counted else {},
        )


_MAIN = {"dedup": "pairs", "match": "pairs", "balance": "curated_pairs"}
"""Stage -> the table whose rows its event counts."""


def _tables(log: Iterable[StageEvent]) -> set[str]:
    return {table for event in log for table in event.versions}


def _named(place: str) -> tuple[str, str]:
    """Return (namespace, name) of a dataset, as OpenLineage names files, objects and tables.

    >>> _named("s3://bucket/warehouse/pairs"), _named("/data/pairs"), _named("main.pool.pairs")
    (('s3://bucket', 'warehouse/pairs'), ('file', '/data/pairs'), ('catalog', 'main.pool.pairs'))
    """
    address = urlsplit(place) if "://" in place else None
    if address is not None and address.scheme != "file":
        return f"{address.scheme}://{address.netloc}", address.path.lstrip("/") or "/"
    if address is not None or "/" in place:
        return "file", place if address is None else address.path
    return "catalog", place
