"""Read the facts of a public summary: sums over the subset of a run, and where its pool comes from."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.candidates.options import DEFAULT_OPT_OUTS
from metaclip_spark.config.setting import flag_of
from metaclip_spark.config.settings import Settings
from metaclip_spark.report.account import meaning_of
from metaclip_spark.report.card import Card
from metaclip_spark.report.summary.facts import Facts, Input, Rules
from metaclip_spark.steps.context import RunContext
from metaclip_spark.steps.earlier_settings import DECIDING, LAYOUT, settings_of_snapshot
from metaclip_spark.warehouse.tables import filter_equal

_IN_CRAWL = r"^crawl-data/([^/]+)/"
_FETCHED = r"-(\d{14})-(\d{14})-\d+\.(?:warc|wat|arc)"
"""Times of the first and the last fetch in an archive's name, as Common Crawl's have them."""

_NO_FILTERS = ("opt_outs", "id_column", "keep_unmatched", "no_dedup", "no_lid", "lid", "sample_cap", *LAYOUT)
"""Deciding settings that are no filters, or have a sentence of their own."""


def read_facts(ctx: RunContext, card: Card, subset: DataFrame) -> Facts:
    """Read the facts of a run, but for the domains.

    Args:
        card: the numbers of the run.
        subset: its curated pairs.
    """
    texts = F.sum(F.length("text").cast("bigint")).alias("characters")
    by_language = subset.groupBy("lang").agg(F.count("*").alias("pairs"), texts).collect()
    languages = {row["lang"]: (row["pairs"], row["characters"]) for row in _most_first(by_language, "lang")}
    by_source = subset.groupBy("text_source").agg(F.count("*").alias("pairs")).collect()
    inputs, extract_ids = _inputs(ctx, list(card.snapshots))
    return Facts(
        run_id=card.run_id,
        software=card.metaclip_spark_version,
        threshold=card.threshold,
        seed=card.seed,
        pairs=sum(pairs for pairs, _ in languages.values()),
        images=subset.select("image_id").distinct().count(),
        characters=sum(characters for _, characters in languages.values()),
        languages=languages,
        text_sources={row["text_source"]: row["pairs"] for row in _most_first(by_source, "text_source")},
        inputs=inputs,
        gone=ctx.log.drawn_run(ctx.run_id).gone,
        rules={name: _rules(ctx, name, ids) for name, ids in extract_ids.items()},
        rejected={why: (number, meaning_of(why)) for why, number in {**card.rejected, **card.passed_over}.items()},
        opted_out=card.opted_out,
        taken_down=card.taken_down,
        pool=card.unique_pairs,
        notes=_notes(card),
    )


def _notes(card: Card) -> list[str]:
    """Return the notes of the card, and what the page of the card says of a draw in other places."""
    notes = list(card.notes)
    if card.languages:
        listed = ", ".join(f"{row.name} {row.threshold:,}" for row in card.languages if row.counts)
        notes.append(f"Each language is balanced with a list and a t of its own: {listed}.")
    if card.left_of is not None:
        notes.append(f"The pairs balanced are those of {card.left_of} that survived other filters.")
    return notes


def _most_first(rows: list[Any], name: str) -> list[Any]:
    return sorted(rows, key=lambda row: (-row["pairs"], row[name] or ""))


def _inputs(ctx: RunContext, snapshots: list[str]) -> tuple[list[Input], dict[str, list[str]]]:
    """Return the input by snapshot, format and crawl, and the hashes of the settings of each snapshot."""
    sources = filter_equal(ctx.warehouse.read("sources"), metadata_id=ctx.metadata_id, snapshot=snapshots)
    path = F.col("source_path")
    first, last = (F.regexp_extract(path, _FETCHED, group) for group in (1, 2))
    rows = (
        sources.withColumn("crawl", F.regexp_extract(path, _IN_CRAWL, 1))
        .groupBy("snapshot", "format", "crawl", "extract_id")
        .agg(
            F.count("*").alias("sources"),
            F.sum("texts_read").alias("texts"),
            F.sum("bytes_read").alias("bytes"),
            F.sum((first == "").cast("bigint")).alias("undated"),
            F.min(first).alias("first"),
            F.max(last).alias("last"),
        )
        .collect()
    )
    found: dict[tuple[str, str, str], list[Any]] = {}
    extract_ids: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: tuple(row)[:4]):
        found.setdefault((row["snapshot"], row["format"], row["crawl"]), []).append(row)
        ids = extract_ids.setdefault(row["snapshot"], [])
        if row["extract_id"] not in ids:
            ids.append(row["extract_id"])
    return [_input(*key, rows) for key, rows in found.items()], extract_ids


def _input(snapshot: str, format: str, crawl: str, rows: list[Any]) -> Input:
    dated = not any(row["undated"] for row in rows)
    return Input(
        snapshot,
        format,
        crawl,
        sources=sum(row["sources"] for row in rows),
        texts=sum(row["texts"] for row in rows),
        bytes=sum(row["bytes"] for row in rows),
        first=_day(min(row["first"] for row in rows)) if dated else "",
        last=_day(max(row["last"] for row in rows)) if dated else "",
    )


def _day(time: str) -> str:
    """Return the day of YYYYMMDDhhmmss."""
    return f"{time[:4]}-{time[4:6]}-{time[6:8]}"


def _rules(ctx: RunContext, snapshot: str, extract_ids: list[str]) -> Rules:
    """Return how a snapshot was extracted; unknown where the log does not tell it of all of its sources."""
    found = [settings_of_snapshot(ctx, snapshot, extract_id) for extract_id in extract_ids]
    known = [settings for settings in found if settings is not None]
    if len(known) < len(found) or not known:
        return Rules(None)
    honoured = [tuple(settings.opt_outs) if settings.opt_outs is not None else DEFAULT_OPT_OUTS for settings in known]
    # Only what was honoured in all of the sources is claimed.
    common = tuple(name for name in honoured[0] if all(name in each for each in honoured))
    filters = dict.fromkeys(sentence for settings in known for sentence in _filters(settings))
    return Rules(common, tuple(filters), not any(settings.no_dedup for settings in known))


def _filters(settings: Settings) -> list[str]:
    """Return the flags of a snapshot that leave texts out; of files and functions without their names."""
    defaults = Settings()
    given = {name: getattr(settings, name) for name in DECIDING if name not in _NO_FILTERS}
    given["languages"] = settings.wanted_languages or None  # English, where nothing is said
    return [f"{flag_of(name)}{_value(value)}" for name, value in given.items() if value != getattr(defaults, name)]


def _value(value: Any) -> str:
    values = [str(one) for one in value] if isinstance(value, tuple) else [str(value)]
    if value is True or any("/" in one or ":" in one for one in values):
        return ""
    return f" {','.join(values)}"
