"""The matching engines behind one interface, and the choice between them.

On every input, every engine returns the ids of the naive substring scan. A new engine is added to `ENGINES`, and
inherits the tests of the whole table of cases.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec

from metaclip_spark.core.extras import how_to_install_package
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
"""Functions that compile a list for an engine, fastest engine first. An engine is imported on first use."""


def compile_matcher(metadata: Metadata, engine: str = "auto") -> Matcher:
    """Compile an entry list for an engine.

    Args:
        metadata: the entry list.
        engine: a name of `ENGINES`, or "auto" for the fastest engine that is installed.

    Raises:
        ConfigError: the engine is unknown, or the metadata is of the lists of languages.
    """
    if not metadata.sections.is_one:
        raise ConfigError("one entry list is expected here, got the lists of many languages.")
    name = _fastest() if engine == "auto" else engine
    if name not in ENGINES:
        known = ", ".join(["auto", *ENGINES])
        raise ConfigError(f"matcher must be one of {known}, got {engine!r}.")
    return ENGINES[name](metadata)


def _fastest() -> str:
    if find_spec("numba") is not None:
        return "phrases"
    warnings.warn(
        "numba is not installed: pyahocorasick matches the texts, which takes many times as long "
        f"({how_to_install_package('numba')}).",
        stacklevel=3,
    )
    return "ahocorasick"
