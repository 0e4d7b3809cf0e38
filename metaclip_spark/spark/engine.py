"""Choose the engine of a command: embedded (one machine, no Java) or Spark."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metaclip_spark.core.machine import size_in_bytes
from metaclip_spark.errors import ConfigError, MetaclipError
from metaclip_spark.spark.embedded import embedded_session, is_embedded, is_installed, spill_folder
from metaclip_spark.spark.java import check_java
from metaclip_spark.spark.session import get_session, is_connect, jars_are_cached, stop_jobs, under_spark_submit

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

AUTO, EMBEDDED, SPARK = "auto", "embedded", "spark"
ENGINES = (AUTO, EMBEDDED, SPARK)
LOCAL_MASTER = "local[*]"


@dataclass(frozen=True)
class EngineSettings:
    """What a command says about its engine.

    Attributes:
        engine: auto, embedded or spark.
        memory: size for all processes of the embedded engine together, such as 4g; None: half of the machine's.
        master, remote, driver_memory, conf: of Spark; None and empty where they are not given.
        place: the warehouse's folder or uri; None: it is in a catalog.
        small: the work is a few million rows at most, so that the start of a local Spark counts more than its loops.
    """

    engine: str = AUTO
    memory: str | None = None
    master: str | None = None
    remote: str | None = None
    driver_memory: str | None = None
    conf: Mapping[str, str] = field(default_factory=dict)
    place: str | None = "."
    small: bool = False


class Engine:
    """The engine of a warehouse. Its session starts at the first use, so a command that needs no rows starts none.

    Args:
        start: starts the engine and returns its session.

    Attributes:
        is_embedded: whether it is the embedded engine.
        is_remote: whether it is a server of Spark Connect, whose disk is not this machine's.
    """

    def __init__(self, start: Callable[[], SparkSession], is_embedded: bool, is_remote: bool) -> None:
        self._start = start
        self.is_embedded = is_embedded
        self.is_remote = is_remote

    @classmethod
    def of(cls, session: SparkSession) -> Engine:
        """Return the engine of a session that runs."""
        embedded = is_embedded(session)
        engine = cls(lambda: session, embedded, not embedded and is_connect(session))
        engine.session = session
        return engine

    @cached_property
    def session(self) -> SparkSession:
        """The session."""
        return self._start()

    @property
    def has_started(self) -> bool:
        """Whether the session runs."""
        return "session" in self.__dict__

    @property
    def version(self) -> str:
        """The version of Spark, or of the client that the embedded engine is built for; starts nothing."""
        if self.has_started:
            return self.session.version
        return importlib.metadata.version("pyspark" if importlib.util.find_spec("py4j") else "pyspark-client")

    def hadoop_settings(self, prefix: str) -> dict[str, str]:
        """Return the settings of Spark's Hadoop under a prefix, without the prefix; empty where they are not here."""
        if self.is_embedded or self.is_remote:
            return {}
        hadoop: Any = self.session.sparkContext._jsc.hadoopConfiguration()
        found = hadoop.getPropsWithPrefix(prefix)
        return {str(name): str(found[name]) for name in found}

    def stop_jobs(self) -> None:
        """Cancel the running jobs, if the session runs; do not wait for their end."""
        if self.has_started:
            stop_jobs(self.session)


def choose_engine(settings: EngineSettings) -> tuple[str, str]:
    """Return the engine, `embedded` or `spark`, and the reason in words.

    Raises:
        ConfigError: the embedded engine is wanted and cannot be used.
    """
    problem = _problem(settings)
    if settings.engine == SPARK:
        return SPARK, "--engine spark"
    if settings.engine == EMBEDDED:
        if problem is not None:
            raise ConfigError(
                f"--engine embedded cannot be used: {problem}. Use --engine spark, or leave --engine out."
            )
        return EMBEDDED, "--engine embedded"
    wants_spark = _wish_for_spark(settings)
    if wants_spark is not None:
        return SPARK, wants_spark
    if problem is not None:
        return SPARK, problem
    return EMBEDDED, "one machine"


def _wish_for_spark(settings: EngineSettings) -> str | None:
    """Return what asks for Spark, or None."""
    if under_spark_submit():
        return "started by spark-submit"
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        return "on Databricks"
    given = {
        "--master": settings.master,
        "--remote": settings.remote,
        "--driver-memory": settings.driver_memory,
        "--spark": settings.conf,
    }
    for flag, value in given.items():
        if value:
            return flag
    active = _active_session()
    return None if active is None or is_embedded(active) else "a Spark session is active"


