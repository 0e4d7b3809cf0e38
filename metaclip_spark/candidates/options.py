"""The typed parameters of extraction: what decides which rows leave a source."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from metaclip_spark.core.hashing.digest import digest_of

DEFAULT_TEXT_FIELDS = ("alt", "title", "data-image-title")
TEXT_FIELDS = (*DEFAULT_TEXT_FIELDS, "aria-label", "figcaption", "og:title")
"""Where a page's texts about an image stand; a WAT holds only alt, title and og:title."""

DEFAULT_OPT_OUTS = ("noai", "noimageai", "tdm")
OPT_OUTS = (*DEFAULT_OPT_OUTS, "noindex", "noimageindex")
"""What a page can say against the use of its texts and images; each is the reject reason too."""


@dataclass(frozen=True)
class ExtractOptions:
    """How sources become pairs.

    Attributes:
        url_column, text_column, lang_column, id_column, keep_columns: columns of tabular input.
        languages: keep only texts in these languages, named by the input or identified; empty keeps all.
        text_fields: which texts of a page's images are taken, of `TEXT_FIELDS`.
        opt_outs: which opt-outs of a page are honoured, of `OPT_OUTS`.
        min_chars, max_chars, min_words, max_words: length of a text; 0 is no limit.
        no_file_names, no_digits: leave out texts that look like file names, or have digits but no letters.
        image_extensions: keep only images whose url ends in one of these, e.g. ("jpg", "png"); empty keeps all.
        blocklist: id (content hash) of the list of blocked domains, or None.
        filters: the user's own filters, as "package:function@content hash".
        identifier: name and version of the language identifier, or None: languages are not identified.
        min_lang_score: a language identified with a lower score is unknown.
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
    text_fields: tuple[str, ...] = DEFAULT_TEXT_FIELDS
    opt_outs: tuple[str, ...] = DEFAULT_OPT_OUTS
    min_chars: int = 0
    max_chars: int = 0
    min_words: int = 0
    max_words: int = 0
    no_file_names: bool = False
    no_digits: bool = False
    image_extensions: tuple[str, ...] = ()
    blocklist: str | None = None
    filters: tuple[str, ...] = ()
    identifier: str | None = None
    min_lang_score: float = 0.0
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
