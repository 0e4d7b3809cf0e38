"""What every way to a remote source has in common. One try is made at a time; `fetching.py` tries again.

Nothing is made at import: a forked worker makes its own connections, loops and threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from metaclip_spark.errors import DamagedSourceError


@dataclass(frozen=True)
class Identity:
    """What a server says of a source: its size in bytes (None: not said) and its etag ("": not said)."""

    size: int | None
    etag: str


@dataclass(frozen=True)
class Body:
    """Bytes on their way.

    Attributes:
        start: the position of the first byte, which may lie before the one asked for.
        read: returns at most so many bytes, b"" at the end; raises `ConnectionLostError` or `DamagedSourceError`.
    """

    identity: Identity
    start: int
    read: Callable[[int], bytes]
    close: Callable[[], None]


class Transport(Protocol):
    """A way to one source."""

    def open(self, start: int, stop: int | None) -> Body:
        """Request the bytes `[start, stop)`, or from start to the end.

        Raises:
            ConnectionLostError: the attempt failed.
            DamagedSourceError: another attempt cannot help.
        """

    def close(self) -> None:
        """Give up what is open."""


def scheme_of(uri: str) -> str:
    """Return the scheme in lower case, "" for a local path.

    >>> scheme_of("S3://bucket/a"), scheme_of("/data/a"), scheme_of("file:///data/a")
    ('s3', '', '')
    """
    scheme, sep, _ = uri.partition("://")
    scheme = scheme.lower() if sep and scheme.replace("+", "").isalnum() else ""
    return "" if scheme in ("file", "local") else scheme


def shown(uri: str) -> str:
    """Return a uri as it may be printed: without user, password or query, which can hold secrets."""
    if not scheme_of(uri):
        return uri
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def changed(uri: str) -> DamagedSourceError:
    """Return the error for a source whose bytes are no longer those that were read so far."""
    return DamagedSourceError(f"{shown(uri)} changed while it was read; run again with --retry partial,failed")


def etag_in(details: Mapping[str, Any]) -> str:
    """Return the etag among a response's headers or a listing's details: by content, else by time, else ""."""
    for name in ("ETag", "etag", "e_tag"):
        if details.get(name):
            return "remote:" + str(details[name]).removeprefix("W/").strip('"')
    for name in ("Last-Modified", "LastModified", "last_modified", "mtime", "created"):
        if details.get(name):
            return f"remote-modified:{details[name]}"
    return ""
