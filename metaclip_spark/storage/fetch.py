"""The bytes of a remote source, by position, from a network that fails now and then."""

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
    """How long a source is tried for.

    Attributes:
        attempts: failures in a row after which a source is given up; `progress_bytes` in between start a new row.
        forbidden_attempts: the same for status 403, which Common Crawl throttles with.
        base_delay, max_delay: seconds before the second try, doubled for each further one up to the maximum; half of
            it is jitter.
        longest_wait: seconds that a server's Retry-After is honoured for at most.
        connect_seconds, read_seconds: without a connection, or a byte, for so long, a try has failed.
        block_seconds: so has a try that brings less than a block in this time.
        block_bytes: what is fetched at once; two blocks are held.
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
    """The bytes of one source, by position; tries again until `patience` ends. One thread at a time uses it.

    Attributes:
        identity: what the server said first; another answer later ends the source.
        failure: why nothing comes after what was returned last, or None.
    """

    def __init__(self, uri: str, patience: Patience) -> None:
        self.identity: Identity | None = None
        self.failure: DamagedSourceError | None = None
        self._uri = uri
        self._patience = patience
        self._transport = _transport_of(uri, patience)
        self._body: Body | None = None
        self._at = 0
        self._progress = 0
        self._deadline = 0.0
        self._failures: Counter[str] = Counter()
        self._closed = threading.Event()

    def learn(self) -> Identity:
        """Return the source's identity, with a request for one byte where none was made yet."""
        if self.identity is None:
            self._piece(0, 1, 1)
            self._drop()
        assert self.identity is not None
        return self.identity

    def block(self, start: int, size: int, only: bool = False) -> bytes:
        """Return `size` bytes from a position, fewer only at the source's end or before a failure.

        Args:
            only: nothing after these bytes is wanted; otherwise the connection stays open for the next block.
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
        """Whether nothing more is wanted."""
        return self._closed.is_set()

    def close(self) -> None:
        """Stop a thread that fetches; `release` is for the last who uses it."""
        self._closed.set()

    def release(self) -> None:
        """Close the connection."""
        self._drop()
        self._transport.close()

    def _piece(self, at: int, size: int, stop: int | None) -> bytes:
        while True:
            if self.identity is not None and self.identity.size is not None and at >= self.identity.size:
                return b""
            try:
                if self._body is None or self._at != at:
                    self._drop()
                    self._open(at, stop)
                if time.monotonic() > self._deadline:
                    raise ConnectionLostError("a slow drip")
                piece = self._body.read(size)
                if not piece and self.identity.size is not None and at < self.identity.size:
                    raise ConnectionLostError("a cut body")
            except ConnectionLostError as lost:
                self._drop()
                self._back_off(lost)
                continue
            self._at += len(piece)
            self._progress += len(piece)
            if self._progress >= self._patience.progress_bytes:
                self._failures.clear()
            return piece

    def _open(self, at: int, stop: int | None) -> None:
        body = self._body = self._transport.open(at, stop)
        self._deadline = time.monotonic() + self._patience.block_seconds
        before = self.identity
        if before is None or before.size is None:
            self.identity = body.identity
        if before is not None and not _same(before, body.identity):
            raise changed(self._uri)
        left = at - body.start
        while left:  # a server without range requests: from the start, and past what is known already
            skipped = body.read(left)
            if not skipped:
                raise ConnectionLostError("a cut body")
            left -= len(skipped)
        self._at = at

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def _back_off(self, lost: ConnectionLostError) -> None:
        self._progress = 0
        self._failures[str(lost)] += 1
        number, patience = self._failures.total(), self._patience
        forbidden = isinstance(lost, ForbiddenError) and self._failures[str(lost)] >= patience.forbidden_attempts
        if forbidden or number >= patience.attempts:
            one = len(self._failures) == 1
            said = f"got {lost} {_times(number)}" if one else f"{_times(number)} in a row, the last with {lost}"
            raise FetchError(f"{shown(self._uri)} could not be fetched: {said}")
        delay = min(patience.max_delay, patience.base_delay * 2 ** (number - 1))
        # Not keyed: when a task asks again decides nothing about a row, and all tasks must not ask together.
        delay *= random.uniform(0.5, 1.0)
        if self._rest(max(delay, min(lost.wait, patience.longest_wait))):
            raise DamagedSourceError(f"{shown(self._uri)} was closed while it was read")

    def _rest(self, seconds: float) -> bool:
        """Wait; return whether the source was closed meanwhile."""
        return self._closed.wait(seconds)


def _transport_of(uri: str, patience: Patience) -> Transport:
    # Imported where they are needed: whoever reads local files needs neither package.
    if scheme_of(uri) in ("http", "https"):
        from metaclip_spark.storage.http import HttpTransport as Kind
    else:
        from metaclip_spark.storage.object_store import FsspecTransport as Kind
    return Kind(uri, patience.connect_seconds, patience.read_seconds)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _same(one: Identity, other: Identity) -> bool:
    sizes = one.size is None or other.size is None or one.size == other.size
    kinds = [etag.partition(":")[0] for etag in (one.etag, other.etag)]
    return sizes and (kinds[0] != kinds[1] or one.etag == other.etag)
