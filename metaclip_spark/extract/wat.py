"""WAT files: the image links of Common Crawl's metadata records.

A WAT is gzip with one member a record; only the metadata record of a *response* carries links, any level of
its JSON may be missing or null, and both extractors in use (Common Crawl's, Internet Archive's) are read.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import urljoin

import pyarrow as pa

from metaclip_spark.extract.candidates import Candidates
from metaclip_spark.extract.ledger import Damage, Ledger, WrongKind
from metaclip_spark.extract.sources import Split
from metaclip_spark.extract.storage import open_source
from metaclip_spark.text import clean_text, without_surrogates

BATCH_TEXTS = 8192
TEXT_FIELDS = ("alt", "title")
_MAX_HEADER_LINES = 1000
_BAD_CHECKSUM = ("CRC check failed", "Incorrect length of data")
_MAX_RECORD_BYTES = 1 << 28  # a length beyond this is damage: reading it would take the worker's memory
_PATH_TO_HTML = ("Payload-Metadata", "HTTP-Response-Metadata", "HTML-Metadata")


def read_wat(split: Split, ledger: Ledger) -> Iterator[Candidates]:
    """Read a whole WAT; texts found before any damage are yielded before the error is raised."""
    batch = _Batch(ledger)
    failure: Exception | None = None
    with open_source(split.source.uri) as raw:
        check_gzip(raw)
        try:
            for payload in wat_payloads(gzip.GzipFile(fileobj=raw)):
                ledger.records_read += 1
                batch.add_record(payload)
                if len(batch.texts) >= BATCH_TEXTS:
                    ledger.bytes_read = raw.tell()
                    yield batch.flush()
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - zlib.error is no OSError; what was gathered is kept first
            failure = error
        ledger.bytes_read = raw.tell()
    yield batch.flush()
    if failure is not None:
        raise failure


def check_gzip(raw: BinaryIO) -> None:
    """Refuse what is not gzip before a parser sees it (an error page, say), and rewind."""
    magic = raw.read(2)
    raw.seek(0)
    if not magic:
        raise Damage("the file is empty")
    if magic != b"\x1f\x8b":
        raise Damage(f"not gzip: the first bytes are {magic!r}, expected b'\\x1f\\x8b'")


def wat_payloads(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield the payload of each WARC record, None for records that are not JSON metadata.

    A record is yielded when the line after it was read: by then gzip has held its member's checksum against it.

    Raises:
        Damage: the stream is not a WARC, is a WARC that is no WAT, or ends inside a record.
        OSError, EOFError: the gzip stream is cut or corrupt.
    """
    before: list[bytes | None] = []
    while True:
        try:
            line = stream.readline(4096)
            while line in (b"\r\n", b"\n"):
                line = stream.readline(4096)
        except Exception as error:
            if not str(error).startswith(_BAD_CHECKSUM):
                yield from before
            raise
        yield from before
        if not line:
            return
        if not line.startswith(b"WARC/"):
            raise Damage(f"not a WARC record: expected a line 'WARC/1.0', got {line[:60]!r}")
        headers = _read_headers(stream)
        if headers.get(b"warc-type") == b"response":
            raise WrongKind("a WARC, not a WAT: it holds response records; a WAT holds metadata records in JSON")
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or int(length) > _MAX_RECORD_BYTES:
            raise Damage(f"a record without a usable Content-Length: got {length[:40]!r}")
        payload = stream.read(int(length))
        if len(payload) < int(length):
            raise Damage(f"the file ends inside a record: {len(payload)} of {int(length)} bytes")
        before = [payload if headers.get(b"content-type", b"").startswith(b"application/json") else None]


def _read_headers(stream: BinaryIO) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for _ in range(_MAX_HEADER_LINES):
        line = stream.readline(65536)
        if not line:
            raise Damage("the file ends inside a record's header")
        line = line.strip()
        if not line:
            return headers
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    raise Damage(f"a record with more than {_MAX_HEADER_LINES} header lines")


