"""What a list is worth on a sample of texts: how much matches, and how unevenly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from metaclip_spark.core.text import clean_text
from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.files import byte_lines
from metaclip_spark.metadata.load import Metadata

HEAD_SHARE = 0.032
"""The paper's share of entries in the head: 16,000 of 500,000 (count over 20,000 in 1.6 billion matched pairs)."""
CURVE = (0.0001, 0.001, 0.01, HEAD_SHARE, 0.1)
TOP = 20


@dataclass(frozen=True)
class Coverage:
    """A list on a sample of texts.

    Attributes:
        texts: How many texts there are.
        matched: How many match any entry.
        matches: All matches; each entry at most once a text.
        unmatched_entries: Entries that no text matches.
        curve: Of the commonest share of entries: (share of entries, share of all matches).
        top: The commonest entries and their counts.
        per_text: Matches of each text, int32, shape (texts,).
        counts: Entry counts, int64, shape (entries,).
    """

    texts: int
    matched: int
    matches: int
    unmatched_entries: int
    curve: list[tuple[float, float]]
    top: list[tuple[str, int]]
    per_text: np.ndarray = field(repr=False)
    counts: np.ndarray = field(repr=False)

    @property
    def matched_share(self) -> float:
        """Share of texts that match any entry."""
        return self.matched / self.texts

    @property
    def matches_per_text(self) -> float:
        """Matches per matched text."""
        return self.matches / max(self.matched, 1)


def measure_coverage(metadata: Metadata, texts: Sequence[str]) -> Coverage:
    """Matches a sample of texts.

    Args:
        metadata: The list.
        texts: Clean texts, each counted as it stands (repeats count again).
    """
    from metaclip_spark.matchers import compile_matcher

    found = compile_matcher(metadata).match(pa.array(texts, pa.string()))
    counts = np.bincount(found.ids, minlength=len(metadata.entries))
    order = np.argsort(-counts, kind="stable")
    held = np.concatenate([[0], np.cumsum(counts[order])]) / max(len(found.ids), 1)
    return Coverage(
        texts=len(texts),
        matched=int((found.counts > 0).sum()),
        matches=len(found.ids),
        unmatched_entries=int((counts == 0).sum()),
        curve=[(share, float(held[round(share * len(counts))])) for share in CURVE],
        top=[(metadata.entries[at], int(counts[at])) for at in order[:TOP] if counts[at]],
        per_text=found.counts,
        counts=counts,
    )


def read_texts(path: Path, column: str = "text") -> list[str]:
    """Reads a sample of texts, cleaned as `run` does; empty ones are left out.

    Args:
        path: `.txt[.gz]` with one text a line, or `.parquet .tsv[.gz] .csv[.gz] .jsonl[.gz]`.
        column: The column that holds them, by name or (without a header line) by position.

    Raises:
        MetadataError: The file cannot be read, or holds no text.
    """
    path = Path(path)
    if not path.is_file():
        raise MetadataError(f"{path}: no such file, expected a sample of texts; check --texts.")
    name = path.name.lower()
    raw = _lines(path) if name.endswith((".txt", ".txt.gz")) else _column(path, column)
    texts = [text for text in map(clean_text, raw) if text]
    if not texts:
        raise MetadataError(f"{path}: holds no text, expected at least one; check --texts and --text-column.")
    return texts


def _lines(path: Path) -> list[str]:
    return [line.decode(errors="replace") for line in byte_lines(path)]


def _column(path: Path, column: str) -> list[str]:
    # Imported here: extraction imports the lists.
    from metaclip_spark.candidates.ledger import Ledger
    from metaclip_spark.candidates.options import ExtractOptions
    from metaclip_spark.errors import DamagedSourceError
    from metaclip_spark.extract.tabular.columns import read_columns
    from metaclip_spark.sources.files import find_sources, splits_of

    options = ExtractOptions(url_column=column, text_column=column)
    texts: list[str] = []
    try:
        for split in splits_of(find_sources([str(path)])):
            if split.source.format in ("wat", "warc"):
                raise DamagedSourceError(f"is {split.source.format.upper()}, expected a table or one text a line")
            for _, columns in read_columns(split, options, Ledger(0)):
                values = (value for value in columns[column].to_pylist() if value is not None)
                texts += [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values]
    except (DamagedSourceError, OSError, EOFError, pa.ArrowException) as error:
        raise MetadataError(f"{path}: {error}; check --texts and --text-column.") from error
    return texts
