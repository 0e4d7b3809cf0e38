"""Events of a command for machines: one JSON object per line, and metrics to a file, StatsD or OpenTelemetry.

docs/LOGS.md lists the events and their fields. A sink gets every event; what it does with it is its own.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Protocol, TextIO
from urllib.parse import urlsplit

from metaclip_spark.core.extras import how_to_install
from metaclip_spark.core.secrets import masked
from metaclip_spark.errors import ConfigError

Event = Mapping[str, Any]
LABELS = ("stage", "snapshot", "run_id", "status", "kind", "what", "table")
"""Fields of an event that say which series a number belongs to; all other numbers are values."""
MEASURED = ("progress", "stage_done", "sources", "retried", "finished", "failed")
"""Events that have numbers for a monitor."""


class Sink(Protocol):
    """A place that gets the events of a command."""

    def emit(self, event: Event) -> None:
        """Take one event."""

    def close(self) -> None:
        """End: nothing follows."""


class JsonLines:
    """A sink that writes one JSON object per line.

    Args:
        stream: is flushed after each line, so that lines of two processes do not mix.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def emit(self, event: Event) -> None:
        """Write one line."""
        self._stream.write(json.dumps(masked(dict(event)), ensure_ascii=False, default=str) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream open: it is the caller's."""


class MetricsFile:
    """A sink that appends the events with numbers to a file, as JSON lines.

    Raises:
        ConfigError: the file cannot be written.
    """

    def __init__(self, path: str) -> None:
        try:
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise ConfigError(f"--metrics {path} cannot be written: {error.strerror}. Give another file.") from error
        self._lines = JsonLines(self._file)

    def emit(self, event: Event) -> None:
        """Append the event, if it has numbers."""
        if event["event"] in MEASURED:
            self._lines.emit(event)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class StatsD:
    """A sink that sends each number as a gauge `metaclip.<stage>.<name>` to a StatsD server, over UDP."""

    def __init__(self, host: str, port: int) -> None:
        try:
            import statsd
        except ImportError as error:
            raise ConfigError(f"--metrics statsd:// needs the package statsd: {how_to_install('metrics')}") from error
        self._client: Any = statsd.StatsClient(host, port, prefix="metaclip")

    def emit(self, event: Event) -> None:
        """Send the numbers of the event."""
        for name, value in numbers_of(event).items():
            self._client.gauge(f"{event.get('stage') or event['event']}.{name}", value)

    def close(self) -> None:
        """Close the socket."""
        self._client.close()


class OpenTelemetry:
    """A sink that sends each number as a gauge `metaclip.<name>` with labels, by OTLP over HTTP.

    Args:
        endpoint: address of the collector, such as http://localhost:4318/v1/metrics.
        reader: a reader of metrics instead of the one that sends them.
    """

    def __init__(self, endpoint: str, reader: Any = None) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.sdk.metrics import MeterProvider
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        except ImportError as error:
            raise ConfigError(
                f"--metrics otlp:// needs the packages of OpenTelemetry: {how_to_install('metrics')}"
            ) from error
        reader = reader or PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint))
        self._provider: Any = MeterProvider(metric_readers=[reader])
        self._meter = self._provider.get_meter("metaclip_spark")
        self._gauges: dict[str, Any] = {}

    def emit(self, event: Event) -> None:
        """Set the gauges to the numbers of the event."""
        labels = {name: str(event[name]) for name in LABELS if event.get(name) is not None}
        for name, value in numbers_of(event).items():
            if name not in self._gauges:
                self._gauges[name] = self._meter.create_gauge(f"metaclip.{name}")
            self._gauges[name].set(value, labels)

    def close(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()


def numbers_of(event: Event) -> dict[str, float]:
    """Return the numbers of an event that a monitor takes, by name; empty for other events.

    >>> numbers_of({"event": "stage_done", "stage": "dedup", "seconds": 2.5, "pairs": 7, "ok": True})
    {'seconds': 2.5, 'pairs': 7}
    """
    if event["event"] not in MEASURED:
        return {}
    return {
        name: value for name, value in event.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }


def metrics_sink(place: str) -> Sink:
    """Return the sink of `--metrics`: a file, statsd://host:port or otlp://host:port.

    Raises:
        ConfigError: the place is no such address, or its package is missing.
    """
    address = urlsplit(place) if "://" in place else None
    if address is None or address.scheme == "file":
        return MetricsFile(place if address is None else address.path)
    if address.scheme == "statsd" and address.hostname:
        return StatsD(address.hostname, address.port or 8125)
    if address.scheme in ("otlp", "otlps") and address.hostname:
        scheme = "https" if address.scheme == "otlps" else "http"
        return OpenTelemetry(f"{scheme}://{address.hostname}:{address.port or 4318}{address.path or '/v1/metrics'}")
    raise ConfigError(f"--metrics takes a file, statsd://HOST:PORT or otlp://HOST:PORT, got {place!r}.")


class Events:
    """The events of one command, and the sinks that get them. A sink that fails does not end the command."""

    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        self.common: dict[str, Any] = {}
        """Fields of every event, such as run_id."""

    def emit(self, event: str, **fields: Any) -> None:
        """Send an event to all sinks; fields that are None are left out."""
        if not self.sinks:
            return
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        known = {name: value for name, value in {**self.common, **fields}.items() if value is not None}
        for sink in self.sinks:
            with contextlib.suppress(Exception):
                sink.emit({"at": at, "event": event, **known})

    def close(self) -> None:
        """Close the sinks."""
        for sink in self.sinks:
            with contextlib.suppress(Exception):
                sink.close()
        self.sinks.clear()
