"""Make hostile bytes out of good ones, by a seed: one mutator for all kinds of files."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Sequence

LEVELS = 10_000
"""Levels of deep nesting."""
NUMBERS = [
    0,
    1,
    -1,
    255,
    1 << 15,
    (1 << 31) - 1,
    -(1 << 31),
    1 << 31,
    (1 << 32) - 1,
    1 << 40,
    (1 << 63) - 1,
    -(1 << 63),
]
"""Numbers that overflow a size, a sum or a product."""

NESTED = [
    b"[",
    b'{"a":',
    b'{"Envelope":',
    b'{"Links":[{"url":',
    b"<div>",
    b"<svg><a ",
    b"- ",
    b"{a: ",
    b"? ",
    b"(",
    b"&a ",
]
"""Openings of a level, of JSON, HTML and YAML."""

TOKENS = [
    b"\0",
    b"\0" * 100,
    "\u202e\u2066gnp.\u2069\u202c".encode(),  # bidirectional marks
    b"\xed\xa0\x80",  # a lone surrogate as bytes
    b'"\\ud800"',
    b"\\udfff\\ud800",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\xc0\xaf",  # too long a form
    b"\xf5\x80\x80\x80",
    b"\xe2\x82",
    "\u2028\u0085\x0c".encode(),
    "\u0130\u1e9e\ufb03".encode(),
    b'"',
    b"'",
    b"\\",
    b"}",
    b"]",
    b">",
    b"<!--",
    b"&#x110000;&#0;&#xd800;&",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\t",
    b",",
    b"=1+1",
    b"../../etc/passwd",
    b"~\0root",
    b"file:///etc/passwd",
    b"http://[::1",
    b"http://127.0.0.1:1/",
    b"data:image/png;base64,",
    b"1e999",
    b"-1e-999",
    b"NaN",
    b"9" * 5000,
    b"0x" + b"f" * 3000,
    b"null",
    b"{}",
    b"[]",
    b"!!python/object/apply:os.system ['true']",
    b"&a [*a]",
    b"2024-99-99",
    b"<<: *b",
    b"PAR1",
    b"\x1f\x8b\x08",
    b"WARC/1.0\r\n",
    b"Content-Length: 1\r\n",
]
"""Bytes that a parser may take for something else, or for too much."""

Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def mutated(draw: random.Random, content: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Return content with one to four faults.

    Args:
        others: contents of the same kind, to splice parts of.
    """
    raw = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        draw.choice(CHANGES)(draw, raw, others)
    return bytes(raw)


def flip(draw: random.Random, raw: bytearray, others: Sequence[bytes]) -> None:
    """Change some bits."""
    for _ in range(draw.choice((1, 1, 4, 30)) if raw else 0):
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)


def noise(draw: random.Random, raw: bytearray, others: Sequence[bytes]) -> None:
    """Overwrite a part with random bytes."""
    at, size = _place(draw, raw), draw.choice((1, 4, 64))
    raw[at : at + size] = draw.randbytes(draw.choice((size, size, draw.randrange(100))))


def cut(draw: random.Random, raw: bytearray, others: Sequence[bytes]) -> None:
    """Drop the end, the beginning, or a part between."""
    at = _place(draw, raw)
    part = draw.choice((slice(at, None), slice(at, None), slice(0, at), slice(at, at + draw.choice((1, 8, 500)))))
    del raw[part]


def repeat(draw: random.Random, raw: bytearray, others: Sequence[bytes]) -> None:
    """Repeat a part, once or many times."""
    at, size = _place(draw, raw), draw.choice((1, 10, 300, 5000))
    raw[at:at] = raw[at : at + size] * draw.choice((1, 2, 2, min(50, 100_000 // size)))


def splice(draw: random.Random, raw: bytearray, others: Sequence[bytes]) -> None:
    """Put a part of another content, or of this one, in another place."""
    other = draw.choice(others) if others else bytes(raw)
    start, at, size = _place(draw, other), _place(draw, raw), draw.choice((10, 100, 4000))
    raw[at : at + draw.choice((0, size))] = other[start : start + size]


def number(draw: random.Random, raw: bytearray, others: Sequence[bytes]) -> None:
    """Overwrite what may be a size: a binary number, or a number in digits."""
    written = list(re.finditer(rb"[0-9]+", bytes(raw)))
    if written and draw.random() < 0.5:
        found = draw.choice(written)
        raw[slice(*found.span())] = str(draw.choice([*NUMBERS, 10**40, draw.randrange(1000)])).encode()
        return
    layout = draw.choice(["<i", "<q", ">i", ">q", "<h"])
    width = struct.calcsize(layout)
    value = draw.choice(NUMBERS) if draw.random() < 0.7 else draw.randrange(1 << 16)
    low = value & ((1 << 8 * width) - 1)
    at = draw.randrange(min(max(len(raw), 1), draw.choice((100, 1 << 30))))
    raw[at : at + width] = low.to_bytes(width, "little" if layout[0] == "<" else "big")


def insert(draw: random.Random, raw: bytearray, others: Sequence[bytes]) -> None:
    """Insert bytes that a parser may take for something else."""
    for _ in range(draw.choice((1, 1, 3, 20))):
        at = _place(draw, raw)
        raw[at:at] = draw.choice(TOKENS)


def nest(draw: random.Random, raw: bytearray, others: Sequence[bytes]) -> None:
    """Insert many levels, or put them in the place of everything."""
    deep = draw.choice(NESTED) * draw.choice((50, 990, 1030, LEVELS))
    at = _place(draw, raw)
    if draw.random() < 0.3:
        raw[:] = deep
    else:
        raw[at:at] = deep


def swell(draw: random.Random, raw: bytearray, others: Sequence[bytes]) -> None:
    """Insert a value of up to a megabyte."""
    at = _place(draw, raw)
    piece = draw.choice([b"x", b"a ", b"\xe7\x8c\xab", b"/", b"%", b"&amp;", b"\\u00e9", b'""', b"\n", b"\0"])
    raw[at:at] = piece * (draw.choice((2_000, 70_000, 70_000, 1_000_000)) // len(piece))


CHANGES: tuple[Change, ...] = (flip, flip, noise, cut, repeat, splice, number, number, insert, insert, nest, swell)
"""All changes; frequent ones are there twice."""


def _place(draw: random.Random, raw: bytes | bytearray) -> int:
    return draw.randrange(len(raw) + 1)
