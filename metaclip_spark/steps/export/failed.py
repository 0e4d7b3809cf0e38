"""The pairs whose images a download did not get, for another try."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.errors import InputError
from metaclip_spark.export.failures import to_retry
from metaclip_spark.export.unfinished import unfinished_shards
from metaclip_spark.sources.files import Source
from metaclip_spark.stages.download import OUTCOME, images_by_outcome, outcomes_of, with_outcomes
from metaclip_spark.stages.survive import exported_ids, key_of, unmatched
from metaclip_spark.steps.parquet import parquet_sources, read_parquet, readable


@dataclass(frozen=True)
class Download:
    """What img2dataset wrote.

    Attributes:
        what: the flag and its values, for messages.
        folders: as given, without secrets.
        sources: the Parquet files.
    """

    what: str
    folders: Sequence[str]
    sources: Sequence[Source]


@dataclass(frozen=True)
class Failed:
    """The pairs to export, and what the download got.

    Attributes:
        pairs: the pairs whose image has one of the outcomes `retried`.
        images: outcome -> number of images of the pairs that could be exported, most frequent first.
        retried: the outcomes that are tried again.
        unfinished: number of shards that img2dataset did not finish; their images count as not tried.
        unmatched: number of images of the download that no pair has.
    """

    pairs: DataFrame
    images: Mapping[str, int]
    retried: Sequence[str]
    unfinished: int
    unmatched: int


def download_of(folders: Sequence[str]) -> Download:
    """List the Parquet files of downloads.

    Raises:
        InputError: a folder does not exist, or there is no Parquet file.
    """
    shown = [masked(folder) for folder in folders]
    what = f"--failed-of {', '.join(shown)}"
    return Download(what, shown, parquet_sources(folders, what, "the folder that img2dataset wrote"))


def failed_of(
    spark: SparkSession,
    pairs: DataFrame,
    download: Download,
    statuses: tuple[str, ...] | None,
    say: Callable[[str], None],
) -> Failed:
    """Return the pairs whose image a download lacks.

    Args:
        statuses: the outcomes to try again; None: all but opt-outs.
        say: gets a line about shards that were not finished, and one about images that no pair has.

    Raises:
        InputError: the files are not those of img2dataset, one is damaged, or nothing is to be tried again.
    """
    what = download.what
    unfinished = set(unfinished_shards(source.uri for source in download.sources))
    if unfinished:
        one = agrees(len(unfinished), "its images count", "their images count")
        say(f"{what}: img2dataset did not finish {counted(len(unfinished), 'shard')}; {one} as not tried.")
    finished = [source for source in download.sources if source.uri not in unfinished]
    if not finished:
        raise InputError(f"{what} holds no finished shard; let img2dataset finish one, or export without --failed-of.")
    with readable(what):
        table = read_parquet(spark, finished)
        outcomes = outcomes_of(table)
        exported = exported_ids(pairs) if key_of(table) == "url" else None
        lost = unmatched(pairs, outcomes, exported).count()
        if lost:
            say(f"{what}: {lost:,} of {outcomes.count():,} values of {key_of(table)} match no pair of this export.")
        known = with_outcomes(pairs, outcomes, exported)
        rows = images_by_outcome(known).collect()
    images = {row[OUTCOME]: row["images"] for row in sorted(rows, key=lambda row: (-row["images"], row[OUTCOME]))}
    retried = to_retry(images, statuses)
    if not retried:
        named = "" if statuses is None else f" with --retry-status {','.join(statuses)}"
        raise InputError(f"{what} leaves nothing to try again{named}. Images of this export: {_listed(images)}.")
    chosen = known.where(F.col(OUTCOME).isin(retried)).drop(OUTCOME)
    return Failed(chosen, images, retried, len(unfinished), lost)


def _listed(images: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in images.items()) or "none"
