"""From inputs to a list: which sources, chosen how, put together and written.

The order is the paper's: numbers, WordNet, words, bigrams, titles.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.assemble import BUDGET, Assembled, Part, Taken, assemble
from metaclip_spark.metadata.build import Source, build, check_output
from metaclip_spark.metadata.counts import read_bigrams, read_counts
from metaclip_spark.metadata.files import input_files, origin_of, sha256_of
from metaclip_spark.metadata.load import Metadata
from metaclip_spark.metadata.ngrams import (
    MIN_COUNT,
    MIN_PMI,
    Offer,
    Ranked,
    WordCase,
    bigram_entries,
    unigram_entries,
)
from metaclip_spark.metadata.titles import MIN_VIEWS, read_pageviews, title_entries
from metaclip_spark.metadata.wordnet import WordnetNames, wordnet_entries, wordnet_origin

ORDER = "Sources as listed, each by rank; an entry stands where it first appears."


@dataclass(frozen=True)
class Recipe:
    """What a list is built from; the defaults are the paper's.

    Attributes:
        wordnet: WordNet's dictionary folder.
        wordnet_names: See `wordnet_entries`.
        numbers: The first so many whole numbers are entries, from 0 on.
        unigrams: Files or folders of `word<TAB>count`.
        min_count: Floor under a word's count.
        best_unigrams: Take at most so many words.
        word_case: See `unigram_entries`.
        bigrams: Files or folders of `first second<TAB>count`; needs the counts of their words too.
        pmi_unigrams: Counts of words where the bigrams were counted; empty where these are `unigrams`.
        min_pmi: Floor under a bigram's PMI in bits; None is 30, or no floor where `best_bigrams` is given.
        best_bigrams: Take at most so many bigrams.
        pageviews: Hourly dumps of page views.
        domain: Which lines of them.
        min_views: Floor under a title's views.
        min_hourly_views: Floor under a single line's views.
        titles: Files of `title<TAB>number`, ranked by number, in the place of page views.
        best_titles: Take at most so many titles.
        budget: How many entries the list may have.
        drop_never_matching: Leave out entries that no text can match.
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
    pageviews: tuple[str, ...] = ()
    domain: str = "en"
    min_views: int = MIN_VIEWS
    min_hourly_views: int = 1
    titles: tuple[str, ...] = ()
    best_titles: int | None = None
    budget: int = BUDGET
    drop_never_matching: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot be built."""
        if not (self.wordnet or self.unigrams or self.bigrams or self.pageviews or self.titles):
            raise MetadataError(
                "no source is given, expected at least one of --wordnet, --unigrams, --bigrams, --pageviews, --titles."
            )
        if self.bigrams and not (self.unigrams or self.pmi_unigrams):
            raise MetadataError(
                "--bigrams needs the counts of their words too, to rank by PMI; give them as --unigrams"
                " (or as --pmi-unigrams where they are to rank bigrams alone)."
            )
        if self.pageviews and self.titles:
            raise MetadataError("--titles takes the place of --pageviews, got both; leave one out.")
        for name in ("numbers", "min_count", "best_unigrams", "best_bigrams", "min_views", "best_titles", "budget"):
            value = getattr(self, name)
            least = 1 if name == "budget" or name.startswith("best") else 0
            if value is not None and value < least:
                raise MetadataError(f"--{name.replace('_', '-')} must be >= {least}, got {value}.")

    @property
    def pmi_floor(self) -> float | None:
        """The floor under a bigram's PMI that holds."""
        return MIN_PMI if self.min_pmi is None and self.best_bigrams is None else self.min_pmi

    def parameters(self) -> dict:
        """The parameters for the sidecar; inputs by name, not by their place on this machine."""
        inputs = ("wordnet", "unigrams", "bigrams", "pmi_unigrams", "pageviews", "titles")
        values = {name: value for name, value in asdict(self).items() if name not in inputs}
        return values | {"min_pmi": self.pmi_floor, "inputs": [name for name in inputs if getattr(self, name)]}


@dataclass(frozen=True)
class Built:
    """A list that was written, and what became of each source."""

    metadata: Metadata
    taken: list[Taken]


