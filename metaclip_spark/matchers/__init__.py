"""The matching engines behind one small interface, and the choice between them.

Every engine returns the ids that the naive substring scan returns, on every input; a new one is added to
`ENGINES` and inherits the whole table of cases.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec

from metaclip_spark.errors import ConfigError
from metaclip_spark.matchers.base import Matcher, Matches
from metaclip_spark.metadata import Metadata

__all__ = ["ENGINES", "Matcher", "Matches", "compile_matcher"]


def _phrases(metadata: Metadata) -> Matcher:
    from metaclip_spark.matchers.phrases import PhraseMatcher

    return PhraseMatcher.of(metadata)


def _ahocorasick(metadata: Metadata) -> Matcher:
    from metaclip_spark.matchers.ahocorasick import AhocorasickMatcher

    return AhocorasickMatcher(metadata)


def _naive(metadata: Metadata) -> Matcher:
    from metaclip_spark.matchers.naive import NaiveMatcher

    return NaiveMatcher(metadata)


ENGINES: dict[str, Callable[[Metadata], Matcher]] = {
    "phrases": _phrases,
    "ahocorasick": _ahocorasick,
    "naive": _naive,
}
"""What compiles a list for an engine, the fastest first; an engine is imported when it is asked for."""


def compile_matcher(metadata: Metadata, engine: str = "auto") -> Matcher:
    """Compile an entry list for one engine; `auto` takes the fastest that is installed."""
    name = _fastest() if engine == "auto" else engine
    if name not in ENGINES:
        known = ", ".join(["auto", *ENGINES])
        raise ConfigError(f"matcher must be one of {known}, got {engine!r}.")
    return ENGINES[name](metadata)


def _fastest() -> str:
    if find_spec("numba") is not None:
        return "phrases"
    warnings.warn(
        "numba is not installed: texts are matched by pyahocorasick, which takes many times as long "
        "(pip install numba).",
        stacklevel=3,
    )
    return "ahocorasick"
