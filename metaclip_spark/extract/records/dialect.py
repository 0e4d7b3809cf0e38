"""The differences between WAT and WARC files for their reader: accepted faults, and limits.

WATs come from two extractors, so any fault is damage. WARCs come from many crawlers and have faults: one crawl of 2018
has lengths that are two bytes short.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Dialect(NamedTuple):
    """The rules for reading the records of one kind of file.

    Attributes:
        separator: the bytes that are allowed between two records; it also matches b"".
        short_by: maximum number of bytes by which a block may be longer than its Content-Length.
        version_first: whether a header's first line is checked before the rest is read. Then an error shows only this
            line; otherwise it also shows the bytes after it.
        max_head_lines: a header of more lines is damage.
        max_head_bytes: a header of more bytes is damage.
        max_length: a larger Content-Length is damage.
        max_block_bytes: a longer content block is skipped.
        read_bytes: the size of the first read, and of every read of a plain file.
    """

    separator: re.Pattern[bytes]
    short_by: int
    version_first: bool
    max_head_lines: int
    max_head_bytes: int
    max_length: int
    max_block_bytes: int
    read_bytes: int


_NO_LIMIT = 10**18 - 1

WAT = Dialect(
    separator=re.compile(rb"(?:\r?\n)*"),
    short_by=0,
    version_first=True,
    max_head_lines=1000,
    max_head_bytes=1000 << 16,
    max_length=_NO_LIMIT,
    max_block_bytes=1 << 28,  # a larger block would take the worker's memory
    read_bytes=1 << 18,
)
WARC = Dialect(
    separator=re.compile(rb"[\r\n]*"),
    short_by=2,
    version_first=False,
    max_head_lines=_NO_LIMIT,
    max_head_bytes=1 << 16,
    max_length=_NO_LIMIT,
    max_block_bytes=32 << 20,  # no page is as long: Common Crawl truncates pages at 1 MB
    read_bytes=1 << 17,
)
