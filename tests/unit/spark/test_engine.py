"""The engine of a command: its session starts at the first use, and not before."""

from __future__ import annotations

import pytest

from metaclip_spark.errors import ConfigError
from metaclip_spark.spark import engine as engines
from metaclip_spark.spark.engine import Engine, EngineSettings, open_engine


class Session:
    """A session that only has a version."""

    version = "4.9.1"


def test_session_starts_at_its_first_use_and_once():
    """Questions that need no session start none; the session is the same at each use."""
    started = []

    def start():
        started.append(Session())
        return started[-1]

    engine = Engine(start, is_embedded=True, is_remote=False)
    assert not engine.has_started
    engine.stop_jobs()
    assert engine.version[0].isdigit()
    assert started == []
    assert engine.session is engine.session
    assert (len(started), engine.has_started, engine.version) == (1, True, "4.9.1")


def test_engine_of_a_session_has_started():
    """A session that runs is neither embedded nor a server's, unless it is."""
    engine = Engine.of(Session())
    assert (engine.has_started, engine.is_embedded, engine.is_remote) == (True, False, False)


@pytest.mark.parametrize("name", ["embedded", "spark"])
def test_local_engine_is_named_at_once_and_started_later(monkeypatch, name):
    """The user reads which engine it is before a session starts."""
    monkeypatch.setattr(engines, "is_installed", lambda: True)
    monkeypatch.setattr(engines, "check_java", lambda: None)
    monkeypatch.setattr(engines, "_can_wait", lambda settings: True)
    monkeypatch.setattr(engines, "_start_embedded", lambda *words: Session())
    monkeypatch.setattr(engines, "_start_spark", lambda *words: Session())
    said: list[str] = []
    engine = open_engine(EngineSettings(engine=name), said.append)
    assert [line.split(" (")[0].lower() for line in said] == [f"engine: {name}"]
    assert (engine.has_started, engine.is_embedded) == (False, name == "embedded")
    assert engine.session.version == "4.9.1"


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        (EngineSettings(master="spark://host:7077"), None),
        (EngineSettings(remote="sc://host"), None),
        (EngineSettings(), "PYSPARK_GATEWAY_PORT"),
        (EngineSettings(), "DATABRICKS_RUNTIME_VERSION"),
        (EngineSettings(), "SPARK_HOME"),
    ],
)
def test_spark_that_is_not_of_this_process_starts_at_once(monkeypatch, given, variable):
    """A cluster, a server, or another installation may differ from what is installed here: it is asked at once."""
    if variable is not None:
        monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(engines, "_active_session", lambda: None)
    assert not engines._can_wait(given)


def test_memory_of_the_embedded_engine_is_refused_for_spark_before_it_starts(monkeypatch):
    """A wrong flag is refused at once, although the engine would start later."""
    monkeypatch.setattr(engines, "_start_spark", lambda *words: pytest.fail("Spark was started"))
    with pytest.raises(ConfigError, match="--memory is for the embedded engine"):
        open_engine(EngineSettings(engine="spark", memory="4g"), lambda line: None)
