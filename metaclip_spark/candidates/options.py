"""The typed parameters of extraction."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from metaclip_spark.core.hashing.digest import digest_of

DEFAULT_TEXT_FIELDS = ("alt", "title", "data-image-title")
TEXT_FIELDS = (*DEFAULT_TEXT_FIELDS, "aria-label", "figcaption", "og:title")
"""The places of a page that have texts of an image. A WAT has only alt, title and og:title."""

ROBOTS_FOR = ("page", "image", "both")
"""Whose host's robots.txt decides about a text."""

DEFAULT_OPT_OUTS = ("noai", "noimageai", "tdm", "noml", "content-usage", "content-signal")
OPT_OUTS = (*DEFAULT_OPT_OUTS, "noindex", "noimageindex")
"""The opt-outs of a page from the use of its texts and images. Each is also the reason of its rejects."""


TEXT_CAP = 16_384
"""Maximum length of a text in characters: the longest of 158,000 real captions and alt texts has 3,385."""
LINK_CAP = 20_000
"""Maximum number of image links with a text that are read from one page."""
QUOTINGS = ("auto", "none", "double", "backslash")
"""The ways to read quotation marks in TSV and CSV; see `extract/tabular/delimited.py`."""
DROP, MASK = PII_MODES = ("drop", "mask")
"""What happens to texts with personal data."""
PII_RULES = 1
"""The version of the rules by which personal data is found: another one makes another pool."""
_LATER = {
    "text_cap": TEXT_CAP,
    "link_cap": LINK_CAP,
    "quoting": "auto",
    "unsure": None,
    "robots": None,
    "robots_for": "page",
    "pii": None,
}
"""Options of later releases with their defaults, which change no `extract_id` of earlier ones."""


@dataclass(frozen=True)
class ExtractOptions:
    """The parameters that decide which rows leave a source.

    `Settings.extract_options` makes them from the settings of the same names.

    Attributes:
        url_column, text_column, lang_column, id_column, keep_columns: columns of tabular input.
        languages: keep only texts in these languages, given by the input or identified; empty keeps all.
        text_fields: texts of a page's images to read, out of `TEXT_FIELDS`.
        opt_outs: opt-outs of a page to honour, out of `OPT_OUTS`.
        min_chars, max_chars, min_words, max_words: limits of the length of a text; 0 is no limit.
        no_file_names, no_digits: reject texts that look like file names, or have digits but no letters.
        image_extensions: keep only images whose url ends in one of these, e.g. ("jpg", "png"); empty keeps all.
        blocklist: id (content hash) of the list of blocked domains, or None.
        filters: the user's own filters, as "package:function@content hash".
        identifier: name and version of the language identifier; None: languages are not identified.
        min_lang_score: score below which an identified language counts as unknown.
        keep_unmatched: keep texts that match no entry.
        dedup: drop repeats of (url, text) within a source.
        text_cap: leave out texts with more characters.
        link_cap: leave out image links of a page beyond this number.
        quoting: how TSV and CSV quote their fields, one of `QUOTINGS`.
        unsure: with a list per language, what happens to a text of unknown language: `other` or `drop`; None: one list
            is used for all texts.
        robots: id of the table of robots rules, or None.
        robots_for: whose robots.txt decides, one of `ROBOTS_FOR`.
        pii: what happens to texts with personal data, one of `PII_MODES`; None: they are not looked for.
        sample_cap: maximum number of rejects stored as rows, per source and reason; not part of `extract_id`.
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
    text_cap: int = TEXT_CAP
    link_cap: int = LINK_CAP
    quoting: str = "auto"
    unsure: str | None = None
    robots: str | None = None
    robots_for: str = "page"
    pii: str | None = None
    sample_cap: int = 10

    @property
    def columns(self) -> list[str]:
        """The columns to read of a tabular source, each once."""
        named = [self.url_column, self.text_column, self.lang_column, self.id_column, *self.keep_columns]
        return list(dict.fromkeys(name for name in named if name))

    @property
    def by_position(self) -> bool:
        """Whether the columns are given by position, as in a file without a header line."""
        return all(name.isdigit() for name in self.columns)

    @property
    def extract_id(self) -> str:
        """Hash of every parameter that decides which rows leave a source."""
        settings = asdict(self)
        settings.pop("sample_cap")
        for name, default in _LATER.items():
            if settings[name] == default:
                settings.pop(name)
        if self.pii is not None:
            settings["pii"] = f"{self.pii}@{PII_RULES}"
        return digest_of(settings)
