"""The typed parameters of extraction: what decides which rows leave a source."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from metaclip_spark.hashing import digest_of


@dataclass(frozen=True)
class ExtractOptions:
    """How sources become pairs.

    Attributes:
        url_column, text_column, lang_column, id_column, keep_columns: columns of tabular input.
        languages: keep only texts whose language column holds one of these; empty keeps all.
        keep_unmatched: keep texts that match nothing.
        dedup: drop repeats of (url, text) inside a source.
        sample_cap: rejects kept as rows, per source and reason (all are counted); not part of `extract_id`.
    """

    url_column: str = "url"
    text_column: str = "text"
    lang_column: str | None = None
    id_column: str | None = None
    keep_columns: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    keep_unmatched: bool = False
    dedup: bool = True
    sample_cap: int = 10

    @property
    def columns(self) -> list[str]:
        """The wanted columns of a tabular source, each once."""
        named = [self.url_column, self.text_column, self.lang_column, self.id_column, *self.keep_columns]
        return list(dict.fromkeys(name for name in named if name))

    @property
    def by_position(self) -> bool:
        """Whether the columns are named by position, as in a file without a header line."""
        return all(name.isdigit() for name in self.columns)

    @property
    def extract_id(self) -> str:
        """Hash of every setting that decides which rows leave a source."""
        settings = asdict(self)
        settings.pop("sample_cap")
        return digest_of(settings)
