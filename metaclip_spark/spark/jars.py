"""Delta's JARs: the release for each Spark, the cache, and how a session on this machine gets them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from urllib.parse import unquote, urlsplit

from metaclip_spark.errors import MetaclipError
from metaclip_spark.spark.versions import minor_version

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
BY_PATH = "spark.driver.extraClassPath"
"""The setting that names JARs which are on this machine."""


def jar_settings(in_one_process: bool, conf: Mapping[str, str] = {}) -> dict[str, str]:
    """Return the settings that bring Delta's JARs into a session.

    JARs that an earlier start fetched are named by their paths, because Spark takes a second to resolve packages, and
    copies what it resolved. Otherwise Spark fetches the packages.

    Args:
        in_one_process: driver and executors are one JVM, whose class path can name the JARs.
        conf: settings of the user. JARs of the user's own need Spark's way.

    Raises:
        MetaclipError: there is no Delta for the installed Spark.
    """
    package = delta_package()
    if in_one_process and not _names_jars(conf):
        paths = _remembered(package)
        if paths:
            return {BY_PATH: os.pathsep.join(paths)}
    return {
        "spark.jars.packages": package,
        "spark.jars.excludes": ",".join(_PROVIDED_BY_SPARK),
        # These settings name only Maven Central. By default, Spark also asks a repository that has none of these JARs.
        "spark.jars.ivySettings": str(resources.files("metaclip_spark.spark") / "ivysettings.xml"),
        "spark.jars.ivy": ivy_folder(),
    }


def remember_jars(uris: Iterable[str], conf: Mapping[str, str]) -> None:
    """Note which JARs Spark fetched for Delta, for the next start. Where that fails, Spark resolves them again.

    Args:
        uris: the JARs of a session that was started with `jar_settings`.
        conf: settings of the user.
    """
    if _names_jars(conf):
        return
    paths = [Path(unquote(urlsplit(uri).path)) for uri in uris]
    folder = Path(ivy_folder(), "jars").absolute()
    if not paths or any(path.parent != folder for path in paths):
        return
    note = _note(delta_package())
    with contextlib.suppress(OSError):
        partial = note.with_suffix(f".{os.getpid()}")
        partial.write_text("".join(f"{path.stat().st_size} {path.name}\n" for path in sorted(paths)), encoding="utf-8")
        os.replace(partial, note)


def _remembered(package: str) -> list[str]:
    """Return the paths of the JARs of a package that are in the cache, whole; empty if one is missing."""
    paths = []
    try:
        for line in _note(package).read_text(encoding="utf-8").splitlines():
            size, _, name = line.partition(" ")
            path = Path(ivy_folder(), "jars", name).absolute()
            if path.stat().st_size != int(size) or any(sign in str(path) for sign in (os.pathsep, "*")):
                return []
            paths.append(str(path))
    except (OSError, ValueError):
        return []
    return paths


def _note(package: str) -> Path:
    return Path(ivy_folder(), "jars", f"{package.replace(':', '_')}.metaclip")


def _names_jars(conf: Mapping[str, str]) -> bool:
    """Return whether the user's settings, or the configuration of the user's Spark, may name JARs."""
    home = os.environ.get("SPARK_HOME")
    folder = os.environ.get("SPARK_CONF_DIR") or (os.path.join(home, "conf") if home else None)
    if folder is not None and os.path.exists(os.path.join(folder, "spark-defaults.conf")):
        return True
    return any(name.startswith("spark.jars") or name.endswith("extraClassPath") for name in conf)


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
    """Return the Maven coordinate of the Delta release for the installed Spark.

    Raises:
        MetaclipError: no release is known for this Spark.
    """
    import pyspark

    minor = ".".join(str(part) for part in minor_version(pyspark.__version__))
    if minor not in DELTA_PACKAGES:
        known = ", ".join(DELTA_PACKAGES)
        raise MetaclipError(f"pyspark {pyspark.__version__} is not supported; expected one of {known}.")
    return DELTA_PACKAGES[minor]
