"""A remote source as a file, read ahead by a block."""

from __future__ import annotations

import io
import threading

from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.storage.fetch import Fetch, Patience
from metaclip_spark.storage.transport import Identity


class _Ahead(threading.Thread):
    """The next block, fetched while the last one is parsed. Daemonic: a stalled read must not hold the worker."""

    def __init__(self, fetch: Fetch, start: int, size: int) -> None:
        super().__init__(daemon=True)
        self._fetch, self._from, self._size = fetch, start, size
        self._block = b""
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Fetch."""
        try:
            self._block = self._fetch.block(self._from, self._size)
        except BaseException as error:
            self._error = error
        if self._fetch.closed:
            self._fetch.release()

    def result(self) -> bytes:
        """Wait for the block."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._block


class RemoteFile(io.BufferedIOBase):
    """A remote source, readable and seekable; at most two blocks of it are in memory.

    Read from its start it comes as one stream, and a read of so many bytes before a failure returns what there is
    (the next one raises, so only b"" is the end). A read of everything is whole or raises, and so is each read once
    the file was entered elsewhere (Parquet); it then comes by ranges.
    """

    def __init__(self, uri: str, patience: Patience) -> None:
        self._fetch = Fetch(uri, patience)
        self._size = patience.block_bytes
        self._buffer = b""
        self._start = self._offset = 0
        self._blocks = 0
        self._stream = True
        self._ahead: _Ahead | None = None

    @property
    def info(self) -> tuple[int, str]:
        """Bytes and etag, as the server said them with the first request; (0, "") before that."""
        found = self._fetch.identity or Identity(None, "")
        return found.size or 0, found.etag

    def learn(self) -> tuple[int, str]:
        """Return `info`, with a request for one byte if none was made yet."""
        self._fetch.learn()
        return self.info

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Return how many bytes of the source lie before the next one."""
        return self._start + self._offset

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, all of them unless the source ends or fails."""
        left = -1 if size is None else size
        parts: list[bytes] = []
        while left:
            try:
                piece = self._take(left)
            except DamagedSourceError:
                if parts and self._stream and left > 0:
                    break
                raise
            if not piece:
                break
            parts.append(piece)
            left -= len(piece) if left > 0 else 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes of the block at hand."""
        return self._take(size) if size else b""

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return a line with its line feed; the last one may have none."""
        left = -1 if size is None else size
        parts: list[bytes] = []
        while left and not (parts and parts[-1].endswith(b"\n")):
            if self._offset == len(self._buffer) and not self._fill(1):
                break
            end = self._buffer.find(b"\n", self._offset) + 1 or len(self._buffer)
            parts.append(self._take(end - self._offset if left < 0 else min(left, end - self._offset)))
            left -= len(parts[-1]) if left > 0 else 0
        return b"".join(parts)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; inside the block at hand this costs nothing."""
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
            if self._ahead is not None:
                self._ahead.join(0.1)
            # A thread in a stalled read closes the connection when it wakes; no one waits for that.
            if self._ahead is None or not self._ahead.is_alive():
                self._fetch.release()
            self._ahead, self._buffer = None, b""
        super().close()

    def _end(self) -> int:
        self._forget()
        size = self._fetch.learn().size
        if size is None:
            raise DamagedSourceError("the server does not say how large the file is, so it cannot be read from its end")
        return size

    def _forget(self) -> None:
        here = self.tell()
        if self._ahead is not None:
            self._ahead.join()
            self._ahead = None
        self._buffer, self._start, self._offset, self._blocks = b"", here, 0, 0

    def _take(self, size: int) -> bytes:
        if self._offset == len(self._buffer) and not self._fill(size):
            return b""
        stop = len(self._buffer) if size < 0 else self._offset + size
        piece = self._buffer[self._offset : stop]
        self._offset += len(piece)
        return piece

    def _fill(self, size: int) -> bool:
        """Fetch what comes next; return whether there is any."""
        at = self.tell()
        if self._ahead is not None:
            block, self._ahead = self._ahead.result(), None
        elif self._fetch.failure is not None:
            raise self._fetch.failure
        elif self._stream:
            block = self._fetch.block(at, self._size)
        else:
            block = self._fetch.block(at, max(size, self._size // 8), only=True)
        if not block and self._fetch.failure is not None:
            raise self._fetch.failure
        self._buffer, self._start, self._offset = block, at, 0
        self._blocks += 1
        # From the second block on: whoever wants a header or a list of paths wants no more than the first.
        if self._stream and self._blocks > 1 and len(block) == self._size:
            self._ahead = _Ahead(self._fetch, at + len(block), self._size)
        return bool(block)
