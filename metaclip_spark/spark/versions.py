"""Which Spark a session is, and whether its version is supported."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from metaclip_spark.errors import MetaclipError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST = (4, 0)
"""The oldest Spark that is supported."""


def is_connect(spark: SparkSession) -> bool:
    """Return whether a session uses Spark Connect: it has no SparkContext, no broadcast variables and no local JVM."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


def minor_version(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version, which compare as numbers.

    Raises:
        MetaclipError: the text does not begin with two numbers.

    >>> minor_version("4.10") > minor_version("4.9.1"), minor_version("4.1.0.dev0")
    (True, (4, 1))
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise MetaclipError(f"pyspark has the version {version}; expected one such as 4.1.2.")
    return int(found[1]), int(found[2])


def check_version(version: str, whose: str, advice: str) -> None:
    """Check that a Spark is new enough.

    Args:
        version: the version of pyspark or of a server.
        whose: what has this version, such as `pyspark here`.
        advice: a sentence that says what to do with an older one.

    Raises:
        MetaclipError: the version is older than `OLDEST`.
    """
    if minor_version(version) < OLDEST:
        raise MetaclipError(f"Spark {OLDEST[0]}.{OLDEST[1]} or newer is needed, and {whose} is {version}. {advice}")


def check_installed(whose: str, advice: str) -> None:
    """Check that the installed pyspark is new enough; see `check_version`.

    Raises:
        MetaclipError: it is older than `OLDEST`.
    """
    import pyspark

    check_version(pyspark.__version__, whose, advice)