class _Batch:
    """Texts gathered record by record until there are enough of them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._position = 0
        self._clear()

    def _clear(self) -> None:
        self.urls: list[str] = []
        self.texts: list[str] = []
        self.fields: list[str] = []
        self.pages: list[str | None] = []
        self.positions: list[int] = []

    def flush(self) -> Candidates:
        """Return what was gathered, and start again."""
        batch = Candidates(
            url=pa.array(self.urls, pa.string()),
            text=pa.array(self.texts, pa.string()),
            text_source=pa.array(self.fields, pa.string()),
            position=pa.array(self.positions, pa.int64()),
            page_url=pa.array(self.pages, pa.string()),
        )
        self._clear()
        return batch

    def add_record(self, payload: bytes | None) -> None:
        """Take the image texts of one record, if it is the metadata of a response."""
        if payload is None:
            return
        try:
            record = json.loads(payload)
        except (ValueError, RecursionError) as error:
            where = f"record {self._ledger.records_read}"
            self._ledger.reject("broken_json", where, f"{error}: {payload[:100]!r}")
            return
        envelope = _get(record, "Envelope")
        header = _get(envelope, "WARC-Header-Metadata")
        if _string(_get(header, "WARC-Type")) != "response":
            return
        page = _string(_get(header, "WARC-Target-URI")) or ""
        html = envelope
        for level in _PATH_TO_HTML:
            html = _get(html, level)
        base = _resolve(page, _string(_get(_get(html, "Head"), "Base")) or "") or page
        links = _get(html, "Links")
        for link in links if isinstance(links, list) else ():
            if _get(link, "path") == "IMG@/src":
                self._add_link(link, page, base)

    def _add_link(self, link: dict[str, Any], page: str, base: str) -> None:
        found = [(name, link[name]) for name in TEXT_FIELDS if isinstance(link.get(name), str)]
        if not found:
            return
        raw_url = _string(link.get("url"))
        url, problem = absolute_url(raw_url, base)
        for name, raw in found:
            self._position += 1
            text = clean_text(raw, is_html=True)
            if not text:
                self._ledger.reject("empty_text", page, raw)
                continue
            self._ledger.texts_read += 1
            if problem:
                self._ledger.reject(problem, page, raw_url)
                continue
            self.urls.append(url)
            self.texts.append(text)
            self.fields.append(name)
            self.pages.append(clean_text(page) or None)
            self.positions.append(self._position - 1)


def absolute_url(url: str | None, base: str) -> tuple[str, str]:
    """Return the image's absolute url and "", or "" and the reason why there is none.

    An absolute url is kept as found (outer whitespace aside); any other form is resolved against the base.

    >>> absolute_url("a.jpg", "http://example.org/x/")
    ('http://example.org/x/a.jpg', '')
    >>> absolute_url("data:image/gif;base64", "http://example.org/")
    ('', 'data_url')
    """
    found = (url or "").strip()
    if not found:
        return "", "no_url"
    start = found[:8].lower()
    if start.startswith("data:"):
        return "", "data_url"
    if not start.startswith(("http://", "https://")):
        found = _resolve(base, found)
        if not found:
            return "", "bad_url"
        if not found[:8].lower().startswith(("http://", "https://")):
            return "", "not_http"
    if len(found) <= found.index("//") + 2:
        return "", "bad_url"
    return found, ""


def _resolve(base: str, url: str) -> str:
    """Return `urljoin(base, url)`, or "" where either is malformed (an open bracket in the host, say)."""
    try:
        return urljoin(base, url)
    except ValueError:
        return ""


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _string(value: Any) -> str | None:
    """Return a string that UTF-8 can hold, the first one of a list (a repeated header), or None."""
    if isinstance(value, list) and value:
        value = value[0]
    return without_surrogates(value) if isinstance(value, str) else None
