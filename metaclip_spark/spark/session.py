"""Build Spark sessions. No other module does."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from metaclip_spark.errors import MetaclipError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DELTA_PACKAGES = {
    "4.0": "io.delta:delta-spark_2.13:4.0.1",
    "4.1": "io.delta:delta-spark_4.1_2.13:4.2.0",
    "4.2": "io.delta:delta-spark_4.2_2.13:4.4.0",
}
"""Spark release -> Maven coordinate of the Delta release that is built for it."""

# Spark itself provides these dependencies of Delta. They are 50 of 87 MB, and other versions of Spark's own classes.
_PROVIDED_BY_SPARK = (
    "org.apache.hadoop:hadoop-client-api",
    "org.apache.hadoop:hadoop-client-runtime",
    "com.fasterxml.jackson.core:jackson-databind",
    "com.fasterxml.jackson.core:jackson-core",
    "com.fasterxml.jackson.core:jackson-annotations",
    "com.fasterxml.jackson.datatype:jackson-datatype-jdk8",
    "com.github.luben:zstd-jni",
    "com.google.code.findbugs:jsr305",
    "commons-pool:commons-pool",
    "io.airlift:aircompressor",
    "javax.annotation:javax.annotation-api",
    "org.antlr:antlr4-runtime",
    "org.apache.logging.log4j:log4j-api",
    "org.apache.logging.log4j:log4j-core",
    "org.apache.logging.log4j:log4j-slf4j2-impl",
    "org.apache.parquet:parquet-column",
    "org.apache.parquet:parquet-common",
    "org.apache.parquet:parquet-encoding",
    "org.apache.parquet:parquet-format-structures",
    "org.apache.parquet:parquet-hadoop",
    "org.apache.parquet:parquet-jackson",
    "org.roaringbitmap:RoaringBitmap",
    "org.roaringbitmap:shims",
    "org.slf4j:slf4j-api",
    "org.xerial.snappy:snappy-java",
)

SUPPORTED_JAVA = (17, 21)
_JAVA_HINT = (
    "Install one (Debian/Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17) "
    "or point JAVA_HOME to it."
)

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
}


def under_spark_submit() -> bool:
    """Return whether spark-submit (or a notebook's kernel) started the JVM."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def is_connect(spark: SparkSession) -> bool:
    """Return whether a session uses Spark Connect: it has no SparkContext, no broadcast variables and no local JVM."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


def minor_version(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version, which compare as numbers.

    >>> minor_version("4.10") > minor_version("4.9.1"), minor_version("4.1.0.dev0")
    (True, (4, 1))
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise MetaclipError(f"pyspark has the version {version}; expected one such as 4.1.2.")
    return int(found[1]), int(found[2])


def get_session(
    master: str = "local[*]",
    driver_memory: str | None = None,
    conf: Mapping[str, str] = {},
    quiet: bool = True,
    remote: str | None = None,
) -> SparkSession:
    """Return the active session, connect to a server, or start a local session with Delta.

    Args:
        remote: a Spark Connect server, `sc://host:port/;option=value`; it provides Delta and the resources.
        master: for local sessions only; spark-submit sets the master itself.
        driver_memory: for local sessions only, e.g. "8g"; default: half of the machine's memory.
        conf: Spark settings that override the defaults.
        quiet: redirect the JVM's output from the terminal to a file.

    Raises:
        MetaclipError: pyspark is not installed, no supported Java is found, or Spark does not start.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MetaclipError(
            f"pyspark cannot be imported ({error}). Install it with: pip install 'metaclip-spark[spark]'; on a "
            "cluster, use the pyspark of the cluster."
        ) from error
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    if remote is not None:
        return connect(remote, {**_DEFAULTS, **conf})
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        # Databricks sets up Delta, the catalogs and the cluster. Serverless refuses most other settings.
        return SparkSession.builder.getOrCreate()
    builder = SparkSession.builder.appName("metaclip-spark")
    settings = {**_DEFAULTS, **_DELTA_CONF, **conf}
    if under_spark_submit():
        for name, value in settings.items():
            builder = builder.config(name, value)
        with _own_sigint():
            return builder.getOrCreate()
    check_java()
    for name, value in {**local_settings(master, driver_memory), **conf}.items():
        builder = builder.config(name, value)
    return _start(builder.master(master), quiet)


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
            f"--remote needs the packages of Spark Connect ({str(error).splitlines()[0]}): "
            "pip install 'metaclip-spark[connect]'."
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


def local_settings(master: str, driver_memory: str | None) -> dict[str, str]:
    """Return the settings of a local Spark, whose Python workers run this interpreter."""
    # By default, workers run the python3 on PATH, where this package may not be installed.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    if master.startswith("local-cluster"):
        import pyspark

        os.environ.setdefault("SPARK_HOME", str(Path(pyspark.__file__).parent))
    return {
        "spark.driver.memory": driver_memory or f"{max(1, _memory_gib() // 2)}g",
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.jars.packages": delta_package(),
        "spark.jars.excludes": ",".join(_PROVIDED_BY_SPARK),
        # These settings name only Maven Central. By default, Spark also asks a repository that has none of these JARs.
        "spark.jars.ivySettings": str(resources.files("metaclip_spark.spark") / "ivysettings.xml"),
        "spark.jars.ivy": ivy_folder(),
        "spark.sql.shuffle.partitions": str(4 * (os.cpu_count() or 1)),
        "spark.databricks.delta.snapshotPartitions": "2",
        **_DEFAULTS,
        **_DELTA_CONF,
    }


def ivy_folder() -> str:
    """Return the cache folder of the JARs: METACLIP_IVY, or .ivy2 in the home folder or the temporary folder."""
    home = os.environ.get("HOME", "")
    usable = bool(home) and os.path.isdir(home) and os.access(home, os.W_OK)
    where = os.path.join(home if usable else tempfile.gettempdir(), ".ivy2")
    return os.environ.get("METACLIP_IVY") or where


def jars_are_cached() -> bool:
    """Return whether the cache has Delta's JARs."""
    return any(Path(ivy_folder(), "jars").glob("io.delta_*.jar"))


def delta_package() -> str:
    """Return the Maven coordinate of the Delta release for the installed Spark."""
    import pyspark

    minor = ".".join(str(part) for part in minor_version(pyspark.__version__))
    if minor not in DELTA_PACKAGES:
        known = ", ".join(DELTA_PACKAGES)
        raise MetaclipError(f"pyspark {pyspark.__version__} is not supported; expected one of {known}.")
    return DELTA_PACKAGES[minor]


def check_java() -> None:
    """Check that Java is installed in a version that Spark supports.

    Raises:
        MetaclipError: Java is missing, or has another version.
    """
    home = os.environ.get("JAVA_HOME")
    java = os.path.join(home, "bin", "java") if home else shutil.which("java")
    if not java or not os.access(java, os.X_OK):
        where = f"JAVA_HOME={home} has no bin/java" if home else "no java is on PATH"
        raise MetaclipError(f"Spark needs Java 17 or 21, and {where}. {_JAVA_HINT}")
    output = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', output)
    version = int(found.group(1)) if found else 0
    if version not in SUPPORTED_JAVA:
        raise MetaclipError(f"Spark needs Java 17 or 21, got {version or output[:80]!r} at {java}. {_JAVA_HINT}")


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


def _start(builder: SparkSession.Builder, quiet: bool) -> SparkSession:
    log = Path(tempfile.gettempdir()) / f"metaclip-spark-{os.getpid()}.log"
    try:
        with _own_sigint(), _output_to(log) if quiet else contextlib.nullcontext():
            spark = builder.getOrCreate()
    except Exception as error:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if quiet and log.exists() else ""
        problem = str(error).splitlines()[0]
        raise MetaclipError(
            f"Spark did not start: {problem}\n{tail}\nThe log is in {log}. The first start downloads Delta's "
            "JARs from Maven Central, unless they are cached (METACLIP_IVY)."
        ) from error
    spark.sparkContext.setLogLevel("ERROR" if quiet else "WARN")
    if quiet:
        # pyspark logs every failed analysis with a Java trace, even that of a check whether a table exists.
        logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    return spark


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


@contextlib.contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Redirect file descriptors 1 and 2 to a file. A JVM that starts meanwhile inherits them."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    try:
        with open(log, "ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        yield
    finally:
        for number, original in zip((1, 2), saved, strict=True):
            os.dup2(original, number)
            os.close(original)
