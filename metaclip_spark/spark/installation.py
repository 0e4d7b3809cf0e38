"""Check that the installed pyspark is whole, and is the one that an engine needs (imports no pyspark)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import distributions
from pathlib import Path

from metaclip_spark.core.extras import how_to_install, pip, pip_install, requirements
from metaclip_spark.errors import MetaclipError

FULL, CLIENT = "pyspark", "pyspark-client"
"""The distributions that have the package `pyspark`: with Spark's JARs, and Spark Connect's client alone.

Both write into one folder. With one version they write the same bytes, and the full one has more files. With two
versions the one installed last overwrites files of the other, and uninstalling one deletes files of the other.
"""


@dataclass(frozen=True)
class Installation:
    """What of pyspark this Python finds.

    Attributes:
        full: Version of the distribution `pyspark`; None if it is not installed where the code is.
        client: Version of the distribution `pyspark-client`; None if it is not installed where the code is.
        code: Version of the code that an import would get; None if there is none.
        has_core: Whether the code can start a session on a JVM; the client's cannot.
    """

    full: str | None
    client: str | None
    code: str | None
    has_core: bool


def check_spark_installed(jvm: bool = False) -> None:
    """Check pyspark before it is imported.

    Args:
        jvm: A session on a JVM of this machine is wanted (a master, spark-submit), not one of Spark Connect.

    Raises:
        MetaclipError: pyspark is missing, a mixture of two versions, has lost files, or is the client alone where a
            JVM is wanted. The sentence has the command that mends it.
    """
    problem = problem_of(installation(), jvm)
    if problem is not None:
        raise MetaclipError(problem)


def installation() -> Installation:
    """Look for pyspark's code and for the distributions that it belongs to; nothing is imported."""
    spec = PathFinder.find_spec("pyspark")
    # What an uninstallation leaves is a folder without __init__.py, which Python takes for a namespace.
    if spec is None or spec.origin is None:
        return Installation(_version_of(FULL), _version_of(CLIENT), None, False)
    folder = Path(spec.origin).parent
    found = re.search(r"__version__[^=]*=\s*['\"]([^'\"]+)", _read(folder / "version.py"))
    # A cluster's pyspark lies in SPARK_HOME: what pip has installed elsewhere does not touch it.
    site = folder.parent
    return Installation(
        _version_of(FULL, site),
        _version_of(CLIENT, site),
        found[1] if found else "unknown",
        # In a zip (SPARK_HOME/python/lib/pyspark.zip) it is a cluster's.
        (folder / "core" / "context.py").is_file() or not folder.is_dir(),
    )


def problem_of(found: Installation, jvm: bool = False) -> str | None:
    """Return the sentence that says what is wrong with an installation; None if nothing is.

    Args:
        jvm: As in `check_spark_installed`.
    """
    if found.code is None and found.full is None and found.client is None:
        if jvm:
            return (
                f"pyspark is not installed. On a cluster, use the cluster's own; else type: {how_to_install('spark')}"
            )
        client = [line for line in requirements() if line.startswith(CLIENT)]
        return f"pyspark is not installed: {pip_install(*(client or [CLIENT]))}"
    if found.full and found.client and found.full != found.client:
        return (
            f"pyspark {found.full} and pyspark-client {found.client} are both installed. They share a folder, so their "
            f"files are mixed. The full one has all that is needed: {_only_full(found.full)}"
        )
    recorded = found.full or found.client
    if recorded and found.code is None:
        return (
            f"Files of {FULL if found.full else CLIENT} {recorded} are missing. pyspark and pyspark-client share a "
            f"folder, and uninstalling one deletes files of the other: {_again(found)}"
        )
    if recorded and _is_other(recorded, found.code):
        return (
            f"pyspark's files are of version {found.code}, but version {recorded} is installed. pyspark and "
            f"pyspark-client share a folder, and one has overwritten files of the other: {_again(found)}"
        )
    if found.full and not found.has_core:
        return f"Files of pyspark {found.full} are missing: {_again(found)}"
    if jvm and not found.has_core:
        version = found.client or found.code
        delta = [line for line in requirements("spark") if line.startswith("delta-spark")]
        return (
            f"Spark on this machine, or under spark-submit, needs the full pyspark, but pyspark-client {version} "
            "alone is installed. On a cluster, use the cluster's own; else type: "
            f"{pip_install(f'pyspark=={version}', *delta)}"
        )
    return None


def _again(found: Installation) -> str:
    if found.full:
        return _only_full(found.full) if found.client else pip_install(*_FORCED, f"{FULL}=={found.full}")
    return pip_install(*_FORCED, f"{CLIENT}=={found.client}")


_FORCED = ("--force-reinstall", "--no-deps")


def _only_full(version: str) -> str:
    """Return the commands that leave the full pyspark alone, whole. The client need not exist in its version."""
    return f"{pip()} uninstall -y {CLIENT} && {pip_install(*_FORCED, f'{FULL}=={version}')}"


def _is_other(recorded: str, code: str | None) -> bool:
    return code not in (None, "unknown") and code != recorded


def _version_of(name: str, site: Path | None = None) -> str | None:
    """Return the version of a distribution in a folder, or anywhere; None if it is not there."""
    for distribution in distributions(name=name):
        if site is None or Path(str(distribution.locate_file(""))).resolve() == site.resolve():
            return distribution.version
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


if __name__ == "__main__":
    import sys

    sys.exit(problem_of(installation(), jvm="--jvm" in sys.argv[1:]))
