"""A filter that ends its process where a text says so, as a crash of a library or a want of memory does."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np


def deadly(batch):
    """Keep every text; die on those that name a death."""
    for text in batch.column("text").to_pylist():
        if "poison crash" in text:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "poison exit" in text:
            os._exit(7)
        if "poison memory" in text:
            bytearray(1 << 60)
        if "poison once" in text or "poison second" in text:
            die_at = 2 if "second" in text else 1
            marks = Path(os.environ["POISON_MARKS"])
            mark = marks / f"{text.split()[-1]}-{len(list(marks.iterdir()))}"
            mark.touch()
            if len(list(marks.glob(f"{text.split()[-1]}-*"))) == die_at:
                os._exit(7)
    return np.ones(len(batch), dtype=bool), "never"
