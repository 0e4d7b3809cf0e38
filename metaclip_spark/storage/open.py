"""Where bytes come from: local files as they are, every other uri over the network, behind the same functions."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import BinaryIO

from metaclip_spark.errors import InputError
from metaclip_spark.storage.fetch import Patience
from metaclip_spark.storage.remote_file import RemoteFile
from metaclip_spark.storage.transport import scheme_of, shown

Info = tuple[int, str]
"""Bytes (0: not known) and fingerprint ("": not known) of a source."""

PATIENCE = Patience()
"""How long a task tries; see `Patience`."""
PLANNING_PATIENCE = Patience(attempts=4, forbidden_attempts=2, read_seconds=30.0)
"""The same where someone waits at a terminal."""
_ETAG_BYTES = 1 << 16


def is_remote(uri: str) -> bool:
    """Return whether a uri is no local path."""
    return bool(scheme_of(uri))


def local_path(uri: str) -> str:
    """Return the path of a local uri, with or without its file://."""
    return uri.partition("://")[2] if "://" in uri and not is_remote(uri) else uri


def open_source(uri: str, patience: Patience | None = None) -> BinaryIO:
    """Open a source for reading from its first byte: buffered, seekable, `tell()` in bytes of the source.

    A remote one is never held whole, and it survives errors: the read goes on where it was cut. What ends it is
    `DamagedSourceError`, raised by a read: it does not exist, it changed, or it could not be fetched in so many tries.
    """
    if is_remote(uri):
        return RemoteFile(uri, patience or PATIENCE)  # type: ignore[return-value]
    return open(local_path(uri), "rb")


def check_transport(uri: str) -> None:
    """Refuse a uri that cannot be read here.

    Raises:
        InputError: the scheme is not known, or its package is missing.
    """
    if scheme_of(uri) not in ("", "http", "https"):
        from metaclip_spark.storage.object_store import filesystem_of

        filesystem_of(uri)


def info_of(uri: str, patience: Patience | None = None) -> Info:
    """Return bytes and fingerprint: of a local file by its content, of a remote one as its server says.

    Raises:
        DamagedSourceError: a remote source that does not exist or could not be asked.
    """
    if not is_remote(uri):
        return size_of(uri), etag_of(uri)
    with RemoteFile(uri, patience or PLANNING_PATIENCE) as file:
        return file.learn()


def same_source(one: Info, other: Info) -> bool:
    """Return whether two sources have the same bytes, as far as is known.

    Sizes are compared where both are known, fingerprints where both are of one kind: a hash of a local file's bytes
    says nothing about a server's ETag.

    >>> same_source((10, "remote:a"), (0, "")), same_source((10, "remote:a"), (10, "remote:b"))
    (True, False)
    """
    if one[0] and other[0] and one[0] != other[0]:
        return False
    kinds = [_kind(etag) for _, etag in (one, other)]
    return "" in kinds or kinds[0] != kinds[1] or one[1] == other[1]


def _kind(etag: str) -> str:
    return etag.partition(":")[0] if ":" in etag else "local" if etag else ""


def list_remote(pattern: str) -> list[tuple[str, Info]]:
    """List the files that a remote glob matches, or all below a remote folder, ordered by uri.

    Raises:
        InputError: the scheme has no listings (http), or the listing failed.
    """
    if scheme_of(pattern) in ("http", "https"):
        raise InputError(
            f"input {shown(pattern)} cannot be listed over http; give its files, or a list of them (a .paths.gz)."
        )
    from metaclip_spark.storage.object_store import NO_CREDENTIALS, filesystem_of, identity_of

    files = filesystem_of(pattern)
    path = files._strip_protocol(pattern)
    try:
        found = files.glob(path, detail=True) if has_glob(pattern) else files.find(path, detail=True)
    except Exception as error:
        anonymous = isinstance(error, PermissionError) and getattr(files, "anon", False)
        why = NO_CREDENTIALS if anonymous else f"{type(error).__name__}: {error}"
        raise InputError(f"input {shown(pattern)} cannot be listed: {why}.") from error
    listed = []
    for name, details in found.items():
        if details.get("type") == "file":
            identity = identity_of(details)
            listed.append((files.unstrip_protocol(name), (identity.size or 0, identity.etag)))
    return sorted(listed)


def has_glob(uri: str) -> bool:
    """Return whether a remote uri is a pattern; a question mark in an http url begins its query."""
    return any(sign in uri for sign in ("*" if scheme_of(uri) in ("http", "https") else "*?["))


def size_of(uri: str) -> int:
    """Return a local source's size in bytes."""
    return os.path.getsize(local_path(uri))


def etag_of(uri: str) -> str:
    """Return a fingerprint of a local source: its size, and a hash of its first and last 64 KiB.

    A copy of a file has the same one, whatever its modification time.
    """
    size = size_of(uri)
    digest = blake2b(size.to_bytes(8, "little"), digest_size=16)
    with open(local_path(uri), "rb") as file:
        digest.update(file.read(_ETAG_BYTES))
        if size > _ETAG_BYTES:
            file.seek(max(size - _ETAG_BYTES, _ETAG_BYTES))
            digest.update(file.read(_ETAG_BYTES))
    return digest.hexdigest()
