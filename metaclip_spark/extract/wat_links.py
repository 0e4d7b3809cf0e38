"""The image links in the bytes of a WAT record: where their strings stand, and a copy of these, decoded and joined.

A crawl has some 58 billion of them, so no Python object is made of one. The functions here are compiled
(`metaclip_spark.kernels`); they expect JSON that has been, or will be, held against its grammar, and read no byte
outside of what they are given even where it is not JSON.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.extract.record_heads import lowered, starts
from metaclip_spark.kernels import kernel

STRINGS = (b"url", b"alt", b"title", b"og:title")
"""The strings of a link, in the order of the columns of its row of spans: [start, stop) each, -1 where it has none."""
SPANS = 2 * len(STRINGS)

UNUSUAL = -1
FULL = HIDDEN = -2

JOINED, TO_JOIN, DATA = 0, 1, 2
"""What became of a row's url: absolute now; as found, for `Resolver.absolute` to see to; a `data:` url, of which the
start is copied."""
TO_CLEAN, EMPTY = 4, 8
"""Added to it: the row's text has something that `clean_text` may change; it is empty."""

_BEFORE = np.frombuffer(b'{"path":"', np.uint8)
_PATH = np.frombuffer(b'IMG@/src"', np.uint8)
_NULL = np.frombuffer(b"null", np.uint8)
_HTTP = np.frombuffer(b"http://", np.uint8)
_HTTPS = np.frombuffer(b"https://", np.uint8)
_DATA = np.frombuffer(b"data:", np.uint8)
_KEYS = np.array([name.ljust(8) for name in (*STRINGS, b"path")], "S8").view(np.uint8).reshape(-1, 8)
_KEY_SIZES = np.array([len(name) for name in (*STRINGS, b"path")])
_IS_PATH = len(STRINGS)
_BLOCK = 128
_SHOWN = 300  # bytes of a data: url, which may have a million
# By byte: may stand in the host of a url that `urljoin` keeps as it is.
_IN_HOST = np.isin(np.arange(256), list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@%~-"))
# By byte, what follows a backslash in JSON: what it stands for, 0 for none.
_ESCAPED = np.zeros(256, np.uint8)
_ESCAPED[list(b'"\\/bfnrt')] = list(b'"\\/\b\f\n\r\t')


@kernel
def _hides(raw: np.ndarray, at: int) -> bool:
    r"""Return whether the backslash at `at` begins an escape that none needs: `\/` after @, `\u006e`.

    With these a path or a word may be hidden: `\u0049MG@\/src`.
    """
    if at + 1 < len(raw) and raw[at + 1] == 47:
        return at > 0 and raw[at - 1] == 64
    if at + 4 >= len(raw) or raw[at + 1] != 117 or raw[at + 2] != 48 or raw[at + 3] != 48:
        return False
    return 50 <= raw[at + 4] < 56


@kernel
def _next_path(raw: np.ndarray, at: int) -> int:
    """Return where the path of images stands next, from `at` on; -1 where it does not, `HIDDEN` where it may."""
    backslash, first, slash = np.uint8(92), np.uint8(73), np.uint8(47)  # the latter of IMG@/src
    while at < len(raw):
        stop = at + _BLOCK
        if stop + 4 <= len(raw):
            block, later = raw[at:stop], raw[at + 4 : stop + 4]
            hit = False  # this loop becomes vector instructions
            for place in range(_BLOCK):
                hit |= (block[place] == backslash) | ((block[place] == first) & (later[place] == slash))
            if not hit:
                at = stop
                continue
        for place in range(at, min(stop, len(raw))):
            if raw[place] == first and starts(raw, place, _PATH):
                return place
            if raw[place] == backslash and _hides(raw, place):
                return HIDDEN
        at = stop
    return -1


@kernel
def _uppered(char: int) -> int:
    return np.uint8(char - 32) if 97 <= char <= 122 else np.uint8(char)


@kernel
def _mentions(raw: np.ndarray, word: np.ndarray) -> bool:
    """Return whether a lower-case word stands anywhere, in whatever case."""
    size, middle, at = len(word), len(word) // 2, 0
    a, b, c = word[0], word[middle], word[-1]
    upper_a, upper_b, upper_c = _uppered(a), _uppered(b), _uppered(c)
    while at + size <= len(raw):
        stop = min(at + _BLOCK, len(raw) - size + 1)
        if stop - at == _BLOCK:
            first, later, last = raw[at:stop], raw[at + middle : stop + middle], raw[at + size - 1 : stop + size - 1]
            hit = False
            for place in range(_BLOCK):
                hit |= (
                    ((first[place] == a) | (first[place] == upper_a))
                    & ((later[place] == b) | (later[place] == upper_b))
                    & ((last[place] == c) | (last[place] == upper_c))
                )
            if not hit:
                at = stop
                continue
        for start in range(at, stop):
            same = 0
            while same < size and lowered(raw[start + same]) == word[same]:
                same += 1
            if same == size:
                return True
        at = stop
    return False


@kernel
def mentions_any(raw: np.ndarray, words: np.ndarray, sizes: np.ndarray) -> bool:
    """Return whether any word stands anywhere, in whatever case.

    Args:
        raw: (n,) uint8.
        words: (k, m) uint8, lower-case ASCII letters and hyphens.
        sizes: (k,) int64, how many bytes of each row are its word.
    """
    for index in range(len(words)):  # noqa: SIM110 - this is compiled
        if _mentions(raw, words[index, : sizes[index]]):
            return True
    return False


@kernel
def _end_of_string(raw: np.ndarray, at: int) -> int:
    """Return the place of the quote that ends the string whose first character stands at `at`.

    -1 where none does, or where something may be hidden.
    """
    size = len(raw)
    while at < size:
        while at + 16 <= size:
            block = raw[at : at + 16]
            hit = np.uint8(0)
            for place in range(16):
                hit = max(hit, np.uint8((block[place] == 34) | (block[place] == 92)))
            if hit:
                break
            at += 16
        while at < size and raw[at] != 34 and raw[at] != 92:
            at += 1
        if at >= size:
            return -1
        if raw[at] == 34:
            return at
        if _hides(raw, at):
            return -1
        at += 2
    return -1


@kernel
def _key(raw: np.ndarray, start: int, stop: int) -> int:
    """Return the index in `_KEYS` of the name that stands at [start, stop); -1 for none, -2 if it has escapes."""
    size = stop - start
    for index in range(len(_KEYS)):
        if size == _KEY_SIZES[index] and raw[start] == _KEYS[index, 0] and starts(raw, start, _KEYS[index, :size]):
            return index
    for place in range(start, stop):
        if raw[place] == 92:
            return -2
    return -1


@kernel
def _link(raw: np.ndarray, at: int, spans: np.ndarray) -> int:
    """Read the rest of a link's object, from behind its path on.

    Args:
        raw: (n,) uint8.
        at: the first byte behind the quote that ends the path.
        spans: (SPANS,) int64, written.

    Returns:
        The place behind the object, or `UNUSUAL`: white space, nested values, names with escapes, values that are
        neither a string nor null where a string is meant.
    """
    size = len(raw)
    spans[:] = -1
    while at < size:
        if raw[at] == 125:
            return at + 1
        if raw[at] != 44 or at + 1 >= size or raw[at + 1] != 34:
            return UNUSUAL
        start = at + 2
        stop = _end_of_string(raw, start)
        if stop < 0 or stop + 2 >= size or raw[stop + 1] != 58:
            return UNUSUAL
        key = _key(raw, start, stop)
        if key == -2 or key == _IS_PATH:
            return UNUSUAL
        at = stop + 2
        if raw[at] == 34:
            stop = _end_of_string(raw, at + 1)
            if stop < 0:
                return UNUSUAL
            if key >= 0:
                spans[2 * key], spans[2 * key + 1] = at + 1, stop
            at = stop + 1
        elif starts(raw, at, _NULL):
            if key >= 0:
                spans[2 * key] = spans[2 * key + 1] = -1
            at += 4
        elif key >= 0 or raw[at] == 123 or raw[at] == 91:
            return UNUSUAL
        else:
            while at < size and raw[at] != 44 and raw[at] != 125:
                at += 1
    return UNUSUAL


@kernel
def cut_links(raw: np.ndarray, spans: np.ndarray) -> tuple[int, int, int]:
    """Find the strings of the image links that have a text.

    Args:
        raw: (n,) uint8, a record's JSON.
        spans: (m, SPANS) int64, of which the first rows are written.

    Returns:
        How many rows; where the first image link's path stands, -1 without any; and the place behind the last image
        link. Instead of the first, `UNUSUAL` where a path may be hidden by escapes, or a link is not written as
        extractors write it, `FULL` where there are more than m.
    """
    links, first = 0, _next_path(raw, 0)
    at = end = first
    while at >= 0:
        if not starts(raw, at - len(_BEFORE), _BEFORE):
            return UNUSUAL, first, at
        if links == len(spans):
            return FULL, first, at
        row = spans[links]
        end = _link(raw, at + len(_PATH), row)
        if end < 0:
            return UNUSUAL, first, at
        if row[2] >= 0 or row[4] >= 0 or row[6] >= 0:
            links += 1
        at = _next_path(raw, end)
    return UNUSUAL if at == HIDDEN else links, first, end


@kernel
def _hex(raw: np.ndarray, at: int, stop: int) -> int:
    """Return the number that the four hexadecimal digits at `at` make; -1 where there are none."""
    if at + 4 > stop:
        return -1
    value = 0
    for place in range(at, at + 4):
        digit = raw[place]
        if 48 <= digit <= 57:
            value = 16 * value + digit - 48
        elif 97 <= digit | 32 <= 102:
            value = 16 * value + (digit | 32) - 87
        else:
            return -1
    return value


@kernel
def _utf8(point: int, out: np.ndarray, to: int) -> int:
    """Write a character; returns the place behind it."""
    if point < 0x80:
        out[to] = point
        return to + 1
    if point < 0x800:
        out[to] = 0xC0 | point >> 6
        out[to + 1] = 0x80 | point & 63
        return to + 2
    if point < 0x10000:
        out[to] = 0xE0 | point >> 12
        out[to + 1] = 0x80 | point >> 6 & 63
        out[to + 2] = 0x80 | point & 63
        return to + 3
    out[to] = 0xF0 | point >> 18
    out[to + 1] = 0x80 | point >> 12 & 63
    out[to + 2] = 0x80 | point >> 6 & 63
    out[to + 3] = 0x80 | point & 63
    return to + 4


@kernel
def _decoded(raw: np.ndarray, at: int, stop: int, out: np.ndarray, to: int) -> int:
    """Write the string at [at, stop), U+FFFD for a lone surrogate; returns the place behind it.

    Never more bytes than it has in JSON.
    """
    while at < stop:
        while at + 16 <= stop:
            block, copy = raw[at : at + 16], out[to : to + 16]
            hit = False
            for place in range(16):
                hit |= block[place] == 92
                copy[place] = block[place]
            if hit:
                break
            at += 16
            to += 16
        if at == stop:
            break
        char = raw[at]
        if char != 92:
            out[to] = char
            to += 1
            at += 1
            continue
        if at + 1 >= stop:
            return to
        if raw[at + 1] != 117:
            out[to] = _ESCAPED[raw[at + 1]]
            to += 1
            at += 2
            continue
        point = _hex(raw, at + 2, stop)
        at += 6
        if 0xD800 <= point < 0xDC00 and at + 1 < stop and raw[at] == 92 and raw[at + 1] == 117:
            low = _hex(raw, at + 2, stop)
            if 0xDC00 <= low < 0xE000:
                point = 0x10000 + (point - 0xD800 << 10) + low - 0xDC00
                at += 6
        if point < 0 or 0xD800 <= point < 0xE000:
            point = 0xFFFD
        to = _utf8(point, out, to)
    return to


@kernel
def _is_unclean(text: np.ndarray) -> bool:
    """Return whether `clean_text` may change a text that is not empty: entities, controls, edges beyond ASCII."""
    for edge in (text[0], text[-1]):
        if edge < 33 or edge > 126:
            return True
    for char in text:  # noqa: SIM110 - this is compiled
        if char == 38 or char == 0 or char == 9 or char == 10 or char == 13:
            return True
    return False


@kernel
def _copied(text: np.ndarray, out: np.ndarray, to: int) -> int:
    """Write bytes, maybe from further on in the same array; returns the place behind them."""
    for char in text:
        out[to] = char
        to += 1
    return to


@kernel
def _joined(url: np.ndarray, base: np.ndarray, scheme: int, host: int, out: np.ndarray, to: int) -> int:
    """Write what `Resolver.absolute` makes of a relative url in its usual forms; arguments as for `add_rows`.

    Returns:
        The place behind it, or -1 where `Resolver` has to be asked; then `url` is still as it was.
    """
    size = len(url)
    if host == 0:
        return -1
    path = size
    for place in range(size):
        char = url[place]
        if char < 32 or char > 126 or char == 35:  # not printable, or a fragment
            return -1
        if path == size:
            if char == 63:
                path = place
            elif char == 59 or (char == 58 and url[0] != 47):
                return -1
    if path == 0 or path == size - 1:  # nothing but a query, or an empty one
        return -1
    start, end = 0, len(base) - host  # the folder ends at base[host + end]
    if url[0] == 47:
        if path > 1 and url[1] == 47:
            stop = 2
            while stop < path and url[stop] != 47:
                if not _IN_HOST[url[stop]]:
                    return -1
                stop += 1
            return -1 if stop == 2 else _copied(url, out, _copied(base[:scheme], out, to))
        end = 0
    elif end == 0:
        return -1
    while start + 2 < path and url[start] == 46 and url[start + 1] == 46 and url[start + 2] == 47 and end > 1:
        start += 3
        end -= 1
        while base[host + end - 1] != 47:
            end -= 1
    if start + 1 < path and url[start] == 46 and url[start + 1] == 47:
        start += 2
    if start >= path or url[start] == 46 or (end and url[start] == 47):
        return -1
    for place in range(start, path - 1):
        if url[place] == 47 and (url[place + 1] == 47 or url[place + 1] == 46):
            return -1
    return _copied(url[start:], out, _copied(base[: host + end], out, to))


@kernel
def _with_url(url: np.ndarray, base: np.ndarray, scheme: int, host: int, out: np.ndarray, to: int):
    """Write a link's url; returns the place behind it, and what became of it."""
    size = len(url)
    if size == 0 or url[0] < 33 or url[0] > 126 or url[-1] < 33 or url[-1] > 126:
        return _copied(url, out, to), TO_JOIN
    https = starts(url, 0, _HTTPS)
    if https or starts(url, 0, _HTTP):
        plain = size > (8 if https else 7)
        for char in url:
            plain = plain and char != 10
        return _copied(url, out, to), JOINED if plain else TO_JOIN
    if size >= 5 and url[4] == 58:
        is_data = True
        for place in range(5):
            is_data = is_data and (url[place] | 32 if place < 4 else url[place]) == _DATA[place]
        if is_data:
            place = 0
            while place < min(size, _SHOWN) and url[place] < 128:
                place += 1
            return _copied(url[:place], out, to), DATA
    end = _joined(url, base, scheme, host, out, to)
    if end >= 0:
        return end, JOINED
    return _copied(url, out, to), TO_JOIN


@kernel
def add_rows(raw, spans, links, page, wanted, base, scheme, host, rows, urls, texts, ends, about):
    """Write one row for every text of some links, in their order, an alt before its title.

    Args:
        raw: (n,) uint8, what the spans are of.
        spans: (m, SPANS) int64 of `cut_links`.
        links: how many of them.
        page: the number that the rows get as their page's.
        wanted: bits, the first for alt, then title and og:title.
        base: (.,) uint8, where relative urls start: with `scheme` and `host`, lengths, as of `Resolver.start`.
        rows: how many rows there are already.
        urls, texts: (.,) uint8, the bytes of all rows' urls and texts, one after the other.
        ends: (2, .) int32; [0, i + 1] is where row i's url ends, [1, i + 1] its text; the first column is 0.
        about: (3, .) int32; [0, i] is the index of row i's text in FIELDS, [1, i] its page, [2, i] `JOINED` and so on.

    Returns:
        How many rows there are now. There has to be room for three rows a link, as many bytes in `texts` as the links'
        texts have in JSON, and in `urls` for each of their rows its url's and twice the base's.
    """
    gap = 2 * len(base)
    for link in range(links):
        span = spans[link]
        first = -1
        for field in range(3):
            start, stop = span[2 * field + 2], span[2 * field + 3]
            if start < 0 or not wanted >> field & 1:
                continue
            url_at, text_at = ends[0, rows], ends[1, rows]
            text_end = _decoded(raw, start, stop, texts, text_at)
            text = texts[text_at:text_end]
            state, url_end = JOINED, url_at
            if len(text) and first < 0:
                url = urls[url_at + gap : url_at + gap]
                if span[0] >= 0:
                    url = urls[url_at + gap : _decoded(raw, span[0], span[1], urls, url_at + gap)]
                url_end, state = _with_url(url, base, scheme, host, urls, url_at)
                first = rows
            elif len(text):
                url_end = _copied(urls[ends[0, first] : ends[0, first + 1]], urls, url_at)
                state = about[2, first] & 3
            ends[0, rows + 1], ends[1, rows + 1] = url_end, text_end
            about[0, rows] = field
            about[1, rows] = page
            about[2, rows] = state + (EMPTY if len(text) == 0 else TO_CLEAN if _is_unclean(text) else 0)
            rows += 1
    return rows
