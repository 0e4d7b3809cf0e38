"""Build Spark sessions. No other module does."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from metaclip_spark.core.extras import how_to_install
from metaclip_spark.core.secrets import secrets_in
from metaclip_spark.errors import MetaclipError
from metaclip_spark.spark.installation import check_spark_installed
from metaclip_spark.spark.jars import (
    BY_PATH,
    delta_package,
    ivy_folder,
    jar_settings,
    jars_are_cached,
    remember_jars,
)
from metaclip_spark.spark.java import archive_path, check_java, java_options, started_quietly
from metaclip_spark.spark.probe import check_workers
from metaclip_spark.spark.versions import check_installed, is_connect, minor_version

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "available_bytes",
    "check_java",
    "connect",
    "delta_package",
    "get_session",
    "is_connect",
    "ivy_folder",
    "jars_are_cached",
    "local_settings",
    "minor_version",
    "stop_jobs",
    "under_spark_submit",
]

_DELTA_CONF = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
_DEFAULTS = {
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "8192",
    # The limit in bytes is off: to enforce it, Spark sums a batch's bytes at every row, which took most of a pass.
    "spark.sql.execution.arrow.maxBytesPerBatch": "2147483647",
    "spark.sql.debug.maxToStringFields": "200",
    # As the embedded engine writes: 42% smaller than snappy, Spark's default, in key order.
    "spark.sql.parquet.compression.codec": "zstd",
    "parquet.compression.codec.zstd.level": "1",
    # Otherwise `${name}` in a statement, such as in the path of a table, is a setting or a variable of the environment.
    "spark.sql.variable.substitute": "false",
    # Otherwise each call of pyspark looks for its caller, and tells the JVM.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}
_REDACTION = {
    # Names and values: a value is hidden as a whole. By default Spark shows the keys of Azure's accounts, and urls.
    "spark.redaction.regex": (
        "(?i)secret|pass(w|phrase)|token|credential|signature|authorization|(access|api)[-_.]?key|account[.]?key"
        "|[.]sas[.]|[?&;](sig|pwd)=|://[^/?# ]*:[^/?# ]*@"
    ),
    # Parts of the plans of queries.
    "spark.redaction.string.regex": (
        "(?i)(?<=://)[^/?# ]{1,200}:[^/?# ]{1,200}(?=@)"
        "|(?<=(sig|signature|credential|token|password|secret|access_key|api_key|apikey)=)[^&;,() ]+"
    ),
}
"""What Spark itself hides in its page, its logs and its event log."""
_NAME = "metaclip-spark"
_WAREHOUSE = "spark.sql.warehouse.dir"
_CATALOG = "spark.sql.catalogImplementation"
_MASTER = "spark.master"
_READ_AT_START = ("spark.driver.", "spark.jars", "spark.submit.")
"""Settings that the JVM must know when it starts."""


def under_spark_submit() -> bool:
    """Return whether spark-submit (or a notebook's kernel) started the JVM."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def get_session(
    master: str = "local[*]",
    driver_memory: str | None = None,
    conf: Mapping[str, str] = {},
    quiet: bool = True,
    remote: str | None = None,
    small: bool = False,
) -> SparkSession:
    """Return the active session, connect to a server, or start a local session with Delta.

    Args:
        remote: a Spark Connect server, `sc://host:port/;option=value`; it provides Delta and the resources.
        master: for local sessions only; spark-submit sets the master itself.
        driver_memory: for local sessions only, e.g. "8g"; default: half of the machine's memory.
        conf: Spark settings that override the defaults.
        quiet: redirect the JVM's output from the terminal to a file, which is kept only if Spark fails.
        small: for local sessions only; see `local_settings`.

    Raises:
        MetaclipError: pyspark is not installed or too old, no supported Java is found, or Spark does not start.
        WorkerError: the Python workers lack this package, a library, or this version of Python.
    """
    spark = _session(master, driver_memory, conf, quiet, remote, small)
    check_workers(spark)
    return spark


def _session(
    master: str, driver_memory: str | None, conf: Mapping[str, str], quiet: bool, remote: str | None, small: bool
) -> SparkSession:
    check_spark_installed(jvm=remote is None)
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MetaclipError(
            f"pyspark cannot be imported ({error}). On a cluster, use the pyspark of the cluster; else type: "
            f"{how_to_install('spark')}"
        ) from error
    advice = f"Use a cluster that has it, or a newer one: {how_to_install('spark')}"
    check_installed("the pyspark here", advice)
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    if remote is not None:
        return connect(remote, {**_DEFAULTS, **conf})
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        # Databricks sets up Delta, the catalogs and the cluster. Serverless refuses most other settings.
        return SparkSession.builder.getOrCreate()
    if under_spark_submit():
        from pyspark import SparkConf, SparkContext

        SparkContext._ensure_initialized()  # type: ignore[attr-defined]  # so that the conf is that of spark-submit
        of_cluster = dict(SparkConf().getAll())
        hidden = {name: value for name, value in _REDACTION.items() if name not in of_cluster}
        settings = {**hidden, **_DEFAULTS, **_DELTA_CONF, **conf}
        with _no_warehouse_here({**of_cluster, **settings}) as folder, _own_sigint():
            builder = SparkSession.builder.appName(_NAME)
            for name, value in {**folder, **settings}.items():
                builder = builder.config(name, value)
            return builder.getOrCreate()
    check_java()
    with _no_warehouse_here(conf) as folder:
        spark = _start({**local_settings(master, driver_memory, small, conf), **folder, **conf, _MASTER: master}, quiet)
    remember_jars(filter(None, spark.sparkContext.getConf().get("spark.jars", "").split(",")), conf)
    return spark


