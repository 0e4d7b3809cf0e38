"""Fetch the bytes of a remote source by position, over a network that fails now and then."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass

from metaclip_spark.errors import ConnectionLostError, DamagedSourceError, FetchError, ForbiddenError
from metaclip_spark.storage.transport import Body, Identity, Transport, changed, scheme_of, shown


@dataclass(frozen=True)
class Patience:
    """Limits on the attempts to fetch a source.

    Attributes:
        attempts: failures in a row after which a source fails; `progress_bytes` without a failure reset the count.
        forbidden_attempts: the same for failures with status 403, which Common Crawl uses to throttle.
        base_delay, max_delay: seconds before the second attempt, doubled for each further one up to the maximum; half
            of it is jitter.
        longest_wait: maximum seconds for which a server's Retry-After is honoured.
        connect_seconds, read_seconds: seconds without a connection, or without a byte, after which an attempt fails.
        block_seconds: seconds in which a block must be complete, or the attempt fails.
        block_bytes: bytes fetched as one block; at most two blocks are in memory.
        progress_bytes: bytes after which earlier failures no longer count.
    """

    attempts: int = 8
    forbidden_attempts: int = 4
    base_delay: float = 1.0
    max_delay: float = 60.0
    longest_wait: float = 300.0
    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    block_seconds: float = 600.0
    block_bytes: int = 8 << 20
    progress_bytes: int = 1 << 20


class Fetch:
    """A reader of one source's bytes by position, with retries within `patience`; one thread at a time may use it.

    Attributes:
        identity: the size and etag of the first response; a later response that differs ends the source.
        failure: the error that ended the source after the last returned bytes, or None.
        retries: kind of failure -> number of requests that were made again after one.
    """

    def __init__(self, uri: str, patience: Patience) -> None:
        self.identity: Identity | None = None
        self.failure: DamagedSourceError | None = None
        self.retries: Counter[str] = Counter()
        self._uri = uri
        self._patience = patience
        self._transport = _transport_of(uri, patience)
        self._body: Body | None = None
        self._position = 0
        self._progress = 0
        self._deadline = 0.0
        self._failures: Counter[str] = Counter()
        self._closed = threading.Event()

    def learn(self) -> Identity:
        """Return the source's identity; request one byte if no request was made yet."""
        while self.identity is None:
            self._piece(0, 1, 1)
            self._drop()
        return self.identity

    def block(self, start: int, size: int, only: bool = False) -> bytes:
        """Return `size` bytes from a position, fewer only at the source's end or before a failure.

        Args:
            only: request these bytes alone; otherwise the connection stays open for the next block.
        """
        parts: list[bytes] = []
        end, at = start + size, start
        self._deadline = time.monotonic() + self._patience.block_seconds
        try:
            while at < end and not self.closed:
                piece = self._piece(at, end - at, end if only else None)
                if not piece:
                    break
                parts.append(piece)
                at += len(piece)
        except DamagedSourceError as damage:
            self.failure = damage
        if only:
            self._drop()
        return b"".join(parts)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed.is_set()

    def close(self) -> None:
        """Stop a thread that fetches; the last user calls `release`."""
        self._closed.set()

    def release(self) -> None:
        """Close the connection."""
        self._drop()
        self._transport.close()

    @property
    def _size(self) -> int | None:
        return None if self.identity is None else self.identity.size

    def _piece(self, at: int, size: int, stop: int | None) -> bytes:
        """Return at most `size` bytes from a position, b"" only at the source's end; retry after a lost connection."""
        while True:
            if self._size is not None and at >= self._size:
                return b""
            try:
                body = self._body
                if body is None or self._position != at:
                    self._drop()
                    body = self._open(at, stop)
                if time.monotonic() > self._deadline:
                    raise ConnectionLostError("a transfer that is too slow")
                piece = body.read(size)
                if not piece and self._size is not None and at < self._size:
                    raise ConnectionLostError("a truncated body")
            except ConnectionLostError as lost:
                self._drop()
                self._back_off(lost)
                continue
            self._position += len(piece)
            self._progress += len(piece)
            if self._progress >= self._patience.progress_bytes:
                self._failures.clear()
            return piece

    def _open(self, at: int, stop: int | None) -> Body:
        body = self._body = self._transport.open(at, stop)
        self._deadline = time.monotonic() + self._patience.block_seconds
        before = self.identity
        if before is None or before.size is None:
            self.identity = body.identity
        if before is not None and not _same(before, body.identity):
            raise changed(self._uri)
        remaining = at - body.start
        while remaining:  # a server without range requests sends the file from its start
            skipped = body.read(remaining)
            if not skipped:
                raise ConnectionLostError("a truncated body")
            remaining -= len(skipped)
        self._position = at
        return body

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def _back_off(self, lost: ConnectionLostError) -> None:
        """Wait before the next attempt.

        Raises:
            FetchError: this failure was the last one allowed.
            DamagedSourceError: the source was closed during the wait.
        """
        self._progress = 0
        self._failures[str(lost)] += 1
        number, patience = self._failures.total(), self._patience
        forbidden = isinstance(lost, ForbiddenError) and self._failures[str(lost)] >= patience.forbidden_attempts
        if forbidden or number >= patience.attempts:
            alike = len(self._failures) == 1
            summary = f"got {lost} {_times(number)}" if alike else f"{_times(number)} in a row, the last with {lost}"
            raise FetchError(f"{shown(self._uri)} could not be fetched: {summary}")
        self.retries[_kind(lost)] += 1
        delay = min(patience.max_delay, patience.base_delay * 2 ** (number - 1))
        # This is not a keyed draw: the time of a retry decides nothing about a row, and tasks must not retry in unison.
        delay *= random.uniform(0.5, 1.0)
        if self._wait(max(delay, min(lost.wait, patience.longest_wait))):
            raise DamagedSourceError(f"{shown(self._uri)} was closed while it was read")

    def _wait(self, seconds: float) -> bool:
        """Wait; return whether the source was closed meanwhile."""
        return self._closed.wait(seconds)


def _transport_of(uri: str, patience: Patience) -> Transport:
    # The transports are imported where they are used: a process that reads local files needs neither package.
    if scheme_of(uri) in ("http", "https"):
        from metaclip_spark.storage.http import HttpTransport

        return HttpTransport(uri, patience.connect_seconds, patience.read_seconds)
    from metaclip_spark.storage.object_store import FsspecTransport

    return FsspecTransport(uri, patience.connect_seconds, patience.read_seconds)


def _kind(lost: ConnectionLostError) -> str:
    """Return the kind of a failure: its first words, without the details that differ by request."""
    return str(lost).partition(" (")[0].partition(":")[0]


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _same(one: Identity, other: Identity) -> bool:
    sizes = one.size is None or other.size is None or one.size == other.size
    kinds = [etag.partition(":")[0] for etag in (one.etag, other.etag)]
    return sizes and (kinds[0] != kinds[1] or one.etag == other.etag)
