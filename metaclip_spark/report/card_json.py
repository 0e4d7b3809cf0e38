"""The data card as JSON: the page's numbers under stable names."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from metaclip_spark.core.text import without_surrogates
from metaclip_spark.report import tables
from metaclip_spark.report.card import Card
from metaclip_spark.report.composition.model import LEAST, Composition, EntryDomains, PairDrawn, Parts
from metaclip_spark.report.funnel import funnel

FORMAT = 1
"""The version of the format. A name that changes its meaning needs a new version; an added name does not."""
WORST = 200
"""Maximum number of entries from few domains in the JSON. The page shows the first of them."""


def closing_numbers(card: Card) -> dict[str, Any]:
    """Return the numbers of the summary of a run."""
    return {
        "run_id": card.run_id,
        "snapshots": list(card.snapshots),
        "metadata_id": card.metadata_id,
        "sources": dict(card.sources),
        "records_read": card.records_read,
        "texts_read": card.texts_read,
        "texts_matched": card.texts_matched,
        "rejected": dict(card.rejected),
        "passed_over": dict(card.passed_over),
        **({"masked": dict(card.masked)} if card.masked else {}),
        "pairs_sent": card.pairs_sent,
        "funnel": [
            {"name": row.name, "value": row.value, "left_out": dict(row.left_out), "added": dict(row.added)}
            for row in funnel(card)
        ],
        "sources_without_pairs": [group.plain for group in card.without_pairs],
        "unique_pairs": card.unique_pairs,
        **({} if card.images is None else {"images": card.images}),
        **({} if card.left_of is None else {"left_of": card.left_of}),
        "entries": card.n_entries,
        "entries_unmatched": card.entries_unmatched,
        "entries_tail": card.entries_tail,
        "entries_head": card.entries_head,
        "head_share_of_counts": card.head_share_of_counts,
        "tail_fraction": card.tail_fraction,
        "threshold": card.threshold,
        **_languages(card),
        "seed": card.seed,
        "curated_size": card.curated_size,
        "expected_size": card.expected_size,
        "expected_sd": card.expected_sd,
        **({} if card.given is None else {"expected_given": card.given}),
        **({} if card.capped is None else {"capped": card.capped}),
        **({} if card.drawn is None else {"drawn": card.drawn}),
        **({} if card.given_counts is None else {"given_counts": dict(card.given_counts)}),
        **({} if card.weights is None else {"weights": dict(card.weights)}),
        "tables": dict(card.table_paths),
    }


def as_plain(card: Card) -> dict[str, Any]:
    """Return the card as plain values. All cards have the same keys; parts that were not computed are null."""
    sds = card.deviation_sds
    return {
        "format": FORMAT,
        "attempt_id": card.attempt_id,
        "created_at": card.created_at,
        "metaclip_spark_version": card.metaclip_spark_version,
        "metadata": card.metadata_path,
        "images": card.images,
        **closing_numbers(card),
        "tail_fraction_target": card.tail_fraction_target,
        "deviation_sds": sds if math.isfinite(sds) else None,
        "kept_share": card.kept_share,
        "counts": card.total_counts,
        "counts_curated": card.curated_total_counts,
        "head_share_of_counts_curated": card.curated_head_share_of_counts,
        "opt_outs": card.opted_out,
        "incomplete_sources": [list(source) for source in card.incomplete_sources],
        "never_matched": _never_matched(card),
        "matches_per_text": _by_number(card.matches_per_text),
        "matches_per_text_curated": _by_number(card.curated_matches_per_text),
        "top_entries": [_entry(card, at) for at in card.top_entry_ids()],
        "beside_the_paper": [list(row) for row in tables.paper_rows(card)],
        **_composition(card, card.composition),
        "class_names": _classes(card),
        "config": dict(card.config),
        "versions": dict(card.versions),
        "used": [dict(one) for one in card.used],
        "notes": list(card.notes),
    }


def as_text(plain: dict[str, Any]) -> str:
    """Serialize plain values as JSON that can be encoded as UTF-8."""
    return without_surrogates(json.dumps(plain, ensure_ascii=False, indent=1, allow_nan=False, default=str)) + "\n"


def _languages(card: Card) -> dict[str, Any]:
    """Return the rows of the lists of languages, and the tail fraction that gave their t; nothing for one list."""
    if not card.languages:
        return {}
    rows = [asdict(row) for row in card.languages]
    return {"tail_fraction_of_languages": card.tail_fraction_target, "language_lists": rows}


def _never_matched(card: Card) -> dict[str, Any]:
    impossible = [int(at) for at in card.impossible]
    return {
        "can_never_match": len(impossible),
        "did_not_occur": card.entries_unmatched - len(impossible),
        "examples_that_can_never_match": [card.entry(at) for at in impossible[:20]],
        "examples_that_did_not_occur": [card.entry(at) for at in card.absent_entry_ids()],
    }


def _entry(card: Card, at: int) -> dict[str, Any]:
    count = int(card.entry_counts[at])
    return {
        "entry_id": at,
        "entry": card.entry(at),
        "pool": count,
        "curated": int(card.curated_entry_counts[at]),
        "probability": card.threshold_of(at) / max(count, card.threshold_of(at)),
    }


def _by_number(histogram: Mapping[int, int]) -> dict[str, int]:
    return {str(number): histogram[number] for number in sorted(histogram)}


def _composition(card: Card, composition: Composition | None) -> dict[str, Any]:
    if composition is None:
        return dict.fromkeys(("languages", "text_sources", "domains", "entry_domains", "samples"))
    return {
        "languages": _parts(composition.languages),
        "text_sources": _parts(composition.text_sources),
        "domains": {"share_of_pairs": composition.domain_share, **_parts(composition.domains)},
        "entry_domains": None if composition.entry_domains is None else _domains(card, composition.entry_domains),
        "samples": {
            name: [_drawn(pair) for pair in composition.drawn if pair.kept is kept]
            for name, kept in (("curated", True), ("dropped", False))
        },
    }


def _parts(parts: Parts) -> dict[str, Any]:
    listed = [{"value": part.value, "pool": part.pool, "curated": part.curated} for part in parts.listed]
    return {"values": parts.values, "pool": parts.pool, "curated": parts.curated, "listed": listed}


def _domains(card: Card, domains: EntryDomains) -> dict[str, Any]:
    return {
        "pairs_at_least": LEAST,
        "pairs_an_entry": domains.per_entry,
        "judged": len(domains.entry_ids),
        "by_effective_domains": dict(domains.classes()),
        "worst": [domain_row(card, domains, at) for at in domains.worst(WORST, card.entry_counts)],
    }


def domain_row(card: Card, domains: EntryDomains, at: int) -> dict[str, Any]:
    """Return the domains of one entry as plain values.

    Args:
        at: position of the entry in `domains`.
    """
    entry_id = int(domains.entry_ids[at])
    return {
        "entry_id": entry_id,
        "entry": card.entry(entry_id),
        "pool": int(card.entry_counts[entry_id]),
        "curated": int(card.curated_entry_counts[entry_id]),
        "pairs_looked_at": int(domains.pairs[at]),
        "effective_domains": float(domains.effective[at]),
        "top_domain": domains.top_domains[at],
        "top_domain_share": float(domains.top_pairs[at] / domains.pairs[at]),
    }


def _drawn(pair: PairDrawn) -> dict[str, Any]:
    return {
        "pair_id": pair.pair_id,
        "url": pair.url,
        "text": pair.text,
        "sampling_probability": pair.sampling_probability,
        "draw": pair.draw,
    }


def _classes(card: Card) -> dict[str, Any] | None:
    if card.classes is None:
        return None
    return {
        "thin_below": card.classes.thin,
        "thin": [row.name for row in card.classes.thin_classes],
        "no_entry": list(card.classes.missing),
        "classes": [
            {
                "name": row.name,
                "entry": card.entry(row.entry_id),
                "entry_id": row.entry_id,
                "exact": row.exact,
                "pool": row.pool,
                "curated": row.curated,
            }
            for row in card.classes.found
        ],
    }