def connect(remote: str, settings: Mapping[str, str]) -> SparkSession:
    """Connect to a Spark Connect server, and apply the settings that a session may modify.

    Raises:
        MetaclipError: no server answers, or the packages of Spark Connect are missing.
    """
    from pyspark.errors import PySparkImportError
    from pyspark.sql import SparkSession

    try:
        _check_listening(remote)
        spark = SparkSession.builder.remote(remote).getOrCreate()
        spark.version  # noqa: B018 - this asks the server
    except (ImportError, PySparkImportError) as error:
        raise MetaclipError(
            f"--remote needs the packages of Spark Connect ({str(error).splitlines()[0]}): {how_to_install('connect')}"
        ) from error
    except Exception as error:
        raise MetaclipError(
            f"No Spark Connect server answers at {remote.partition(';')[0]}: {str(error).splitlines()[0]}. Expected "
            "sc://host:port (15002 is the usual port) of a server that runs and can be reached from here."
        ) from error
    for name, value in settings.items():
        if spark.conf.isModifiable(name):
            spark.conf.set(name, value)
    return spark


def _check_listening(remote: str) -> None:
    """Raise an OSError if no server listens. The client itself would retry for ten minutes."""
    address = urlsplit(remote.partition(";")[0])
    if address.scheme != "sc" or not address.hostname:
        raise ValueError(f"{remote!r} is not a url of Spark Connect")
    socket.create_connection((address.hostname, address.port or 15002), timeout=10).close()


def local_settings(
    master: str, driver_memory: str | None, small: bool = False, conf: Mapping[str, str] = {}
) -> dict[str, str]:
    """Return the settings of a local Spark, whose Python workers run this interpreter.

    Args:
        small: the work is a few million rows at most: start the JVM with options that cost large pools time.
        conf: settings of the user, which will be added to these.
    """
    # By default, workers run the python3 on PATH, where this package may not be installed.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    if master.startswith("local-cluster"):
        import pyspark

        os.environ.setdefault("SPARK_HOME", str(Path(pyspark.__file__).parent))
    jars = jar_settings(master == "local" or master.startswith("local["), conf)
    options = java_options(small, archive_path(jars.get(BY_PATH)))
    return {
        "spark.driver.memory": driver_memory or f"{max(1, _memory_gib() // 2)}g",
        "spark.ui.enabled": "false",
        **_REDACTION,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        **jars,
        **({"spark.driver.extraJavaOptions": options} if options else {}),
        "spark.sql.shuffle.partitions": str(4 * (os.cpu_count() or 1)),
        "spark.databricks.delta.snapshotPartitions": "2",
        **_DEFAULTS,
        **_DELTA_CONF,
    }


def _memory_gib() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    except (ValueError, OSError, AttributeError):
        return 4


def available_bytes() -> int | None:
    """Return the free memory of this machine in bytes, or None if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _start(settings: Mapping[str, str], quiet: bool) -> SparkSession:
    """Start a JVM, which has secrets of the settings in its memory only: others can see its command line."""

    def start() -> SparkSession:
        from pyspark import SparkConf, SparkContext
        from pyspark.sql import SparkSession

        of_session = {name for name, value in settings.items() if any(secrets_in(value, name))}
        of_session = {name for name in of_session if not name.startswith(_READ_AT_START)}
        on_command_line = [(name, value) for name, value in settings.items() if name not in of_session]
        builder = SparkSession.builder.appName(_NAME)
        for name, value in settings.items():
            builder = builder.config(name, value)
        with _own_sigint():
            context: Any = SparkContext  # pyspark's types know no gateway
            context._ensure_initialized(conf=SparkConf().setAll([("spark.app.name", _NAME), *on_command_line]))
            return builder.getOrCreate()

    try:
        spark = started_quietly(start) if quiet else start()
    except MetaclipError:
        raise
    except Exception as error:
        raise MetaclipError(f"Spark did not start: {str(error).partition(chr(10))[0]}") from error
    spark.sparkContext.setLogLevel("ERROR" if quiet else "WARN")
    if quiet:
        # pyspark logs every failed analysis with a Java trace, even that of a check whether a table exists.
        logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    return spark


@contextlib.contextmanager
def _no_warehouse_here(conf: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Keep Spark from creating the folder spark-warehouse in the working directory.

    Yields the setting that names an empty temporary folder instead; nothing where the user names a folder, or has a
    catalog that outlives the session. The body starts the session. The folder is deleted when the JVM ends, if it is
    empty then: tables that the user put there stay.
    """
    if _WAREHOUSE in conf or conf.get(_CATALOG, "in-memory") != "in-memory":
        yield {}
        return
    folder = tempfile.mkdtemp(prefix="metaclip-catalog-")
    atexit.register(_remove_if_empty, folder)
    try:
        yield {_WAREHOUSE: folder}
    except BaseException:
        _remove_if_empty(folder)
        raise
    _delete_with_jvm(folder)


def _delete_with_jvm(folder: str) -> None:
    """Let the JVM delete an empty folder: it also ends where this process is killed."""
    from pyspark import SparkContext

    jvm: Any = SparkContext._jvm
    jvm.java.io.File(folder).deleteOnExit()


def _remove_if_empty(folder: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def stop_jobs(spark: SparkSession) -> None:
    """Cancel the running jobs of a session, as far as it can be reached; do not wait for their end."""
    with contextlib.suppress(Exception):
        if is_connect(spark):
            spark.interruptAll()
        else:
            spark.sparkContext.cancelAllJobs()


@contextlib.contextmanager
def _own_sigint() -> Iterator[None]:
    """Keep the program's handler of SIGINT, if it has one. A SparkContext replaces it."""
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if in_main else signal.default_int_handler
    try:
        yield
    finally:
        if before not in (signal.default_int_handler, None):
            signal.signal(signal.SIGINT, before)
