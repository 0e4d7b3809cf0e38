"""The matching engines behind one small interface, and the choice between them.

Every engine returns the ids that the naive substring scan returns, on every input; a new one is added to
`ENGINES` and inherits the whole table of cases.
"""

from __future__ import annotations

from metaclip_spark.errors import ConfigError
from metaclip_spark.matchers.ahocorasick import AhocorasickMatcher
from metaclip_spark.matchers.base import Matcher, Matches
from metaclip_spark.matchers.naive import NaiveMatcher
from metaclip_spark.metadata import Metadata

__all__ = ["ENGINES", "Matcher", "Matches", "compile_matcher"]

ENGINES: dict[str, type] = {"ahocorasick": AhocorasickMatcher, "naive": NaiveMatcher}


def compile_matcher(metadata: Metadata, engine: str = "auto") -> Matcher:
    """Compile an entry list for one engine; `auto` takes the fastest that is installed."""
    name = "ahocorasick" if engine == "auto" else engine
    if name not in ENGINES:
        known = ", ".join(["auto", *ENGINES])
        raise ConfigError(f"matcher must be one of {known}, got {engine!r}.")
    return ENGINES[name](metadata)
