"""Sinks of events: what they send, and what happens if a place or a package is missing."""

from __future__ import annotations

import io
import json
import sys

import pytest

from metaclip_spark.errors import ConfigError
from metaclip_spark.terminal.events import Events, JsonLines, MetricsFile, OpenTelemetry, metrics_sink

DONE = {"event": "stage_done", "stage": "dedup", "snapshot": "s", "seconds": 2.5, "pairs": 7, "note": "x"}


def test_events_are_lines_with_the_common_fields_and_without_secrets():
    """Fields that are None are left out."""
    events, out = Events(), io.StringIO()
    events.emit("before a sink")
    events.sinks.append(JsonLines(out))
    events.common["run_id"] = "r"
    events.emit("message", message="token=abcdefgh\nnext", snapshot=None)
    (line,) = out.getvalue().splitlines()
    event = json.loads(line)
    assert event.pop("at").endswith("+00:00")
    assert event == {"event": "message", "run_id": "r", "message": "token=(hidden)\nnext"}


def test_a_sink_that_fails_does_not_end_the_command():
    """The other sinks get the event."""

    class Broken:
        def emit(self, event):
            raise OSError("no route")

        close = emit

    events, out = Events(), io.StringIO()
    events.sinks += [Broken(), JsonLines(out)]
    events.emit("message", message="a")
    events.close()
    assert len(out.getvalue().splitlines()) == 1


def test_a_file_gets_events_with_numbers_only(tmp_path):
    """Lines are appended: several commands may use one file."""
    file = tmp_path / "new" / "metrics"
    for _ in range(2):
        sink = metrics_sink(str(file))
        assert isinstance(sink, MetricsFile)
        sink.emit({"event": "message", "message": "a"})
        sink.emit(DONE)
        sink.close()
    assert [json.loads(line) for line in file.read_text().splitlines()] == [DONE, DONE]


def test_opentelemetry_gets_gauges_with_labels():
    """The labels are the stage and the snapshot; texts are no values."""
    export = pytest.importorskip("opentelemetry.sdk.metrics.export", reason="OpenTelemetry is not installed: [metrics]")
    reader = export.InMemoryMetricReader()
    sink = OpenTelemetry("http://127.0.0.1:1", reader)
    sink.emit(DONE)
    (resource,) = reader.get_metrics_data().resource_metrics
    metrics = {metric.name: metric.data.data_points[0] for metric in resource.scope_metrics[0].metrics}
    assert {name: point.value for name, point in metrics.items()} == {"metaclip.seconds": 2.5, "metaclip.pairs": 7}
    assert dict(metrics["metaclip.pairs"].attributes) == {"stage": "dedup", "snapshot": "s"}
    sink.close()


@pytest.mark.parametrize("place", ["kafka://host:1", "statsd://", "otlp:///x"])
def test_unknown_places_are_refused(place):
    """The error says which places there are."""
    with pytest.raises(ConfigError, match=r"--metrics takes a file, statsd://HOST:PORT or otlp://HOST:PORT, got"):
        metrics_sink(place)


@pytest.mark.parametrize(("place", "module"), [("statsd://h", "statsd"), ("otlp://h", "opentelemetry.sdk.metrics")])
def test_a_missing_package_is_named(place, module, monkeypatch):
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"needs the package.* install "):
        metrics_sink(place)


def test_a_file_that_cannot_be_written_is_refused():
    """Before the work starts."""
    with pytest.raises(ConfigError, match="cannot be written"):
        metrics_sink("/proc/none/metrics")