def build_from(recipe: Recipe, output: Path, say: Callable[[str], None] = lambda line: None) -> Built:
    """Builds a list and writes it with its sidecar and provenance.

    Args:
        recipe: What to build it from.
        output: A path that ends in `.json.gz`.
        say: Called with a line on each step.

    Raises:
        MetadataError: An input cannot be used, or the files cannot be written; nothing is written.
    """
    output = check_output(output)
    parts, sources = _gather(recipe, say)
    assembled = assemble(parts, recipe.budget, recipe.drop_never_matching)
    told = [_told(source, taken) for source, taken in zip(sources, assembled.taken, strict=True)]
    metadata = build(
        assembled.entries, output, told, ORDER, parameters=recipe.parameters(), provenance=provenance(assembled)
    )
    return Built(metadata, assembled.taken)


def _told(source: Source, taken: Taken) -> Source:
    return Source(
        source.name,
        source.version,
        source.licence,
        taken.offered,
        source.files,
        source.notice,
        taken.read,
        taken.taken,
        taken.first_id,
        dict(taken.cut),
    )


def _gather(recipe: Recipe, say: Callable[[str], None]) -> tuple[list[Part], list[Source]]:
    """Reads each source in turn."""
    parts: list[Part] = []
    sources: list[Source] = []

    def add(part: Part, source: Source) -> None:
        parts.append(part)
        sources.append(source)
        say(f"{part.name}: {len(part.offer.ranked):,} entries from {part.offer.read:,} candidates")

    if recipe.numbers:
        numbers = [str(number) for number in range(recipe.numbers)]
        add(Part("numbers", _plain(numbers)), Source("numbers", "-", "none needed", len(numbers), {}))
    if recipe.wordnet:
        folder = Path(recipe.wordnet)
        names, origin = wordnet_entries(folder, recipe.wordnet_names), wordnet_origin(folder)
        licence = f"WordNet {origin.version} licence"
        source = Source("WordNet", origin.version, licence, len(names), origin.files, origin.notice)
        add(Part("wordnet", _plain(names)), source)
    counts: dict[str, int] = {}
    if recipe.unigrams:
        files = input_files(recipe.unigrams, "--unigrams")
        counts = read_counts(files)
        offer = unigram_entries(counts, recipe.min_count, recipe.word_case)
        add(Part("unigrams", offer, recipe.best_unigrams), _source_of(recipe.unigrams, files))
    if recipe.bigrams:
        files = input_files(recipe.bigrams, "--bigrams")
        ranking = input_files(recipe.pmi_unigrams, "--pmi-unigrams")
        counts = read_counts(ranking) if ranking else counts
        # More than the best may be needed: some may be brought by an earlier source.
        most = recipe.best_bigrams and recipe.best_bigrams + sum(len(part.offer.ranked) for part in parts)
        offer = bigram_entries(read_bigrams(files), counts, recipe.pmi_floor, most)
        add(Part("bigrams", offer, recipe.best_bigrams), _source_of(recipe.bigrams, files + ranking))
    if recipe.pageviews:
        files = input_files(recipe.pageviews, "--pageviews")
        found = read_pageviews(files, recipe.domain, recipe.min_hourly_views)
        offer = title_entries(found.views, recipe.min_views)
        lines = {**found.passed_over, **{f"malformed line: {why}": n for why, n in found.rejected.items()}}
        offer = offer._replace(left_out={**lines, **offer.left_out})
        add(Part("titles", offer, recipe.best_titles), _source_of(recipe.pageviews, files))
    if recipe.titles:
        files = input_files(recipe.titles, "--titles")
        offer = title_entries(read_counts(files, "title"), min_views=0)
        add(Part("titles", offer, recipe.best_titles), _source_of(recipe.titles, files))
    return parts, sources


def _plain(entries: list[str]) -> Offer:
    return Offer([Ranked(entry, 0.0) for entry in entries], len(entries), {})


def _source_of(paths: tuple[str, ...], files: list[Path]) -> Source:
    origin = origin_of(paths[0])
    return Source(
        origin.name, origin.version, origin.licence, 0, {file.name: sha256_of(file) for file in files}, origin.notice
    )


def provenance(assembled: Assembled) -> bytes:
    """Returns a Parquet file of one row an entry, in the order of ids.

    Columns: `entry_id` int32; `source` string; `rank` int32 (in its source, from 0); `score` float64 (its count, its
    PMI in bits or its views; 0 where a source has none); `also_in` string (later sources that offered it too, with
    commas between).
    """
    names = [taken.name for taken in assembled.taken]
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
