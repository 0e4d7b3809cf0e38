"""The interface of transports, which read remote sources. A transport makes one attempt; `storage.fetch` retries.

The import creates no connection, loop or thread, because a forked worker could not use the parent's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from metaclip_spark.errors import DamagedSourceError

_ARCHIVES = ("zip", "tar", "libarchive")
"""Schemes of files inside an archive; the archive's place follows `::`."""


@dataclass(frozen=True)
class Identity:
    """The size of a source in bytes (None: unknown) and its etag ("": unknown), as its server reports them."""

    size: int | None
    etag: str


@dataclass(frozen=True)
class Body:
    """The body of a response.

    Attributes:
        start: the position of the first byte, which may lie before the requested one.
        read: returns at most the given number of bytes, b"" at the end; raises `ConnectionLostError` or
            `DamagedSourceError`.
    """

    identity: Identity
    start: int
    read: Callable[[int], bytes]
    close: Callable[[], None]


class Transport(Protocol):
    """A reader of one source over one protocol."""

    def open(self, start: int, stop: int | None) -> Body:
        """Request the bytes `[start, stop)`, or from start to the end if `stop` is None.

        Raises:
            ConnectionLostError: the attempt failed.
            DamagedSourceError: another attempt cannot help.
        """

    def close(self) -> None:
        """Close the connections."""


def scheme_of(uri: str) -> str:
    """Return a uri's scheme in lower case, "" for a local path.

    >>> scheme_of("S3://bucket/a"), scheme_of("/data/a"), scheme_of("file:///data/a")
    ('s3', '', '')
    """
    scheme, sep, _ = uri.partition("://")
    scheme = scheme.lower() if sep and scheme.replace("+", "").isalnum() else ""
    return "" if scheme in ("file", "local") else scheme


def malformed(uri: str) -> str | None:
    """Return why a uri is none, such as one with half of an IPv6 address; None if it can be parsed, or is a path.

    >>> malformed("http://[::1/a.tsv"), malformed("http://[::1]/a.tsv"), malformed("[a.tsv")
    ('Invalid IPv6 URL', None, None)
    """
    if not scheme_of(uri):
        return None
    try:
        _ = urlsplit(uri).port
    except ValueError as error:
        return str(error)
    return None


def is_chain(uri: str) -> bool:
    """Return whether a uri is an fsspec chain: `simplecache::s3://bucket/key`, `zip://a.parquet::s3://bucket/a.zip`.

    A local path and a key of an object store may contain `::`, too.
    """
    head, separator, rest = uri.partition("://")
    return bool(separator) and ("::" in head or (scheme_of(uri) in _ARCHIVES and "::" in rest))


def shown(uri: str) -> str:
    """Return a uri that is safe to print: without user, password and query, which can hold secrets."""
    if not scheme_of(uri):
        return uri
    try:
        parts = urlsplit(uri)
    except ValueError:  # what stands before its last @, and after its first ?, may be a secret
        scheme, _, rest = uri.partition("://")
        return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def changed(uri: str) -> DamagedSourceError:
    """Return the error for a source that changed while it was read."""
    return DamagedSourceError(f"{shown(uri)} changed while it was read; run again with --retry partial,failed")


def etag_in(details: Mapping[str, Any]) -> str:
    """Return the etag in a response's headers or a listing's details; else one made from a timestamp, else ""."""
    for name in ("ETag", "etag", "e_tag"):
        if details.get(name):
            return "remote:" + str(details[name]).removeprefix("W/").strip('"')
    for name in ("Last-Modified", "LastModified", "last_modified", "mtime", "created"):
        if details.get(name):
            return f"remote-modified:{details[name]}"
    return ""
