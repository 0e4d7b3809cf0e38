"""Count the words and bigrams of Wikipedia: the work of one task, from a byte range of a dump to partial sums.

Format: MediaWiki's XML export (mediawiki.org/wiki/Help:Export). Its text is escaped, so `<page>` and `</page>` occur
only as tags. These tags delimit a page before the page is parsed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from xml.etree import ElementTree

import pyarrow as pa

from metaclip_spark.errors import DumpError
from metaclip_spark.metadata.dumps import DumpSplit, open_pieces
from metaclip_spark.metadata.wikitext import plain_text
from metaclip_spark.metadata.words import phrases_of
from metaclip_spark.metadata.worldwide.tokens import phrases_for

STATISTIC, WORD, BIGRAM = 0, 1, 2
"""The kinds of rows of COUNTS."""
COUNTS = pa.schema([("kind", pa.int8()), ("gram", pa.string()), ("count", pa.int64())])
COUNTS_DDL = "kind tinyint, gram string, count bigint"

STATISTICS = (
    "pages_read",
    "articles",
    "redirects",
    "other_namespaces",
    "other_content",
    "not_parsed",
    "text_bytes",
    "words",
    "bigrams",
)
MAX_KEYS = 400_000
"""Number of different words and bigrams at which a task yields its partial sums: about 100 MB of memory."""

_OPEN, _CLOSE = b"<page>", b"</page>"
_MAX_PAGE_BYTES = 64 << 20


@dataclass(frozen=True)
class Page:
    """A page of a dump.

    Attributes:
        title: the title of the page.
        namespace: "0" for articles.
        redirect: whether the page only names another page.
        model: "wikitext" for prose.
        text: wikitext of the last revision in the dump.
    """

    title: str
    namespace: str
    redirect: bool
    model: str
    text: str


def pages_of(split: DumpSplit) -> Iterator[Page]:
    """Read the pages that begin in a split; the last one may end after the split.

    Raises:
        DumpError: the dump is damaged.
    """
    for raw in _raw_pages(split):
        try:
            yield _parse(raw)
        except ElementTree.ParseError as error:
            start = raw[:80].decode("utf-8", "replace")
            raise DumpError(
                f"dump {split.dump.path} is damaged: the page that starts with {start!r} is not XML ({error}); fetch "
                "it again, and compare its checksum."
            ) from error


def count_split(split: DumpSplit, max_keys: int = MAX_KEYS, language: str | None = None) -> Iterator[pa.RecordBatch]:
    """Count the words and bigrams of a split's articles.

    Args:
        split: the byte range.
        max_keys: see `Yields`.
        language: the code of the Wikipedia, whose texts are tokenized as the recipe of MetaCLIP 2 does; None tokenizes
            as for the English list.

    Yields:
        Batches of COUNTS with partial sums: a word may occur again in a later batch. A new batch starts at `max_keys`
        different words and bigrams. Small counts are included.

    Raises:
        DumpError: the dump is damaged.
        ConfigError: the language needs a segmenter that is not installed.
    """
    from mwparserfromhell.parser import ParserError

    tokenize = phrases_of if language is None else phrases_for(language)
    words: Counter[str] = Counter()
    bigrams: Counter[str] = Counter()
    statistics: Counter[str] = Counter()
    for page in pages_of(split):
        statistics["pages_read"] += 1
        kind = _page_kind(page)
        if kind == "articles":
            try:
                text = plain_text(page.text, split.dump.link_prefixes)
            except ParserError:
                kind = "not_parsed"
            else:
                statistics["text_bytes"] += len(text.encode())
                runs = tokenize(text)
                # One update per page: a call of Counter.update costs more than counting the few words of a run.
                words.update(chain.from_iterable(runs))
                bigrams.update([pair for run in runs for pair in map(" ".join, pairwise(run))])
        statistics[kind] += 1
        if len(words) + len(bigrams) >= max_keys:
            yield from _flush(words, bigrams, statistics)
    yield from _flush(words, bigrams, statistics)


def _page_kind(page: Page) -> str:
    """Return the statistic that counts a page; the first condition that is true decides."""
    if page.namespace != "0":
        return "other_namespaces"
    if page.redirect:
        return "redirects"
    return "articles" if page.model == "wikitext" else "other_content"


def _flush(words: Counter[str], bigrams: Counter[str], statistics: Counter[str]) -> Iterator[pa.RecordBatch]:
    """Yield the counts, and clear the counters."""
    statistics["words"] += words.total()
    statistics["bigrams"] += bigrams.total()
    for kind, counter in ((STATISTIC, statistics), (WORD, words), (BIGRAM, bigrams)):
        if counter:
            kinds = pa.repeat(pa.scalar(kind, pa.int8()), len(counter))
            grams = pa.array(counter.keys(), pa.string(), size=len(counter))
            counts = pa.array(counter.values(), pa.int64(), size=len(counter))
            yield pa.record_batch([kinds, grams, counts], schema=COUNTS)
            counter.clear()


def _parse(raw: bytes) -> Page:
    page = ElementTree.fromstring(raw)
    revisions = page.findall("revision")
    last = revisions[-1] if revisions else page
    return Page(
        title=page.findtext("title", ""),
        namespace=page.findtext("ns", "0").strip(),
        redirect=page.find("redirect") is not None,
        model=last.findtext("model", "wikitext").strip() or "wikitext",
        text=last.findtext("text", ""),
    )


def _raw_pages(split: DumpSplit) -> Iterator[bytes]:
    """Extract the pages whose first byte is in the split."""
    pieces = open_pieces(split)
    data, at = b"", 0
    end: int | None = None  # the position in `data` at which the split ends, once it is known
    while True:
        start = data.find(_OPEN, at)
        in_split = start >= 0 and (end is None or start < end)
        if in_split:
            stop = data.find(_CLOSE, start)
            if stop >= 0:
                at = stop + len(_CLOSE)
                yield data[start:at]
                continue
        elif end is not None and (start >= 0 or len(data) - end >= len(_OPEN)):
            return
        # Keep the current page, or the bytes that may be the beginning of a tag. Drop the rest.
        keep = start if in_split else max(at, len(data) - len(_OPEN) + 1)
        if len(data) - keep > _MAX_PAGE_BYTES:
            raise DumpError(
                f"dump {split.dump.path}: a page has no end within {_MAX_PAGE_BYTES >> 20} MiB; expected "
                "pages-articles (one revision per page), not pages-meta-history."
            )
        own, piece = next(pieces, (False, b""))
        if not piece:
            if in_split:
                raise DumpError(f"dump {split.dump.path} ends inside a page; fetch it again, and compare its checksum.")
            return
        if not own and end is None:
            end = len(data)
        data, at = data[keep:] + piece, 0
        end = None if end is None else end - keep