def _problem(settings: EngineSettings) -> str | None:
    """Return why the embedded engine cannot be used, or None."""
    if settings.place is None:
        return "the tables are in a catalog"
    if settings.remote is not None:
        return "--remote names a server of Spark Connect"
    if "://" in settings.place and not settings.place.startswith("file:"):
        return f"{settings.place.partition('://')[0]}:// is not a local folder"
    if not is_installed():
        return "its packages are not installed"
    return None


def _active_session() -> SparkSession | None:
    # The question alone would import the packages of Spark Connect, which takes half a second.
    context = sys.modules.get("pyspark.core.context")
    has_context = context is not None and context.SparkContext._active_spark_context is not None
    if not has_context and "pyspark.sql.connect.session" not in sys.modules:
        return None
    from pyspark.sql import SparkSession

    active: SparkSession | None = SparkSession.getActiveSession()
    return active


def session(memory: str | None = None) -> SparkSession:
    """Start the embedded engine in this process and return its session; without Java, on this machine.

    The session is one of Spark Connect: `createDataFrame`, `read.parquet`, `read.format("delta")` and SQL work as with
    Spark, and the verbs take its DataFrames. A second call returns the same session.

    Args:
        memory: size for all processes together, such as "8g"; None: half of the machine's memory.

    Raises:
        ConfigError: the memory is no size.
        MetaclipError: a package of the engine is missing, the memory is too small, or another Spark session is active.

    Examples:
        >>> import metaclip_spark as mc
        >>> spark = mc.session()  # doctest: +SKIP
        >>> pairs = spark.read.parquet("pairs/*.parquet")  # doctest: +SKIP
        >>> mc.curate(pairs, metadata="en", threshold=20).write.parquet("curated")  # doctest: +SKIP
    """
    active = _active_session()
    if active is not None and not is_embedded(active):
        raise MetaclipError(
            "a Spark session is active in this process, and a process has one engine. Use that session, or stop it and "
            "start the process (the kernel) again."
        )
    return embedded_session(None if memory is None else size_in_bytes(memory, "memory"))


def open_engine(settings: EngineSettings, say: Callable[[str], None]) -> Engine:
    """Return the engine of a command. One that starts a local engine does so at the first use of its session.

    Args:
        say: called with a line that says which engine it is and why, and with one at the start of the session.

    Raises:
        ConfigError: the settings do not fit the engine.
        MetaclipError: the engine cannot start.
    """
    engine, reason = choose_engine(settings)
    if engine == EMBEDDED:
        memory = None if settings.memory is None else size_in_bytes(settings.memory, "--memory")
        say(f"engine: embedded ({reason})")
        return Engine(lambda: _start_embedded(memory, say), is_embedded=True, is_remote=False)
    if settings.memory is not None:
        raise ConfigError(
            f"--memory is for the embedded engine, and this command uses Spark ({reason}). Give --driver-memory, or "
            "spark.executor.memory to the cluster."
        )
    say(f"engine: Spark ({reason})")
    if not _can_wait(settings):
        return Engine.of(_start_spark(settings, say))
    check_java()
    return Engine(lambda: _start_spark(settings, say), is_embedded=False, is_remote=False)


def _can_wait(settings: EngineSettings) -> bool:
    """Return whether Spark runs on this machine alone, and does not run yet: then its start can wait."""
    elsewhere = settings.remote is not None or under_spark_submit() or "DATABRICKS_RUNTIME_VERSION" in os.environ
    here = settings.master is None or settings.master.startswith("local")
    installed = importlib.util.find_spec("py4j") is not None and "SPARK_HOME" not in os.environ
    return here and installed and not elsewhere and _active_session() is None


def _start_embedded(memory: int | None, say: Callable[[str], None]) -> SparkSession:
    session = embedded_session(memory)
    say(f"What exceeds the memory goes to {spill_folder()}.")
    return session


def _start_spark(settings: EngineSettings, say: Callable[[str], None]) -> SparkSession:
    if settings.remote is not None:
        say(f"Connecting to {settings.remote.partition(';')[0]} ...")
    else:
        first = "" if under_spark_submit() or jars_are_cached() else " (a first start fetches Delta's JARs, 13 MB)"
        say(f"Starting Spark{first} ...")
    return get_session(
        settings.master or LOCAL_MASTER,
        settings.driver_memory,
        settings.conf,
        remote=settings.remote,
        small=settings.small,
    )
