"""What the tables say of the data of a run, for its public summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Input:
    """The sources of a snapshot that have one format and come from one crawl.

    Attributes:
        crawl: the crawl's name in the paths of the sources (`crawl-data/NAME/...`); "" for other input.
        sources, texts, bytes: numbers of sources and of texts read, and bytes read.
        first, last: `YYYY-MM-DD`, days of the first and the last fetch, from the names of the archives; "" if unknown.
    """

    snapshot: str
    format: str
    crawl: str
    sources: int
    texts: int
    bytes: int
    first: str
    last: str

    @property
    def is_common_crawl(self) -> bool:
        """Whether the sources are archives of Common Crawl, by their paths."""
        return self.crawl.startswith("CC-")

    @property
    def is_archive(self) -> bool:
        """Whether the sources are archives of a crawler."""
        return self.format in ("wat", "warc")


@dataclass(frozen=True)
class Rules:
    """The settings with which a snapshot was extracted.

    Attributes:
        opt_outs: the opt-outs honoured, of WAT and WARC; None if the log of runs does not tell.
        filters: other settings that left texts out or changed them, as flags.
        deduplicated: whether repeats of a pair were removed; None if the log of runs does not tell.
    """

    opt_outs: Sequence[str] | None
    filters: Sequence[str] = ()
    deduplicated: bool | None = None


@dataclass(frozen=True)
class DomainList:
    """A list of domains, and the file with its first ones.

    Attributes:
        of: `images` or `pages`.
        file: the name of the CSV.
        domains: number of all domains.
        listed: number of domains in the file, the largest by pairs.
        pairs, listed_pairs: number of pairs of all domains, and of those in the file.
        without: number of pairs whose url has no host, or is not known.
    """

    of: str
    file: str
    domains: int
    listed: int
    pairs: int
    listed_pairs: int
    without: int


@dataclass(frozen=True)
class Facts:
    """The numbers of a run's subset, and where its pairs come from.

    Attributes:
        run_id, software: the run, and the version that writes the summary.
        threshold, seed: of the draw.
        pairs, images, characters: of the subset: texts, different urls of images, and characters of the texts.
        languages: language -> (pairs, characters), most pairs first.
        text_sources: origin of the text -> pairs, most first.
        inputs: where the pool comes from.
        gone: snapshots of the pool that were dropped since, whose sources are not known any more.
        rules: snapshot -> how it was extracted.
        rejected: reason -> (number of texts or records, meaning).
        opted_out: opt-out -> number of texts left out for it.
        taken_down: number of pairs that takedowns removed; None if unknown.
        pool: number of pairs of the pool.
        domains: the lists of domains.
        small: whether the lists are those of a small firm.
        notes: sentences on what is special about the draw, such as weights or the counts of another pool.
    """

    run_id: str
    software: str
    threshold: int
    seed: int
    pairs: int
    images: int
    characters: int
    languages: Mapping[str, tuple[int, int]]
    text_sources: Mapping[str, int]
    inputs: Sequence[Input]
    gone: Sequence[str]
    rules: Mapping[str, Rules]
    rejected: Mapping[str, tuple[int, str]]
    opted_out: Mapping[str, int]
    taken_down: int | None
    pool: int
    domains: Sequence[DomainList] = ()
    small: bool = False
    notes: Sequence[str] = ()


def listed_domains(domains: int, small: bool) -> int:
    """Return how many of the largest domains the template asks for: 10%, or for small firms 5% and at most 1,000.

    >>> [listed_domains(*of) for of in ((0, False), (1, False), (11, False), (2_000, True), (40_000, True))]
    [0, 1, 2, 100, 1000]
    """
    if small:
        return min(-(-domains // 20), 1_000)
    return -(-domains // 10)
