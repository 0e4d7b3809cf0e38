"""A page of a WAT: its fields, and its image links."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt


class Page(msgspec.Struct, gc=False):
    """The fields of a record that concern the whole page.

    Attributes:
        url: the page's url, "" if the record has none.
        base: the base of the page's relative urls.
        encoded: whether the page's attributes still have character references; those of `base` are decoded.
        opt_out: the page's opt-out if it is honoured, else None.
        has_text: whether one of the texts that were read is not empty.
        complete: whether all of its links are in a batch.
    """

    url: str
    base: str
    encoded: bool = True
    opt_out: str | None = None
    has_text: bool = False
    complete: bool = False


class Links(NamedTuple):
    """The image links of a page that have a text, in order; og:image with og:title comes last, if it is wanted.

    Attributes:
        raw: (n,) uint8, the JSON with the links.
        spans: (m, SPANS) int64; the first `number` rows are the positions of the links' strings in `raw`. The array
            belongs to the reader and is valid until the next record is read.
        number: the number of links to read.
        beyond: the number of further links, over the maximum per page.
    """

    raw: npt.NDArray[np.uint8]
    spans: npt.NDArray[np.int64]
    number: int
    beyond: int = 0
