"""Change files that kernels map, so that only a check of their content can tell: lists, models, arrays of models."""

from __future__ import annotations

import json
import random
import re
import struct
from typing import Any

import numpy as np
import xxhash
from mutator import NUMBERS

from metaclip_spark.storage import array_file

_HEADER = array_file._HEADER
_KINDS = ["|u1", "<u2", "<u4", "<i4", "<u8", "<i8", "<f4", "|O", "|S4", "|b1", "nonsense"]


def resealed_list(draw: random.Random, raw: bytes) -> bytes:
    """Change a file of arrays in its header, or in the values of an array, and make its checksum right again."""
    head, body = raw[:_HEADER], bytearray(raw[_HEADER:])
    at = head.index(b"{")
    magic, header = head[:at], json.loads(head[at:])
    for _ in range(draw.choice((1, 1, 2, 5))):
        name = draw.choice(list(header["arrays"]))
        entry = header["arrays"][name]
        what = draw.randrange(12)
        if what == 0:
            entry["dtype"] = draw.choice(_KINDS)
        elif what == 1:
            entry["shape"] = draw.choice([[draw.choice(NUMBERS)], [], [0], [2, -1], "x", [entry["at"]] * 2, [1.5]])
        elif what == 2:
            entry["at"] = draw.choice([*NUMBERS, len(body), entry["at"] + 1, None])
        elif what == 3:
            del header["arrays"][name]
            return sealed(magic, header, bytes(body))
        elif what == 4:
            key = draw.choice([key for key in header if key not in ("arrays", "xxh3")])
            header[key] = draw.choice([*NUMBERS, "x", None, [], {}, header[key]])
            if key == "numbers":
                header[key] = draw.choice([None, {}, []])
        elif what == 5 and "numbers" in header:
            key = draw.choice(list(header["numbers"]))
            header["numbers"][key] = draw.choice([*NUMBERS, "x", None])
        else:
            _change_values(draw, body, entry)
    return sealed(magic, header, bytes(body))


def _change_values(draw: random.Random, body: bytearray, entry: dict[str, Any]) -> None:
    try:
        size, count = np.dtype(entry["dtype"]).itemsize, int(np.prod(entry["shape"]))
        start = entry["at"] - _HEADER
    except (TypeError, ValueError):
        return
    for _ in range(draw.choice((1, 1, 10)) if 0 < count < 1 << 30 and size else 0):
        value = draw.choice([*NUMBERS, draw.randrange(256), draw.randrange(1 << 16)]) & ((1 << 8 * size) - 1)
        place = start + size * draw.choice((0, count - 1, draw.randrange(count)))
        if 0 <= place <= len(body) - size:
            body[place : place + size] = value.to_bytes(size, "little")


def sealed(magic: bytes, header: dict[str, Any], body: bytes) -> bytes:
    """Return a file with the right checksum of its content."""
    return array_file.sealed(magic, header, xxhash.xxh3_64(body)) + body


def resealed_model(draw: random.Random, raw: bytes) -> bytes:
    """Change numbers of a model where they mean something: its arguments, its dictionary, its matrices."""
    out = bytearray(raw)
    layouts = [("<i", 8 + 4 * at) for at in range(12)]
    layouts += [("<i", 64), ("<i", 68), ("<i", 72), ("<q", 76), ("<q", 84)]
    counts = [found.end() for found in re.finditer(rb"__label__[a-z0-9]+\0", raw)]
    layouts += [("<q", at) for at in counts]
    words = 92
    layouts += [("<q", raw.index(b"\0", words) + 1)]
    end = counts[-1] + 9
    layouts += [("<i", end + 4 * at) for at in range(6)] + [("<q", end + 1), ("<q", end + 9), ("<i", len(raw) - 400)]
    for _ in range(draw.choice((1, 1, 2, 4))):
        layout, at = draw.choice(layouts)
        width = struct.calcsize(layout)
        value = draw.choice([*NUMBERS, 10**16, draw.randrange(300), -draw.randrange(300)]) & ((1 << 8 * width) - 1)
        out[at : at + width] = value.to_bytes(width, "little")
    return bytes(out)
