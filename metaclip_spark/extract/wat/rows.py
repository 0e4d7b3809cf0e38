"""Write the strings of image links as rows: texts decoded, urls joined, and flags on rows that need plain Python."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import borrowed, copy_bytes, kernel
from metaclip_spark.extract.wat.texts import EMPTY, add_text
from metaclip_spark.extract.wat.urls import JOINED, OF_URL, add_url, write_folder


@kernel
def add_rows(
    raw: np.ndarray,
    spans: np.ndarray,
    links: int,
    page: int,
    wanted: int,
    encoded: bool,
    text_cap: int,
    base: np.ndarray,
    folder: np.ndarray,
    rows: int,
    urls: np.ndarray,
    texts: np.ndarray,
    ends: np.ndarray,
    about: np.ndarray,
) -> tuple[int, int, int]:
    """Write one row per text of the links, in the links' order, an alt before its title.

    The buffers need room for three rows per link. `texts` needs as many bytes as the links' texts have in JSON.
    `urls` needs, per row, the bytes of its url in JSON, three times those of the base, and four.

    Args:
        raw: (n,) uint8, the bytes that the spans refer to.
        spans: (m, SPANS) int64, as `cut_links` writes them.
        links: the number of links.
        page: the number of their page.
        wanted: one bit per field: the lowest for alt, then title and og:title.
        encoded: whether urls and texts still have character references.
        text_cap: the maximum length of a text in characters.
        base: (.,) uint8, the base of relative urls.
        folder: (.,) uint8, overwritten; one byte more than `base` at least.
        rows: the number of rows that were written before.
        urls, texts: (.,) uint8, the bytes of all rows' urls and texts, one after the other.
        ends: (2, .) int32; [0, i + 1] is the end of row i's url, [1, i + 1] of its text; the first column is 0.
        about: (3, .) int32; [0, i] is the index of row i's field in FIELDS, [1, i] its page, [2, i] the statuses of
            its url and text, added.

    Returns:
        (number of rows, bytes of their urls, bytes of their texts).
    """
    raw, spans, base, urls = borrowed(raw), borrowed(spans), borrowed(base), borrowed(urls)
    texts, ends, about, folder = borrowed(texts), borrowed(ends), borrowed(about), borrowed(folder)
    gap = 2 * len(base) + 2
    scheme, host, end = write_folder(base, folder)
    folder = folder[:end]
    for link in range(links):
        span = spans[link]
        first = -1
        for field in range(3):
            start, stop = span[2 * field + 2], span[2 * field + 3]
            if start < 0 or not wanted >> field & 1:
                continue
            url_at, text_at = ends[0, rows], ends[1, rows]
            text_end, text_status = add_text(raw, start, stop, encoded, text_cap, texts, text_at)
            url_status, url_end = JOINED, url_at
            if text_status != EMPTY and first < 0:
                url_end, url_status = add_url(raw, span[0], span[1], folder, scheme, host, encoded, urls, url_at, gap)
                first = rows
            elif text_status != EMPTY:
                url_end = copy_bytes(urls[ends[0, first] : ends[0, first + 1]], urls, url_at)
                url_status = about[2, first] & OF_URL
            ends[0, rows + 1], ends[1, rows + 1] = url_end, text_end
            about[0, rows] = field
            about[1, rows] = page
            about[2, rows] = url_status + text_status
            rows += 1
    return rows, ends[0, rows], ends[1, rows]


@kernel
def add_pages(
    raw: np.ndarray,
    records: np.ndarray,
    pages: np.ndarray,
    numbers: np.ndarray,
    spans: np.ndarray,
    most: int,
    page: int,
    wanted: int,
    encoded: bool,
    text_cap: int,
    bases: np.ndarray,
    base_ends: np.ndarray,
    folder: np.ndarray,
    rows: int,
    urls: np.ndarray,
    texts: np.ndarray,
    ends: np.ndarray,
    about: np.ndarray,
) -> tuple[int, int, int]:
    """Write the rows of several pages as `add_rows` does.

    Args:
        raw, records, pages, spans, most: as for `scan_records`.
        numbers: (k,) int64, the records that are the pages.
        page: the number of the first page; the other arguments are as for `add_rows`.
        bases: (.,) uint8, the pages' bases, one after the other.
        base_ends: (k,) int64, the end of each in `bases`.
    """
    raw, records, pages, spans, bases = (
        borrowed(raw),
        borrowed(records),
        borrowed(pages),
        borrowed(spans),
        borrowed(bases),
    )
    base_start = url_end = text_end = 0
    for index in range(len(numbers)):
        record = numbers[index]
        first, links = pages[record, 4], min(pages[record, 5], most)
        rows, url_end, text_end = add_rows(
            raw[records[record, 2] : records[record, 3]],
            spans[first : first + links],
            links,
            page + index,
            wanted,
            encoded,
            text_cap,
            bases[base_start : base_ends[index]],
            folder,
            rows,
            urls,
            texts,
            ends,
            about,
        )
        base_start = base_ends[index]
    return rows, url_end, text_end
