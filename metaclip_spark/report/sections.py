"""Rows, bar widths and sentences of the page's sections on composition, class names and two runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metaclip_spark.core.wording import counted
from metaclip_spark.report.card import Card, share
from metaclip_spark.report.card_json import domain_row
from metaclip_spark.report.compare import Row
from metaclip_spark.report.composition.model import LEAST, Composition, Parts
from metaclip_spark.report.formatting import number, percent

NO_COMPOSITION = (
    "Languages, text sources, domains and a random sample of pairs need another pass over the pool: "
    "`metaclip-spark report` makes it and writes this page again."
)
OTHER_LIST = (
    "The runs use different entry lists. Equal strings are compared as one entry. An entry that is missing from one "
    "list has count 0 there."
)
BY_COUNT = (
    "Entries are sorted by |a − b| / √(a + b) of their counts in the two pools, the largest value first. The value is "
    "about 1 for two samples of one source."
)
BY_SHARE = (
    "Entries are sorted by how much their share of kept pairs differs. Only entries with at least "
    f"{LEAST} pairs in both pools are compared."
)
PARTS_SHOWN = 15
WORST_SHOWN = 30
CLASSES_SHOWN = 1_000
THIN_SHOWN = 100


def composition(card: Card) -> dict[str, Any] | None:
    """Return the template's values for `card.composition`, or None if it was not computed."""
    found = card.composition
    if found is None:
        return None
    return {
        "languages": parts(found.languages, "language"),
        "text_sources": parts(found.text_sources, "text source"),
        "domains": parts(found.domains, "domain"),
        "domain_sentence": _domain_sentence(found),
        **_entries(card, found),
        "sample_sentence": _sample_sentence(card),
        "samples": [
            ("pairs of the curated subset", "curated", [pair for pair in found.drawn if pair.kept]),
            ("pairs that were dropped", "dropped", [pair for pair in found.drawn if not pair.kept]),
        ],
    }


def parts(found: Parts, name: str, shown: int = PARTS_SHOWN) -> dict[str, Any]:
    """Return rows of pairs by value: the most frequent values of the pool, then the other frequent ones of the subset.

    Args:
        name: the singular noun of a value.
        shown: the number of most frequent values.
    """
    first = list(found.listed[:shown])
    of_subset = sorted(found.listed, key=lambda part: -part.curated)[:shown]
    rows = first + [part for part in found.listed[shown:] if part in of_subset and part.curated]
    longest = max((part.pool for part in rows), default=0)
    left = found.values - len(rows)
    pool, curated = (sum(getattr(part, side) for part in rows) for side in ("pool", "curated"))
    more = (
        f"{number(left)} more {name} has " if left == 1 else f"{number(left)} more {name}s have "
    ) + f"{number(found.pool - pool)} pairs of the pool and {number(found.curated - curated)} of the subset."
    return {
        "rows": [
            {
                "value": part.value,
                "pool": part.pool,
                "curated": part.curated,
                "kept": share(part.curated, part.pool),
                "pool_width": 100 * share(part.pool, longest),
                "curated_width": 100 * share(part.curated, longest),
            }
            for part in rows
        ],
        "more": more if left > 0 else "",
    }


def difference(row: Row) -> tuple[str, str, str, str, str]:
    """Format a row as (name, first, second, difference, relative change)."""
    formats: dict[str, Callable[[float], str]] = {
        "count": number,
        "share": percent,
        "value": lambda value: number(value, 2),
    }
    write = formats[row.kind]
    if not row.difference:
        return row.name, write(row.first), write(row.second), "0", ""
    sign = "+" if row.difference > 0 else "−"
    size = abs(row.difference)
    points = f"{size * 100:.2f} points" if row.kind == "share" else write(size)
    change = f"{sign}{percent(size / abs(row.first))}" if row.first and row.kind != "share" else ""
    return row.name, write(row.first), write(row.second), sign + points, change


def classes(card: Card) -> dict[str, Any] | None:
    """Return the template's values for `card.classes`, or None if no names were given."""
    found = card.classes
    if found is None:
        return None
    thin, names = found.thin_classes, len(found.found) + len(found.missing)
    left_thin, left_missing = len(thin) - THIN_SHOWN, len(found.missing) - CLASSES_SHOWN
    ordered = sorted(found.found, key=lambda row: -row.curated)
    shown = f" (the first {number(CLASSES_SHOWN)} are shown)" if len(ordered) > CLASSES_SHOWN else ""
    return {
        "title": f"{number(len(thin))} of {number(names)} classes {'is' if len(thin) == 1 else 'are'} thin",
        "sentence": f"A class is thin if fewer than {number(found.thin)} pairs of the curated subset match its entry.",
        "thin": thin[:THIN_SHOWN],
        "more_thin": _more(left_thin),
        "missing_title": _no_entries(len(found.missing)),
        "missing": found.missing[:CLASSES_SHOWN],
        "more_missing": _more(left_missing),
        "all_title": f"All {number(len(ordered))} classes that are entries, sorted by their pairs in the subset{shown}",
        "all": ordered[:CLASSES_SHOWN],
    }


def _more(left: int) -> str:
    return f"The JSON file of this page lists {number(left)} more." if left > 0 else ""


def _no_entries(missing: int) -> str:
    return "1 class is not an entry" if missing == 1 else f"{number(missing)} classes are not entries"


def _domain_sentence(found: Composition) -> str:
    definition = "A domain is the registered part of an image's host: example.co.uk of img1.example.co.uk."
    if found.domain_share >= 1:
        return f"{definition} The pool has {counted(found.domains.values, 'domain')}."
    return (
        f"{definition} Domains are counted in {number(found.domains.pool)} pairs, a sample of "
        f"{percent(found.domain_share)} of the pool by a keyed hash. The subset is sampled by the same hash."
    )


def _entries(card: Card, found: Composition) -> dict[str, Any]:
    domains = found.entry_domains
    if domains is None or not len(domains.entry_ids):
        return {
            "entry_sentence": f"No entry has {LEAST} pairs in the pool, the minimum for this comparison.",
            "classes": [],
        }
    sentence = (
        "An entry whose matches come from one shop is not a rare concept. The effective number of domains is "
        "1 / Σ share² (inverse Simpson): 1 if all matches come from one domain, n if n domains have equally many. "
        f"{number(len(domains.entry_ids))} entries have at least {LEAST} pairs in the pool, and are compared. If an "
        f"entry has more than {domains.per_entry} pairs, about {domains.per_entry} of them are sampled by a keyed hash "
        "of the pair."
    )
    by_class = domains.classes()
    longest = max(n for _, n in by_class)
    worst = [domain_row(card, domains, at) for at in domains.worst(WORST_SHOWN, card.entry_counts)]
    bars = [(name, n, 100 * share(n, longest)) for name, n in by_class]
    return {"entry_sentence": sentence, "classes": bars, "worst": worst}


def _sample_sentence(card: Card) -> str:
    sentence = (
        "The pairs are sampled uniformly by a hash of the pair. The hash is keyed by the seed, and independent of the "
        "draw. Each pair is shown with its sampling probability and its draw. A pair is kept if its draw is below its "
        "sampling probability."
    )
    if card.images is not None:
        sentence += " Only one text of each image is sampled. Its other texts are dropped, whatever their draw."
    return sentence
