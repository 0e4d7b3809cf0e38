"""Wikipedia as a source of word and bigram counts: one task's whole work, from a range of a dump to partial sums.

Format: MediaWiki's XML export (mediawiki.org/wiki/Help:Export). Text in it is escaped, so `<page>` and `</page>` occur
as tags alone, and a page is cut out by them before it is parsed.
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

STATISTIC, WORD, BIGRAM = 0, 1, 2
"""What a row of counts is about."""
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
"""Different words and bigrams that a task holds before it hands them on: about 100 MB."""

_OPEN, _CLOSE = b"<page>", b"</page>"
_LARGEST_PAGE = 64 << 20


@dataclass(frozen=True)
class Page:
    """What is asked of a page.

    Attributes:
        namespace: "0" is an article.
        redirect: whether it only names another page.
        model: "wikitext" for what is prose.
        text: wikitext of its last revision in the dump.
    """

    title: str
    namespace: str
    redirect: bool
    model: str
    text: str


def pages_of(split: DumpSplit) -> Iterator[Page]:
    """Read the pages that begin in a split; one that begins before its end is read to its own end.

    Raises:
        DumpError: the dump is damaged.
    """
    for raw in _raw_pages(split):
        try:
            yield _parse(raw)
        except ElementTree.ParseError as error:
            start = raw[:80].decode("utf-8", "replace")
            raise DumpError(
                f"dump {split.dump.path} is damaged: the page that starts with {start!r} is no XML ({error}); fetch "
                "it again, and compare its checksum."
            ) from error


def count_split(split: DumpSplit, max_keys: int = MAX_KEYS) -> Iterator[pa.RecordBatch]:
    """Count words and bigrams of a split's articles.

    Yields:
        Batches of COUNTS. They are partial sums: a word may come again in a later batch, whenever `max_keys` were held,
        and no count is left out for being small.

    Raises:
        DumpError: the dump is damaged.
    """
    from mwparserfromhell.parser import ParserError

    words: Counter[str] = Counter()
    bigrams: Counter[str] = Counter()
    statistics: Counter[str] = Counter()
    for page in pages_of(split):
        statistics["pages_read"] += 1
        kind = _kind(page)
        if kind == "articles":
            try:
                text = plain_text(page.text, split.dump.link_prefixes)
            except ParserError:
                kind = "not_parsed"
            else:
                statistics["text_bytes"] += len(text.encode())
                runs = phrases_of(text)
                # A page at once: a Counter's call costs more than counting the few words of a run.
                words.update(chain.from_iterable(runs))
                bigrams.update([pair for run in runs for pair in map(" ".join, pairwise(run))])
        statistics[kind] += 1
        if len(words) + len(bigrams) >= max_keys:
            yield from _hand_on(words, bigrams, statistics)
    yield from _hand_on(words, bigrams, statistics)


def _kind(page: Page) -> str:
    """Return what a page counts as; the order decides where several hold."""
    if page.namespace != "0":
        return "other_namespaces"
    if page.redirect:
        return "redirects"
    return "articles" if page.model == "wikitext" else "other_content"


def _hand_on(words: Counter[str], bigrams: Counter[str], statistics: Counter[str]) -> Iterator[pa.RecordBatch]:
    """Yield what was counted, and forget it."""
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
    """Cut out the pages whose first byte is in the split's own pieces."""
    pieces = open_pieces(split)
    data, at, end = b"", 0, None  # `end`: where the split's own bytes end in `data`, once that is known
    while True:
        start = data.find(_OPEN, at)
        mine = start >= 0 and (end is None or start < end)
        if mine:
            stop = data.find(_CLOSE, start)
            if stop >= 0:
                at = stop + len(_CLOSE)
                yield data[start:at]
                continue
        elif end is not None and (start >= 0 or len(data) - end >= len(_OPEN)):
            return
        # What may still begin a tag, or the page that has begun, is kept; the rest is done with.
        keep = start if mine else max(at, len(data) - len(_OPEN) + 1)
        if len(data) - keep > _LARGEST_PAGE:
            raise DumpError(
                f"dump {split.dump.path}: a page has no end within {_LARGEST_PAGE >> 20} MiB; expected pages-articles "
                "(one revision a page), not pages-meta-history."
            )
        own, piece = next(pieces, (False, b""))
        if not piece:
            if mine:
                raise DumpError(f"dump {split.dump.path} ends inside a page; fetch it again, and compare its checksum.")
            return
        if not own and end is None:
            end = len(data)
        data, at = data[keep:] + piece, 0
        end = None if end is None else end - keep
