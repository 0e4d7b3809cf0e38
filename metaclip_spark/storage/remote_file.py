"""A remote source as a file object that prefetches one block."""

from __future__ import annotations

import io
import threading
from collections import Counter

from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.storage.fetch import Fetch, Patience
from metaclip_spark.storage.transport import Identity


class _Prefetch(threading.Thread):
    """A thread that fetches the next block while the last one is parsed.

    The thread is a daemon: a stalled read must not keep the worker alive.
    """

    def __init__(self, fetch: Fetch, start: int, size: int) -> None:
        super().__init__(daemon=True)
        self._fetch, self._from, self._size = fetch, start, size
        self._block = b""
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Fetch the block."""
        try:
            self._block = self._fetch.block(self._from, self._size)
        except BaseException as error:
            self._error = error
        if self._fetch.closed:
            self._fetch.release()

    def result(self) -> bytes:
        """Wait for the block and return it."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._block


class RemoteFile(io.BufferedIOBase):
    """A remote source, readable and seekable; at most two blocks of it are in memory.

    A file that is read from its start is fetched as one stream. If the stream fails, a read of a given size returns the
    bytes before the failure, and the next read raises; so b"" always means the end. A read of all remaining bytes is
    complete or raises. After a seek to another position (Parquet), the file is fetched by range requests, and each read
    is complete or raises.
    """

    def __init__(self, uri: str, patience: Patience) -> None:
        self._fetch = Fetch(uri, patience)
        self._size = patience.block_bytes
        self._buffer = b""
        self._start = self._offset = 0
        self._blocks = 0
        self._stream = True
        self._prefetch: _Prefetch | None = None

    @property
    def info(self) -> tuple[int, str]:
        """Size in bytes and etag from the server's first response; (0, "") before that response."""
        found = self._fetch.identity or Identity(None, "")
        return found.size or 0, found.etag

    @property
    def retries(self) -> Counter[str]:
        """The requests made again so far, by kind of failure; the counter goes on counting."""
        return self._fetch.retries

    def learn(self) -> tuple[int, str]:
        """Return `info`; request one byte if no request was made yet."""
        self._fetch.learn()
        return self.info

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position of the next byte in the source."""
        return self._start + self._offset

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, all of them unless the source ends or fails."""
        remaining = -1 if size is None else size
        parts: list[bytes] = []
        while remaining:
            try:
                piece = self._buffered(remaining)
            except DamagedSourceError:
                if parts and self._stream and remaining > 0:
                    break
                raise
            if not piece:
                break
            parts.append(piece)
            remaining -= len(piece) if remaining > 0 else 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes of the current block."""
        return self._buffered(size) if size else b""

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return a line with its line feed; the last line may have none."""
        remaining = -1 if size is None else size
        parts: list[bytes] = []
        while remaining and not (parts and parts[-1].endswith(b"\n")):
            if self._offset == len(self._buffer) and not self._fill(1):
                break
            end = self._buffer.find(b"\n", self._offset) + 1 or len(self._buffer)
            parts.append(self._buffered(end - self._offset if remaining < 0 else min(remaining, end - self._offset)))
            remaining -= len(parts[-1]) if remaining > 0 else 0
        return b"".join(parts)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; a seek inside the current block costs no request."""
        target = offset + {io.SEEK_SET: lambda: 0, io.SEEK_CUR: self.tell, io.SEEK_END: self._end}[whence]()
        if target < 0:
            raise ValueError(f"negative position {target}")
        if self._start <= target <= self._start + len(self._buffer):
            self._offset = target - self._start
            return target
        self._forget()
        self._start, self._stream = target, target == 0
        return target

    def close(self) -> None:
        """Close the connection."""
        if not self.closed:
            self._fetch.close()
            if self._prefetch is not None:
                self._prefetch.join(0.1)
            # A thread in a stalled read closes the connection when it wakes; `close` does not wait for that.
            if self._prefetch is None or not self._prefetch.is_alive():
                self._fetch.release()
            self._prefetch, self._buffer = None, b""
        super().close()

    def _end(self) -> int:
        self._forget()
        size = self._fetch.learn().size
        if size is None:
            raise DamagedSourceError("the server does not say how large the file is, so it cannot be read from its end")
        return size

    def _forget(self) -> None:
        """Drop the buffer and the prefetched block; keep the position."""
        position = self.tell()
        if self._prefetch is not None:
            self._prefetch.join()
            self._prefetch = None
        self._buffer, self._start, self._offset, self._blocks = b"", position, 0, 0

    def _buffered(self, size: int) -> bytes:
        """Return up to `size` bytes of the buffer (all if `size` is negative); fill an empty buffer first."""
        if self._offset == len(self._buffer) and not self._fill(size):
            return b""
        stop = len(self._buffer) if size < 0 else self._offset + size
        piece = self._buffer[self._offset : stop]
        self._offset += len(piece)
        return piece

    def _fill(self, size: int) -> bool:
        """Fetch the next block; return whether it has any bytes."""
        position = self.tell()
        if self._prefetch is not None:
            block, self._prefetch = self._prefetch.result(), None
        elif self._fetch.failure is not None:
            raise self._fetch.failure
        elif self._stream:
            block = self._fetch.block(position, self._size)
        else:
            block = self._fetch.block(position, max(size, self._size // 8), only=True)
        if not block and self._fetch.failure is not None:
            raise self._fetch.failure
        self._buffer, self._start, self._offset = block, position, 0
        self._blocks += 1
        # Prefetching starts with the second block: a caller that reads a header or a list of paths needs only one.
        if self._stream and self._blocks > 1 and len(block) == self._size:
            self._prefetch = _Prefetch(self._fetch, position + len(block), self._size)
        return bool(block)
