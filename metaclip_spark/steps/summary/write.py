"""Write the public summary of a run: Markdown, JSON, and the largest domains as CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.secrets import masked
from metaclip_spark.errors import WarehouseError
from metaclip_spark.report.summary.domain_csv import HEADER
from metaclip_spark.report.summary.facts import DomainList, Facts, listed_domains
from metaclip_spark.report.summary.render import as_markdown, as_plain
from metaclip_spark.report.summary.template import sections
from metaclip_spark.stages.summary.domains import as_csv, domains_of, largest
from metaclip_spark.steps.card import make_card
from metaclip_spark.steps.context import RunContext
from metaclip_spark.steps.summary.facts import read_facts
from metaclip_spark.steps.takedown.rows import refuse_takedown_since
from metaclip_spark.storage.write import open_atomic, write_text
from metaclip_spark.warehouse.tables import filter_equal

MARKDOWN, JSON = "summary.md", "summary.json"
LISTS = {"images": "url", "pages": "page_url"}
"""What the domains of a list are of -> the column with their urls."""


def write_summary(ctx: RunContext, folder: str, small: bool) -> Facts:
    """Write the summary of a run's subset into a folder, and return its facts.

    Args:
        small: list the domains that small firms have to list.

    Raises:
        WarehouseError: the run was never balanced, a file cannot be written, or a takedown removed pairs meanwhile.
    """
    subset = filter_equal(ctx.warehouse.read("curated_pairs"), run_id=ctx.run_id)
    facts = read_facts(ctx, make_card(ctx), subset)
    folder = folder.rstrip("/")
    lists = [_write_domains(subset, of, folder, small) for of in LISTS]
    facts = replace(facts, domains=[each for each in lists if each is not None], small=small)
    refuse_takedown_since(ctx.warehouse, ctx.log, [ctx.run_id], [f"{folder}/{each.file}" for each in facts.domains])
    filled = sections(facts)
    plain = json.dumps(as_plain(filled, facts), ensure_ascii=False, indent=1) + "\n"
    write_text(f"{folder}/{JSON}", plain, "summary", "--eu-summary")
    write_text(f"{folder}/{MARKDOWN}", as_markdown(filled, facts), "summary", "--eu-summary")
    return facts


def _write_domains(subset: DataFrame, of: str, folder: str, small: bool) -> DomainList | None:
    """Write the largest domains; None where no pair has a url of the kind, as the pages of tables."""
    domains = domains_of(subset, LISTS[of])
    named = (F.col("domain") != "").cast("bigint")
    row = domains.agg(
        F.sum(named).alias("domains"),
        F.sum("pairs").alias("pairs"),
        F.sum(F.col("pairs") * (1 - named)).alias("without"),
    ).collect()[0]
    if not row["domains"]:
        return None
    number = listed_domains(row["domains"], small)
    file = f"domains-of-{of}.csv"
    listed = _write_csv(largest(domains, number), f"{folder}/{file}")
    pairs = row["pairs"] - row["without"]
    return DomainList(of, file, row["domains"], number, pairs, listed, row["without"])


def _write_csv(ranked: DataFrame, place: str) -> int:
    """Write domains by rank, block by block; return the number of their pairs."""
    try:
        with open_atomic(place) as file:
            file.write((",".join(HEADER) + "\r\n").encode())
            pairs = 0
            for block in as_csv(ranked).toLocalIterator():
                file.write(block["lines"].encode())
                pairs += block["pairs"]
    except (OSError, ValueError, ImportError) as error:
        raise WarehouseError(
            f"summary {masked(place)} cannot be written: {error}. Give another place with --eu-summary."
        ) from error
    return pairs


def files_of(facts: Facts) -> Sequence[str]:
    """Return the names of the files of a summary."""
    return [MARKDOWN, JSON, *(each.file for each in facts.domains)]
