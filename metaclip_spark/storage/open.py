"""Open, list and fingerprint sources: local files directly, every other uri over the network, by the same functions."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import BinaryIO

from metaclip_spark.core.secrets import HIDDEN
from metaclip_spark.errors import DamagedSourceError, InputError
from metaclip_spark.storage.fetch import Patience
from metaclip_spark.storage.remote_file import RemoteFile
from metaclip_spark.storage.transport import scheme_of, shown

Info = tuple[int, str]
"""Size in bytes (0: unknown) and fingerprint ("": unknown) of a source."""

PATIENCE = Patience()
"""Limits of a task; see `Patience`."""
PLANNING_PATIENCE = Patience(attempts=4, forbidden_attempts=2, read_seconds=30.0)
"""Limits of a command whose user waits at a terminal."""
_ETAG_BYTES = 1 << 16


def is_remote(uri: str) -> bool:
    """Return whether a uri is not a local path."""
    return bool(scheme_of(uri))


def local_path(uri: str) -> str:
    """Return the path of a local uri, with or without its file://."""
    return uri.partition("://")[2] if "://" in uri and not is_remote(uri) else uri


def open_source(uri: str, patience: Patience | None = None) -> BinaryIO:
    """Open a source for reading from its first byte: buffered, seekable, `tell()` in bytes of the source.

    A remote source is never in memory whole. A read resumes after a lost connection. A read raises
    `DamagedSourceError` if the source does not exist, has changed, or fails more often than `patience` allows.
    """
    if HIDDEN in uri:
        raise DamagedSourceError(
            f"{shown(uri)} was given with a secret, which is not stored; give the source again (--input)"
        )
    if is_remote(uri):
        # In typeshed, only the standard library's own files derive from BinaryIO.
        return RemoteFile(uri, patience or PATIENCE)  # type: ignore[return-value]
    return open(local_path(uri), "rb")


def check_transport(uri: str) -> None:
    """Refuse a uri that cannot be read on this machine.

    Raises:
        InputError: the scheme is not known, or its package is missing.
    """
    if scheme_of(uri) not in ("", "http", "https"):
        from metaclip_spark.storage.object_store import source_filesystem

        source_filesystem(uri)


def info_of(uri: str, patience: Patience | None = None) -> Info:
    """Return the size and fingerprint of a source: of a local file by its content, of a remote one from its server.

    Raises:
        DamagedSourceError: a remote source does not exist, or its server does not answer.
    """
    if not is_remote(uri):
        return size_of(uri), etag_of(uri)
    with RemoteFile(uri, patience or PLANNING_PATIENCE) as file:
        return file.learn()


def same_source(one: Info, other: Info) -> bool:
    """Return whether two sources have the same bytes, as far as is known.

    Sizes are compared if both are known. Fingerprints are compared if both are of one kind: a hash of a local file's
    bytes cannot be compared with a server's ETag.

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
    """List the files that a remote glob matches, or all files below a remote folder, ordered by uri.

    Raises:
        InputError: the scheme has no listings (http), or the listing failed.
    """
    if scheme_of(pattern) in ("http", "https"):
        raise InputError(
            f"input {shown(pattern)} cannot be listed over http; give its files, or a list of them (a .paths.gz)."
        )
    from metaclip_spark.storage.object_store import NO_CREDENTIALS, identity_of, source_filesystem

    files, path = source_filesystem(pattern)
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
    """Return whether a remote uri is a glob pattern; a question mark in an http url begins its query."""
    return any(sign in uri for sign in ("*" if scheme_of(uri) in ("http", "https") else "*?["))


def size_of(uri: str) -> int:
    """Return a local source's size in bytes."""
    return os.path.getsize(local_path(uri))


def etag_of(uri: str) -> str:
    """Return a fingerprint of a local source: a hash of its size and of its first and last 64 KiB.

    A copy of a file has the same fingerprint, whatever its modification time.
    """
    size = size_of(uri)
    digest = blake2b(size.to_bytes(8, "little"), digest_size=16)
    with open(local_path(uri), "rb") as file:
        digest.update(file.read(_ETAG_BYTES))
        if size > _ETAG_BYTES:
            file.seek(max(size - _ETAG_BYTES, _ETAG_BYTES))
            digest.update(file.read(_ETAG_BYTES))
    return digest.hexdigest()
