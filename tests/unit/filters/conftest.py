"""Fixtures for the tests of filters: candidates of a few texts, and modules that a test writes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from metaclip_spark.candidates.batch import Candidates


@pytest.fixture
def batch() -> Callable[..., Candidates]:
    """Build candidates of these texts: `batch(["a cat"], url=[...], page_url=[...])`."""

    def build(texts: list[str], **columns: list) -> Candidates:
        urls = columns.pop("url", [f"http://ex.org/{at}.jpg" for at in range(len(texts))])
        extra = columns.pop("extra", None)
        return Candidates(
            url=pa.array(urls, pa.string()),
            text=pa.array(texts, pa.string()),
            text_source=pa.array(["alt"] * len(texts), pa.string()),
            position=pa.array(range(len(texts)), pa.int64()),
            extra=None if extra is None else pa.array(extra, pa.map_(pa.string(), pa.string())),
            **{name: pa.array(values, pa.string()) for name, values in columns.items()},
        )

    return build


@pytest.fixture
def module(tmp_path, monkeypatch) -> Iterator[Callable[[str, str], None]]:
    """Write an importable module, or replace it: `module("my_filters", source)`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    written = set()

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        sys.modules.pop(name, None)
        written.add(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)
