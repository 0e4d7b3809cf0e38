"""A whole card for tests of pages: every part there is, with texts of the test's choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metaclip_spark.report.class_counts import ClassCount, ClassCounts
from metaclip_spark.report.composition.model import Composition, EntryDomains, PairDrawn, Part, Parts


def composition(texts: Sequence[str], pairs: int = 50) -> Composition:
    """Parts, domains and pairs named by the texts, over and over; entries 0 to 39 are judged, and have the texts."""
    parts = Parts([Part(text, 900 - at, 300 - at) for at, text in enumerate(texts)], len(texts) + 7, 12_345, 3_456)
    n = 40
    return Composition(
        languages=parts,
        text_sources=parts,
        domains=parts,
        entry_domains=EntryDomains(
            np.arange(n, dtype=np.int32),
            np.full(n, 40),
            1.0 + np.arange(n) / 3,
            np.full(n, 13),
            [texts[at % len(texts)] for at in range(n)],
            100,
        ),
        drawn=[
            PairDrawn(f"{at:032x}", f"https://example.org/{text}", text, kept, p, 0.25)
            for kept, p in ((True, 0.99999), (False, 0.125))
            for at, text in enumerate(texts[at % len(texts)] for at in range(pairs))
        ],
        texts={
            at: (
                [(text, f"https://example.org/{text}", f"{n:032x}") for n, text in enumerate(texts)],
                [(texts[-1], "https://example.org/after", "f" * 32)],
            )
            for at in range(n)
        },
    )


def classes(texts: Sequence[str]) -> ClassCounts:
    """Classes named by the texts: the first is thin, the last is no entry."""
    found = [ClassCount(text, at, at % 2 == 0, 5_000, 5 + 1_000 * at) for at, text in enumerate(texts[:-1])]
    return ClassCounts(found, texts[-1:], 100)


def whole(texts: Sequence[str] = ("cat", "dog", "cow")) -> dict[str, Any]:
    """The fields of a card that are not there unless somebody looked."""
    looked = {"composition": composition(texts), "classes": classes(texts)}
    return {**looked, "pairs_sent": 13_000, "impossible": [1_700, 1_999]}
