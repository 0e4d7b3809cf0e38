"""Build a list from its inputs: read and rank the sources, assemble them, and write the list.

The order of the sources is the paper's: numbers, WordNet, words, bigrams, titles.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from metaclip_spark.core.hashing.digest import sha256_of
from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.assemble import BUDGET, AssembledList, Part, SourceCounts, assemble
from metaclip_spark.metadata.build import Source, build, check_output
from metaclip_spark.metadata.counts import read_bigrams, read_counts
from metaclip_spark.metadata.files import input_files, origin_of
from metaclip_spark.metadata.load import Metadata
from metaclip_spark.metadata.ngrams import (
    MIN_COUNT,
    MIN_PMI,
    RankedEntry,
    Ranking,
    WordCase,
    bigram_entries,
    unigram_entries,
)
from metaclip_spark.metadata.scores import LOG_BASE, MIN_SCORE, BigramScore, check_log_base, metaclip2_entries
from metaclip_spark.metadata.titles import MIN_VIEWS, read_pageviews, title_entries
from metaclip_spark.metadata.wordnet import WordnetNames, wordnet_entries, wordnet_origin

ORDER = "Sources as listed, each by rank; an entry stands where it first appears."


@dataclass(frozen=True)
class Recipe:
    """The inputs and parameters of a list; the defaults are the paper's.

    Attributes:
        wordnet: WordNet's dictionary folder.
        wordnet_names: See `wordnet_entries`.
        numbers: Number of whole numbers, from 0, that are entries.
        unigrams: Files or folders of `word<TAB>count`.
        min_count: Minimum count of a word.
        best_unigrams: Maximum number of words.
        word_case: See `unigram_entries`.
        bigrams: Files or folders of `first second<TAB>count`; the counts of their words are needed, too.
        pmi_unigrams: Word counts of the corpus of the bigrams; empty if these are `unigrams`.
        min_pmi: Minimum PMI of a bigram in bits; None is 30, or no minimum if `best_bigrams` is given.
        best_bigrams: Maximum number of bigrams.
        bigram_score: `pmi`, or `metaclip2` (see `metaclip2_entries`).
        min_score: Bigrams whose score is not higher are excluded, with `metaclip2`.
        log_base: Base of the logarithm of the PMI, with `metaclip2`.
        pageviews: Hourly dumps of page views.
        domain: The domain whose lines are read from `pageviews`.
        min_views: Minimum number of views of a title.
        min_hourly_views: Minimum number of views on a single line.
        titles: Files of `title<TAB>number`, ranked by number, instead of page views.
        best_titles: Maximum number of titles.
        budget: Maximum number of entries in the list.
        drop_never_matching: Drop entries that no text can match.
    """

    wordnet: str | None = None
    wordnet_names: WordnetNames = "lemmas"
    numbers: int = 100
    unigrams: tuple[str, ...] = ()
    min_count: int = MIN_COUNT
    best_unigrams: int | None = None
    word_case: WordCase = "source"
    bigrams: tuple[str, ...] = ()
    pmi_unigrams: tuple[str, ...] = ()
    min_pmi: float | None = None
    best_bigrams: int | None = None
    bigram_score: BigramScore = "pmi"
    min_score: float = MIN_SCORE
    log_base: float = LOG_BASE
    pageviews: tuple[str, ...] = ()
    domain: str = "en"
    min_views: int = MIN_VIEWS
    min_hourly_views: int = 1
    titles: tuple[str, ...] = ()
    best_titles: int | None = None
    budget: int = BUDGET
    drop_never_matching: bool = False

    def __post_init__(self) -> None:
        """Raise MetadataError if the recipe has no source, or a parameter is invalid."""
        if not (self.wordnet or self.unigrams or self.bigrams or self.pageviews or self.titles):
            raise MetadataError(
                "no source is given, expected at least one of --wordnet, --unigrams, --bigrams, --pageviews, --titles."
            )
        if self.bigrams and not (self.unigrams or self.pmi_unigrams):
            raise MetadataError(
                "--bigrams needs the counts of their words, too, for the PMI; give them as --unigrams"
                " (or as --pmi-unigrams, if they only rank bigrams)."
            )
        if self.pageviews and self.titles:
            raise MetadataError("--titles replaces --pageviews, got both; remove one of them.")
        if self.bigram_score == "metaclip2" and self.min_pmi is not None:
            raise MetadataError("--min-pmi needs --bigram-score pmi; with metaclip2 give --min-score.")
        check_log_base(self.log_base)
        for name in ("numbers", "min_count", "best_unigrams", "best_bigrams", "min_views", "best_titles", "budget"):
            value = getattr(self, name)
            least = 1 if name == "budget" or name.startswith("best") else 0
            if value is not None and value < least:
                raise MetadataError(f"--{name.replace('_', '-')} must be >= {least}, got {value}.")

    @property
    def min_bigram_pmi(self) -> float | None:
        """The minimum PMI of a bigram in bits; None is no minimum."""
        if self.bigram_score == "metaclip2":
            return None
        return MIN_PMI if self.min_pmi is None and self.best_bigrams is None else self.min_pmi

    def parameters(self) -> dict[str, Any]:
        """Return the parameters for the sidecar, with the names of the given inputs but not their paths."""
        inputs = ("wordnet", "unigrams", "bigrams", "pmi_unigrams", "pageviews", "titles")
        values = {name: value for name, value in asdict(self).items() if name not in inputs}
        if self.bigram_score == "pmi":
            for name in ("bigram_score", "min_score", "log_base"):
                del values[name]
        return values | {"min_pmi": self.min_bigram_pmi, "inputs": [name for name in inputs if getattr(self, name)]}


@dataclass(frozen=True)
class BuildResult:
    """The list that `build_from` wrote, and the counts of each source."""

    metadata: Metadata
    source_counts: list[SourceCounts]


def build_from(recipe: Recipe, output: Path, say: Callable[[str], None] = lambda line: None) -> BuildResult:
    """Build a list, and write it with its sidecar and provenance.

    Args:
        recipe: The inputs and parameters.
        output: A path that ends in `.json.gz`.
        say: Called with one line per source.

    Raises:
        MetadataError: An input is invalid, or the files cannot be written; nothing is written.
    """
    output = check_output(output)
    parts, sources = _gather(recipe, say)
    assembled = assemble(parts, recipe.budget, recipe.drop_never_matching)
    counted = [with_counts(source, counts) for source, counts in zip(sources, assembled.source_counts, strict=True)]
    metadata = build(
        assembled.entries, output, counted, ORDER, parameters=recipe.parameters(), provenance=provenance(assembled)
    )
    return BuildResult(metadata, assembled.source_counts)


def with_counts(source: Source, counts: SourceCounts) -> Source:
    """Return the source with the numbers of entries that a list took from it."""
    return replace(
        source,
        entries=counts.offered,
        read=counts.read,
        taken=counts.taken,
        first_id=counts.first_id,
        cut=dict(counts.cut),
    )


def _gather(recipe: Recipe, say: Callable[[str], None]) -> tuple[list[Part], list[Source]]:
    """Read and rank each source in the order of the list."""
    parts: list[Part] = []
    sources: list[Source] = []

    def add(part: Part, source: Source) -> None:
        parts.append(part)
        sources.append(source)
        say(f"{part.name}: {len(part.ranking.entries):,} entries from {part.ranking.candidates:,} candidates")

    if recipe.numbers:
        numbers = [str(number) for number in range(recipe.numbers)]
        add(Part("numbers", unranked(numbers)), Source("numbers", "-", "none needed", len(numbers), {}))
    if recipe.wordnet:
        folder = Path(recipe.wordnet)
        names, origin = wordnet_entries(folder, recipe.wordnet_names), wordnet_origin(folder)
        licence = f"WordNet {origin.version} licence"
        source = Source("WordNet", origin.version, licence, len(names), origin.files, origin.notice)
        add(Part("wordnet", unranked(names)), source)
    counts: dict[str, int] = {}
    if recipe.unigrams:
        files = input_files(recipe.unigrams, "--unigrams")
        counts = read_counts(files)
        ranking = unigram_entries(counts, recipe.min_count, recipe.word_case)
        add(Part("unigrams", ranking, recipe.best_unigrams), source_of(recipe.unigrams, files))
    if recipe.bigrams:
        files = input_files(recipe.bigrams, "--bigrams")
        count_files = input_files(recipe.pmi_unigrams, "--pmi-unigrams")
        counts = read_counts(count_files) if count_files else counts
        # An earlier source may have some of the best bigrams, so more than `best_bigrams` may be needed.
        best = recipe.best_bigrams and recipe.best_bigrams + sum(len(part.ranking.entries) for part in parts)
        if recipe.bigram_score == "metaclip2":
            read = partial(read_bigrams, files)
            ranking = metaclip2_entries(read, counts, recipe.min_score, best, recipe.log_base).ranking
        else:
            ranking = bigram_entries(read_bigrams(files), counts, recipe.min_bigram_pmi, best)
        add(Part("bigrams", ranking, recipe.best_bigrams), source_of(recipe.bigrams, files + count_files))
    if recipe.pageviews:
        files = input_files(recipe.pageviews, "--pageviews")
        pageviews = read_pageviews(files, recipe.domain, recipe.min_hourly_views)
        ranking = title_entries(pageviews.views, recipe.min_views)
        malformed = {f"malformed line: {reason}": number for reason, number in pageviews.rejected.items()}
        lines = {**pageviews.skipped, **malformed}
        ranking = ranking._replace(excluded={**lines, **ranking.excluded})
        add(Part("titles", ranking, recipe.best_titles), source_of(recipe.pageviews, files))
    if recipe.titles:
        files = input_files(recipe.titles, "--titles")
        ranking = title_entries(read_counts(files, "title"), min_views=0)
        add(Part("titles", ranking, recipe.best_titles), source_of(recipe.titles, files))
    return parts, sources


def unranked(entries: list[str]) -> Ranking:
    """Return a ranking of entries without scores, in their order."""
    return Ranking([RankedEntry(entry, 0.0) for entry in entries], len(entries), {})


def source_of(paths: tuple[str, ...], files: list[Path]) -> Source:
    """Describe a source by its files and the `.source.json` beside its first path."""
    origin = origin_of(paths[0])
    return Source(
        origin.name, origin.version, origin.licence, 0, {file.name: sha256_of(file) for file in files}, origin.notice
    )


def provenance(assembled: AssembledList) -> bytes:
    """Return a Parquet file with one row per entry, in the order of the ids.

    Columns:
        entry_id: int32.
        source: string.
        rank: int32, the rank in the source, from 0.
        score: float64, the count, the PMI in bits or the views; 0 if the source has no scores.
        also_in: string, the later sources that offered the entry too, separated by commas.
    """
    names = [counts.name for counts in assembled.source_counts]
    size = len(assembled.entries)
    also = ["" for _ in range(size)]
    for entry_id, sources in assembled.also_in.items():
        also[entry_id] = ",".join(names[index] for index in dict.fromkeys(sources))
    table = pa.table(
        {
            "entry_id": pa.array(range(size), pa.int32()),
            "source": pa.DictionaryArray.from_arrays(pa.array(assembled.sources, pa.int32()), pa.array(names)),
            "rank": pa.array(assembled.ranks, pa.int32()),
            "score": pa.array(assembled.scores, pa.float64()),
            "also_in": pa.array(also).dictionary_encode(),
        }
    )
    buffer = io.BytesIO()
    encodings = {"entry_id": "DELTA_BINARY_PACKED", "rank": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT"}
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        compression_level=19,
        use_dictionary=["source", "also_in"],
        column_encoding=encodings,
    )
    return buffer.getvalue()
