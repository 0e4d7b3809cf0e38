"""Find and count bytes in bytes, several times as fast as `bytes` does where stringzilla is installed."""

from __future__ import annotations

try:
    from stringzilla import count, find  # the same arguments and results as bytes.count and bytes.find
except ImportError:

    def find(data: bytes | memoryview, pattern: bytes, start: int = 0) -> int:
        """Return the first position of a pattern, or -1, as `bytes.find` does."""
        return bytes(data).find(pattern, start)

    def count(data: bytes | memoryview, pattern: bytes) -> int:
        """Return the number of occurrences of a pattern that do not overlap, as `bytes.count` does."""
        return bytes(data).count(pattern)


__all__ = ["count", "find"]
