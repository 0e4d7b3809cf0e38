"""What the templates show of a composition and of class names: rows, widths of bars, sentences."""

from __future__ import annotations

from typing import Any

from metaclip_spark.report.card import Card, share
from metaclip_spark.report.card_json import domain_row
from metaclip_spark.report.compare import Row
from metaclip_spark.report.composition.model import LEAST, Composition, Parts
from metaclip_spark.report.formatting import number, percent

NO_COMPOSITION = (
    "Languages, text sources, domains and pairs drawn at random take a pass over the pool: "
    "`metaclip-spark report` makes it and writes this page again."
)
OTHER_LIST = "The runs have different lists: equal strings are one entry, and what one list lacks counts 0 there."
BY_COUNT = (
    "Counts in the pool that differ by more than chance would have it come first: by |a − b| / √(a + b), which is "
    "about 1 between two samples of one source."
)
BY_SHARE = f"The share of an entry's pairs that stays; of entries with at least {LEAST} pairs in both pools."
PARTS_SHOWN = 15
WORST_SHOWN = 30
CLASSES_SHOWN = 1_000
THIN_SHOWN = 100


def composition(card: Card) -> dict[str, Any] | None:
    """What the template shows of `card.composition`; None where there is none."""
    found = card.composition
    if found is None:
        return None
    drawn = [(one.kept, one) for one in found.drawn]
    return {
        "languages": parts(found.languages, "languages"),
        "text_sources": parts(found.text_sources, "text sources"),
        "domains": parts(found.domains, "domains"),
        "domain_sentence": _domain_sentence(found),
        **_entries(card, found),
        "sample_sentence": _sample_sentence(card),
        "samples": [
            ("pairs of the curated subset", "curated", [one for kept, one in drawn if kept]),
            ("pairs that were dropped", "dropped", [one for kept, one in drawn if not kept]),
        ],
    }


def parts(found: Parts, name: str, shown: int = PARTS_SHOWN) -> dict[str, Any]:
    """Rows of pairs by value: the first of the pool, then what is among the first of the subset alone."""
    first = list(found.listed[:shown])
    of_subset = sorted(found.listed, key=lambda part: -part.curated)[:shown]
    rows = first + [part for part in found.listed[shown:] if part in of_subset and part.curated]
    longest = max((part.pool for part in rows), default=0)
    left = found.values - len(rows)
    pool, curated = (sum(getattr(part, side) for part in rows) for side in ("pool", "curated"))
    more = f"And {number(left)} more {name}, with {number(found.pool - pool)} pairs of the pool and "
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
        "more": f"{more}{number(found.curated - curated)} of the subset." if left > 0 else "",
    }


def difference(row: Row) -> tuple[str, str, str, str, str]:
    """(name, first, second, difference, relative change) as the page writes them."""
    write = {"count": number, "share": percent, "value": lambda value: number(value, 2)}[row.kind]
    if not row.difference:
        return row.name, write(row.first), write(row.second), "0", ""
    sign = "+" if row.difference > 0 else "−"
    size = abs(row.difference)
    said = f"{size * 100:.2f} points" if row.kind == "share" else write(size)
    change = f"{sign}{percent(size / abs(row.first))}" if row.first and row.kind != "share" else ""
    return row.name, write(row.first), write(row.second), sign + said, change


def classes(card: Card) -> dict[str, Any] | None:
    """What the template shows of `card.classes`; None where no names were given."""
    found = card.classes
    if found is None:
        return None
    thin, names = found.thin_ones, len(found.found) + len(found.missing)
    left_thin, left_missing = len(thin) - THIN_SHOWN, len(found.missing) - CLASSES_SHOWN
    ordered = sorted(found.found, key=lambda one: -one.curated)
    shown = f", of which the first {number(CLASSES_SHOWN)} are here" if len(ordered) > CLASSES_SHOWN else ""
    return {
        "title": f"{number(len(thin))} of {number(names)} classes {'is' if len(thin) == 1 else 'are'} thin",
        "sentence": f"Fewer than {number(found.thin)} pairs of the curated subset match the entry that the class is.",
        "thin": thin[:THIN_SHOWN],
        "more_thin": f"And {number(left_thin)} more, in the JSON beside this page." if left_thin > 0 else "",
        "missing_title": _no_entries(len(found.missing)),
        "missing": found.missing[:CLASSES_SHOWN],
        "more_missing": f"And {number(left_missing)} more, in the JSON beside this page." if left_missing > 0 else "",
        "all_title": f"All {number(len(ordered))} classes that are entries, by their pairs of the subset{shown}",
        "all": ordered[:CLASSES_SHOWN],
    }


def _no_entries(missing: int) -> str:
    return "1 class is no entry" if missing == 1 else f"{number(missing)} classes are no entries"


def _domain_sentence(found: Composition) -> str:
    said = "The host of the image's url, without www."
    if found.domain_share >= 1:
        return f"{said}; {number(found.domains.values)} in all."
    return (
        f"{said}, counted in {number(found.domains.pool)} pairs: a sample of {percent(found.domain_share)} "
        f"of the pool by a keyed hash, and of the subset by the same."
    )


def _entries(card: Card, found: Composition) -> dict[str, Any]:
    domains = found.entry_domains
    if domains is None or not len(domains.entry_ids):
        return {"entry_sentence": f"No entry has the {LEAST} pairs from which on one is judged.", "classes": []}
    said = (
        f"An entry whose matches come from one shop is no rare concept. The effective number of domains is "
        f"1 / Σ share² (inverse Simpson): 1 where all matches come from one domain, n where n domains have equally "
        f"many. {number(len(domains.entry_ids))} entries with at least {LEAST} pairs of the pool are judged: by all "
        f"their pairs up to a count of {domains.per_entry}, above by about {domains.per_entry} each, drawn by a "
        "keyed hash of the pair."
    )
    classed = domains.classes()
    longest = max(n for _, n in classed)
    worst = [domain_row(card, domains, at) for at in domains.worst(WORST_SHOWN, card.entry_counts)]
    bars = [(name, n, 100 * share(n, longest)) for name, n in classed]
    return {"entry_sentence": said, "classes": bars, "worst": worst}


def _sample_sentence(card: Card) -> str:
    said = (
        "Drawn evenly by a hash of the pair that is keyed by the seed, apart from the draw that decides; with each "
        "pair its sampling probability and that draw: a pair is kept where the draw is the smaller one."
    )
    if card.images is not None:
        said += " One text of each image is drawn; the image's other texts are dropped, whatever their draw."
    return said
