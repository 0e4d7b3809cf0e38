"""The cost model: what every stage of a curation takes, computed from amounts and measured rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from metaclip_spark.costs.rates import Rates
from metaclip_spark.storage.fetch import Patience

BLOCK = Patience.block_bytes
"""Bytes of one request to an object store."""
KEPT = 0.25
"""Share of the pool that a balance keeps, where it is not known yet: 400 million of the paper's 1.6 billion pairs."""
GB = 1e9


@dataclass(frozen=True)
class Work:
    """The amounts of one crawl, or of one input.

    Attributes:
        files: number of input files.
        megabytes: format -> MB of input.
        texts: texts found.
        identified: texts whose language is identified.
        staged: pairs that extraction stores.
        new: pairs that deduplication adds to the pool.
        known: keys of earlier crawls, which deduplication compares.
        pool: pairs that the balance reads, those of earlier crawls included.
        kept: pairs of the curated subset.
    """

    files: int
    megabytes: Mapping[str, float]
    texts: float
    identified: float
    staged: float
    new: float
    known: float
    pool: float
    kept: float


@dataclass(frozen=True)
class Cost:
    """The cost of a stage.

    Attributes:
        core_seconds: of all cores together.
        read, written, shuffled: bytes.
        gets, puts: requests to an object store, if input and tables lie in one.
    """

    stage: str
    core_seconds: float
    read: float = 0.0
    written: float = 0.0
    shuffled: float = 0.0
    gets: float = 0.0
    puts: float = 0.0


@dataclass(frozen=True)
class Prices:
    """Prices in one currency, each 0 if it is not given.

    Attributes:
        core_hour: of one core for an hour.
        gb_month: of storing 10^9 bytes for a month.
        million_gets, million_puts: of 10^6 requests.
    """

    core_hour: float = 0.0
    gb_month: float = 0.0
    million_gets: float = 0.0
    million_puts: float = 0.0

    def of(self, cost: Cost) -> float:
        """Return what a stage costs, without storage."""
        requests = cost.gets * self.million_gets + cost.puts * self.million_puts
        return cost.core_seconds / 3600 * self.core_hour + requests / 1e6


def costs(work: Work, rates: Rates) -> list[Cost]:
    """Return the cost of each stage, in the order in which `run` works."""
    staged_bytes, new_bytes = work.staged * rates.staged_bytes, work.new * rates.pair_bytes
    keys = work.staged * rates.key_bytes
    pool_bytes, kept_bytes = work.pool * rates.pair_bytes, work.kept * rates.curated_bytes
    known_bytes = work.known * rates.key_bytes  # the column pair_id of the pool takes about as much
    read = sum(work.megabytes.values()) * 1e6
    reading = sum(megabytes * rates.read_seconds[form] for form, megabytes in work.megabytes.items())
    extract = reading + work.identified * rates.identify_seconds
    dedup = work.staged * rates.dedup_seconds + work.known * rates.known_seconds
    return [
        # Each file is asked for its size once, and read in blocks.
        _stored("extract", extract, read, staged_bytes, gets=2 * work.files),
        _stored("dedup", dedup, staged_bytes + known_bytes, new_bytes + keys, work.staged * rates.shuffled_bytes),
        _stored("count", work.new * rates.count_seconds, new_bytes, 0.0),
        _stored("balance", work.pool * rates.balance_seconds, 2 * pool_bytes, kept_bytes),
        _stored("report", work.pool * rates.report_seconds, pool_bytes, 0.0),
    ]


def _stored(stage: str, seconds: float, read: float, written: float, shuffled: float = 0.0, gets: float = 0.0) -> Cost:
    return Cost(stage, seconds, read, written, shuffled, gets + read / BLOCK, written / BLOCK)


def total(of: Iterable[Cost], name: str = "all") -> Cost:
    """Return the sum of costs."""
    parts = list(of)
    names = ("core_seconds", "read", "written", "shuffled", "gets", "puts")
    return Cost(name, **{each: sum(getattr(part, each) for part in parts) for each in names})


def stored_bytes(work: Work, rates: Rates) -> dict[str, float]:
    """Return what lies on the store after a crawl, what it added, in bytes: pairs, sightings, subset.

    The staged pairs lie there until deduplication has moved them; they are no part of this.
    """
    return {
        "pairs": work.new * rates.pair_bytes,
        "keys": work.staged * rates.key_bytes,
        "subset": work.kept * rates.curated_bytes,
    }


def work_of_input(
    files: int, megabytes: Mapping[str, float], rates: Rates, *, identify: bool, known: float = 0.0
) -> Work:
    """Estimate the amounts of an input from its bytes: every staged pair is taken as new, a quarter as kept.

    Args:
        identify: whether languages are identified.
        known: pairs of the pool before.
    """
    texts = sum(megabytes[form] * rates.texts_per_mb[form] for form in megabytes)
    staged = sum(megabytes[form] * rates.pairs_per_mb[form] for form in megabytes)
    pool = known + staged
    return Work(files, megabytes, texts, staged if identify else 0.0, staged, staged, known, pool, pool * KEPT)


@dataclass(frozen=True)
class Crawl:
    """A crawl's sizes, and the shares of its texts that each step leaves.

    Attributes:
        files, megabytes_per_file, texts_per_file: of WAT files.
        matched: share of the texts that match an entry.
        once: share of those that are no repeats in their file.
        wanted: share of those in a wanted language.
        new: share of those that no other file and no earlier crawl has.
        kept: share of the pool that the balance keeps.
    """

    files: int = 90_000
    megabytes_per_file: float = 300.0
    texts_per_file: float = 650_000.0
    matched: float = 0.5
    once: float = 0.7
    wanted: float = 0.45
    new: float = 0.5
    kept: float = KEPT

    def work(self, number: int) -> Work:
        """Return the amounts of the crawl of this number, counted from 1, onto the crawls before it."""
        texts = self.files * self.texts_per_file
        identified = texts * self.matched * self.once
        staged = identified * self.wanted
        new = staged * self.new
        pool = new * number
        megabytes = {"wat": self.files * self.megabytes_per_file}
        return Work(self.files, megabytes, texts, identified, staged, new, pool - new, pool, pool * self.kept)
