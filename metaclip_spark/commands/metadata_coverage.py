"""Measure the coverage of a list on a sample of texts: how many texts match, and how uneven the entry counts are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.text import clean_text
from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.files import byte_lines
from metaclip_spark.metadata.load import Metadata

HEAD_SHARE = 0.032
"""The paper's share of entries in the head: 16,000 of 500,000 have a count over 20,000 in 1.6 billion matched pairs."""
CURVE = (0.0001, 0.001, 0.01, HEAD_SHARE, 0.1)
TOP = 20


@dataclass(frozen=True)
class Coverage:
    """The coverage of a list on a sample of texts.

    Attributes:
        texts: Number of texts.
        matched: Number of texts that match any entry.
        matches: Number of matches; each entry counts at most once per text.
        unmatched_entries: Number of entries that match no text.
        curve: (share of entries, their share of all matches), where the entries are the most frequent ones.
        top: The most frequent entries and their counts.
        per_text: Number of matches of each text, int32, shape (texts,).
        counts: Entry counts, int64, shape (entries,).
    """

    texts: int
    matched: int
    matches: int
    unmatched_entries: int
    curve: list[tuple[float, float]]
    top: list[tuple[str, int]]
    per_text: npt.NDArray[np.int32] = field(repr=False)
    counts: npt.NDArray[np.int64] = field(repr=False)

    @property
    def matched_share(self) -> float:
        """The share of texts that match any entry."""
        return self.matched / self.texts

    @property
    def matches_per_text(self) -> float:
        """The number of matches per matched text."""
        return self.matches / max(self.matched, 1)


def measure_coverage(metadata: Metadata, texts: Sequence[str]) -> Coverage:
    """Measure the coverage of a list on a sample of texts.

    Args:
        metadata: The list.
        texts: Clean texts; a repeated text counts each time.
    """
    from metaclip_spark.matchers import compile_matcher

    matches = compile_matcher(metadata).match(pa.array(texts, pa.string()))
    counts = np.bincount(matches.ids, minlength=len(metadata.entries))
    order = np.argsort(-counts, kind="stable")
    cumulative = np.concatenate([[0], np.cumsum(counts[order])]) / max(len(matches.ids), 1)
    return Coverage(
        texts=len(texts),
        matched=int((matches.counts > 0).sum()),
        matches=len(matches.ids),
        unmatched_entries=int((counts == 0).sum()),
        curve=[(share, float(cumulative[round(share * len(counts))])) for share in CURVE],
        top=[(metadata.entries[at], int(counts[at])) for at in order[:TOP] if counts[at]],
        per_text=matches.counts,
        counts=counts,
    )


def read_texts(path: Path, column: str = "text") -> list[str]:
    """Read a sample of texts, and clean them as `run` does. Empty texts are skipped.

    Args:
        path: `.txt[.gz]` with one text per line, or `.parquet .tsv[.gz] .csv[.gz] .jsonl[.gz]`.
        column: The column with the texts, by name or, in a file without a header line, by position.

    Raises:
        MetadataError: The file cannot be read, or contains no text.
    """
    path = Path(path)
    if not path.is_file():
        raise MetadataError(f"{path}: no such file, expected a sample of texts; check --texts.")
    name = path.name.lower()
    raw = _lines(path) if name.endswith((".txt", ".txt.gz")) else _column(path, column)
    texts = [text for text in map(clean_text, raw) if text]
    if not texts:
        raise MetadataError(f"{path}: contains no text, expected at least one; check --texts and --text-column.")
    return texts


def _lines(path: Path) -> list[str]:
    return [line.decode(errors="replace") for line in byte_lines(path)]


def _column(path: Path, column: str) -> list[str]:
    # Imported here: the extract package imports the metadata package.
    from metaclip_spark.candidates.ledger import Ledger
    from metaclip_spark.candidates.options import ExtractOptions
    from metaclip_spark.errors import DamagedSourceError
    from metaclip_spark.extract.tabular.reader import read_columns
    from metaclip_spark.sources.files import find_sources, splits_of

    options = ExtractOptions(url_column=column, text_column=column)
    texts: list[str] = []
    try:
        for split in splits_of(find_sources([str(path)])):
            if split.source.format in ("wat", "warc"):
                raise DamagedSourceError(f"is {split.source.format.upper()}, expected a table or one text per line")
            for _, columns in read_columns(split, options, Ledger(0)):
                (values,) = columns.values()  # one column is read: the one of that name, or of a known name
                texts += [
                    v.decode(errors="replace") if isinstance(v, bytes) else str(v)
                    for v in values.to_pylist()
                    if v is not None
                ]
    except (DamagedSourceError, OSError, EOFError, pa.ArrowException) as error:
        raise MetadataError(f"{path}: {error}; check --texts and --text-column.") from error
    return texts
