"""The schema and comments of every table, in the order of the data flow.

The module does not import Spark. Spark's and Arrow's types are both derived from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa

ARROW_TYPES = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "float": pa.float32(),
    "double": pa.float64(),
    "binary": pa.binary(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "array<int>": pa.list_(pa.int32()),
    "array<string>": pa.list_(pa.string()),
    "map<string,string>": pa.map_(pa.string(), pa.string()),
    "map<string,bigint>": pa.map_(pa.string(), pa.int64()),
}


@dataclass(frozen=True)
class Column:
    """A column: its name, its Spark SQL type, and its comment."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Table:
    """A table: its name, its comment (what one row is), its columns, and how Delta stores it."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    partitioned_by: tuple[str, ...] = ()
    stats_columns: tuple[str, ...] = ()
    """The columns whose min and max the transaction log may contain: never urls or texts."""
    checks: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def ddl(self) -> str:
        """The schema as Spark's DDL, without comments, as mapInArrow takes it."""
        return ", ".join(f"{c.name} {c.type}" for c in self.columns)

    @property
    def arrow(self) -> pa.Schema:
        """The schema as an Arrow schema."""
        return pa.schema([(c.name, ARROW_TYPES[c.type]) for c in self.columns])

    @property
    def names(self) -> list[str]:
        """The column names, in order."""
        return [c.name for c in self.columns]


FORMAT = 3
"""The format of the tables. `metaclip_spark.steps.upgrade` has the steps from older formats."""
FORMAT_PROPERTY = "metaclip.format"
"""The property of the table `runs` that has the format of the warehouse; without it, the format is 1."""

METADATA_ID = Column("metadata_id", "string", "sha256 of the entry list that the texts were matched against")
SNAPSHOT = Column("snapshot", "string", "the crawl's name")
SOURCE_PATH = Column("source_path", "string", "the input file: its path in the crawl, or its absolute path")
RUN_ID = Column("run_id", "string", "hash of the resolved configuration, the entry list and the input")
ENTRY_ID = Column(
    "entry_id", "int", "0-based position of the entry in its list, or in the lists of all languages one after the other"
)
ENTRY = Column("entry", "string", "the entry, as it is in the list")
LIST_LANG = Column("lang", "string", "language of the entry list; 'und' if one list is used for all texts")
COUNT = Column("count", "bigint", "pairs of the pool that match the entry")

BATCH_ID = Column("batch_id", "string", "the deduplication or matching that added the pair to the pool")

_PAIR = (
    Column("pair_id", "string", "hex of blake2b (16 bytes) over the url's length, the url and the text"),
    Column("image_id", "string", "first 24 hex digits of sha224 of the url without tabs and spaces"),
    Column("url", "string", "the image's url: what the page's attribute says after HTML's decoding, made absolute"),
    Column("text", "string", "the text, cleaned: one line, outer whitespace stripped"),
    Column(
        "text_source",
        "string",
        "origin of the text: alt, title, another field of the page, or the text column",
    ),
    Column("page_url", "string", "the page that contains the image; null if the input does not name it"),
    Column("lang", "string", "language of the text; 'und' if unknown, never null"),
    Column("lang_score", "float", "score of the language identifier; null if no language was identified"),
    Column("list_lang", "string", "language of the entry list that the text was matched against; null for one list"),
    Column(
        "entry_ids",
        "array<int>",
        "ids of the matched entries, ascending and distinct; null if not matched yet",
    ),
    SOURCE_PATH,
    Column("extra", "map<string,string>", "columns kept from the input, as strings; null if none are kept"),
)

_NOT_COMPACTED = (("delta.autoOptimize.autoCompact", "false"), ("delta.autoOptimize.optimizeWrite", "false"))
"""Properties of tables with a row per event: compacting them after each would cost more than it saves."""

PLANNED = Table(
    "planned",
    "One row is a split of a planned source; written before the first task reads it (internal)",
    (
        SNAPSHOT,
        METADATA_ID,
        SOURCE_PATH,
        Column("uri", "string", "the path or url from which the source is read"),
        Column("format", "string", "wat, warc, parquet, tsv, csv or jsonl"),
        Column("bytes", "bigint", "size of the source in bytes"),
        Column("etag", "string", "fingerprint of the source's bytes"),
        Column("split", "int", "0-based number of this split of the source"),
        Column("splits", "int", "number of splits of the source"),
        Column("start", "bigint", "first byte of the split"),
        Column("stop", "bigint", "first byte after the split"),
        Column("extract_id", "string", "hash of the extraction settings"),
    ),
    stats_columns=("snapshot",),
)

EXTRACTED = Table(
    "extracted",
    "One row is a pair, a reject, or the outcome of a split; a task writes them as one stream (internal, staging)",
    (
        SNAPSHOT,
        METADATA_ID,
        Column("batch_id", "string", "the commit that added the row"),
        Column("kind", "string", "pair, reject or source"),
        *_PAIR,
        Column("position", "bigint", "0-based position of the text in its source; breaks ties"),
        Column("split", "int", "0-based number of the split of the source"),
        Column("splits", "int", "number of splits of the source"),
        Column("format", "string", "source rows: wat, warc, parquet, tsv, csv or jsonl"),
        Column("status", "string", "source rows: done, partial or failed"),
        Column("reason", "string", "why the source is partial or failed, or why the record was rejected"),
        Column("record", "string", "reject rows: the record"),
        Column("detail", "string", "reject rows: the rejected content"),
        Column("records_read", "bigint", "source rows: records or rows read"),
        Column("texts_read", "bigint", "source rows: texts found (not empty)"),
        Column("texts_matched", "bigint", "source rows: texts that match at least one entry"),
        Column("pairs_written", "bigint", "source rows: pairs extracted"),
        Column("list_texts", "map<string,bigint>", "source rows: texts that were matched, by list; null for one list"),
        Column("list_matched", "map<string,bigint>", "source rows: those with at least one match, by list"),
        Column("rejected", "map<string,bigint>", "source rows: numbers of rejected records and texts, by reason"),
        Column("bytes_read", "bigint", "source rows: bytes of the source read"),
        Column("etag", "string", "source rows: fingerprint of the source's bytes"),
        Column("extract_id", "string", "source rows: hash of the extraction settings"),
        Column("retries", "map<string,bigint>", "source rows: numbers of retries, by what was tried again and why"),
    ),
    partitioned_by=("metadata_id", "snapshot"),
    stats_columns=("kind", "batch_id"),
    properties=(("delta.deletedFileRetentionDuration", "interval 0 hours"),),
)

_OF_AN_OUTCOME = (
    *("snapshot", "metadata_id", "batch_id", "source_path", "split", "splits", "format", "status", "reason"),
    *("records_read", "texts_read", "texts_matched", "pairs_written", "rejected", "bytes_read", "etag", "extract_id"),
    *("retries", "list_texts", "list_matched"),
)

OUTCOMES = Table(
    "outcomes",
    "One row is the outcome of a split in `extracted`, copied so that questions open no file of pairs (internal)",
    tuple(
        replace(column, comment=column.comment.removeprefix("source rows: "))
        for column in EXTRACTED.columns
        if column.name in _OF_AN_OUTCOME
    ),
    partitioned_by=("metadata_id", "snapshot"),
    stats_columns=("batch_id",),
    properties=(("delta.deletedFileRetentionDuration", "interval 0 hours"),),
)

SOURCES = Table(
    "sources",
    "One row is an input file of a snapshot, with its outcome",
    (
        SNAPSHOT,
        SOURCE_PATH,
        Column("format", "string", "wat, warc, parquet, tsv, csv or jsonl"),
        Column("status", "string", "done; partial: read up to the damage, its rows kept; failed: nothing was read"),
        Column("reason", "string", "why the source is partial or failed; null if done"),
        Column("records_read", "bigint", "records or rows read"),
        Column("texts_read", "bigint", "texts found (not empty)"),
        Column("texts_matched", "bigint", "texts that match at least one entry"),
        Column("pairs_written", "bigint", "pairs extracted from the source, before deduplication"),
        Column(
            "list_texts",
            "map<string,bigint>",
            "texts that were matched, by the language of the list; null for one list",
        ),
        Column("list_matched", "map<string,bigint>", "those with at least one match, by the language of the list"),
        Column("rejected", "map<string,bigint>", "numbers of rejected records and texts, by reason"),
        Column("bytes_read", "bigint", "bytes of the source read"),
        Column("etag", "string", "fingerprint of the source's bytes"),
        METADATA_ID,
        Column("extract_id", "string", "hash of the extraction settings"),
        Column("batch_id", "string", "the deduplication that added the source"),
    ),
    stats_columns=("snapshot",),
)

REJECTS = Table(
    "rejects",
    "One row is a rejected record or text (a sample; sources.rejected counts all of them)",
    (
        SNAPSHOT,
        SOURCE_PATH,
        Column("record", "string", "the record: a page's url, or the number of a row or line"),
        Column("reason", "string", "why it was rejected"),
        Column("detail", "string", "the rejected content, shortened"),
        METADATA_ID,
    ),
    stats_columns=("reason",),
)

PAIRS = Table(
    "pairs",
    "One row is a pair (url, text) of the pool, per entry list",
    (METADATA_ID, SNAPSHOT, *_PAIR, BATCH_ID),
    partitioned_by=("metadata_id", "snapshot"),
    stats_columns=("pair_id", "image_id", "batch_id"),
)

PAIR_KEYS = Table(
    "pair_keys",
    "Not written any more: deduplication reads the keys of `pairs`; older warehouses have it (internal)",
    (METADATA_ID, SNAPSHOT, Column("pair_key", "binary", "the 16 bytes of pair_id")),
    partitioned_by=("metadata_id", "snapshot"),
)

SIGHTINGS = Table(
    "sightings",
    "One row is the key of a pair that occurs in a snapshot, even if an earlier snapshot added the pair to the pool",
    (METADATA_ID, SNAPSHOT, Column("pair_key", "binary", "the 16 bytes of pair_id: unhex(pair_id)")),
    partitioned_by=("metadata_id", "snapshot"),
)

SURVIVORS = Table(
    "survivors",
    "One row is a pair of the pool, or of a run's subset, that survived and is balanced again (internal, staging)",
    (
        RUN_ID,
        *PAIRS.columns,
        Column("within", "double", "sampling probability in the earlier run; null for a pair of the pool"),
    ),
    partitioned_by=("run_id",),
    properties=(("delta.deletedFileRetentionDuration", "interval 0 hours"),),
)

ENTRY_COUNTS = Table(
    "entry_counts",
    "One row is a matched entry of a snapshot, with the number of pairs that match it (paper: section 3.3)",
    (METADATA_ID, LIST_LANG, SNAPSHOT, ENTRY_ID, ENTRY, COUNT),
    partitioned_by=("metadata_id", "snapshot"),
    checks=(("count_is_positive", "count >= 1"),),
)

ENTRY_PROBABILITIES = Table(
    "entry_probabilities",
    "One row is a matched entry of a run, with the probability that it keeps each of its pairs",
    (
        RUN_ID,
        METADATA_ID,
        LIST_LANG,
        ENTRY_ID,
        ENTRY,
        COUNT,
        Column(
            "threshold",
            "bigint",
            "t of the entry's list: entries with a lower count are tail entries and keep every pair",
        ),
        Column("probability", "double", "t / max(count, t)"),
    ),
    partitioned_by=("run_id",),
    checks=(("probability_is_a_probability", "probability > 0 AND probability <= 1"),),
)

CURATED_PAIRS = Table(
    "curated_pairs",
    "One row is a pair of a run's curated subset (paper: section 3.4)",
    (
        RUN_ID,
        *PAIRS.columns,
        Column(
            "sampling_probability",
            "double",
            "1 - prod(1 - entry probability) over the matched entries, times the weight",
        ),
        Column("draw", "double", "u in [0, 1), a function of pair_id (or image_id) and the seed; kept if u < p"),
    ),
    partitioned_by=("run_id",),
    stats_columns=("pair_id", "image_id"),
    checks=(("kept_by_its_draw", "draw >= 0 AND sampling_probability > draw AND sampling_probability <= 1"),),
)

RUN_STATISTICS = Table(
    "run_statistics",
    "One row is a sum over the pool of a run, for the report (internal)",
    (
        RUN_ID,
        Column("name", "string", "name of the statistic"),
        Column("key", "bigint", "entry id, number of matches, or 0"),
        Column("value", "bigint", "the sum"),
    ),
    partitioned_by=("run_id",),
)

RUNS = Table(
    "runs",
    "One row is an event of an attempt: started, stage started, stage done, finished, failed, pruned (append-only)",
    (
        RUN_ID,
        Column("attempt_id", "string", "new for each attempt"),
        Column("event", "string", "started, stage started, stage done, finished, failed; pruned: subset deleted"),
        Column("at", "timestamp", "time of the event, by the driver's clock; later than that of every earlier event"),
        Column("stage", "string", "the stage; null for events of the whole attempt"),
        Column("config", "string", "resolved configuration as JSON, without secrets; for a stage: its details"),
        Column("versions", "map<string,bigint>", "Delta versions of the tables that the stage wrote or read"),
        Column("metadata_ids", "array<string>", "the entry lists used"),
        Column("rows", "bigint", "rows that the stage wrote"),
        Column("software", "map<string,string>", "versions of metaclip-spark, Spark, Python and the matcher"),
        Column("snapshot", "string", "the snapshot of the stage; null if it has not exactly one"),
        Column("fingerprint", "string", "hash of what the stage's result depends on; if equal, the stage is skipped"),
    ),
    properties=((FORMAT_PROPERTY, str(FORMAT)), ("delta.appendOnly", "true"), *_NOT_COMPACTED),
)

CURRENT_RUN = Table(
    "current_run",
    "One row names the run whose subset consumers read: the last one that was drawn, and not deleted since",
    (
        Column("run_id", "string", "the run: curated_pairs has its pairs under this run_id"),
        Column("subset", "string", "the name of the subset: curated"),
    ),
    partitioned_by=("subset",),
)

TAKEDOWNS = Table(
    "takedowns",
    "One row is a url, a domain or a pair that was taken down, as a keyed hash; its images stay excluded",
    (
        Column(
            "kind",
            "string",
            "url, domain, page_domain, url_sha256, url_md5 or pair_id; salt: this hash is the key of all others",
        ),
        Column("hash", "binary", "BLAKE2b, 16 bytes, keyed by the salt and the kind"),
        Column("takedown_id", "string", "the command that added it"),
        Column("at", "timestamp", "time of the command, by the driver's clock"),
    ),
)

TAKEN = Table(
    "taken",
    "One row is a pair that a running takedown removes (internal, staging; empty after the takedown)",
    (
        Column("takedown_id", "string", "the command that found it"),
        Column("origin", "string", "the table that contained it"),
        METADATA_ID,
        SNAPSHOT,
        *_PAIR[:2],
        Column("entry_ids", "array<int>", "ids of the matched entries"),
        Column("batch_id", "string", "the batch of the pool, or of staging, that had it"),
    ),
    properties=(("delta.deletedFileRetentionDuration", "interval 0 hours"),),
)

BUILD_ID = Column("build_id", "string", "hash of the archives, the crawlers and the release's rules of reading")
ORIGIN = Column(
    "origin",
    "string",
    "scheme, host and port that a robots.txt is for; its url, if it is only where a redirect leads",
)
OF_ROBOTS_TXT = (
    Column("fetched", "string", "time of the fetch, as the archive has it (ISO 8601)"),
    Column("http", "int", "status of the response"),
    Column("status", "string", "read, absent (4xx), redirect or unreachable (5xx)"),
    Column("target", "string", "the origin whose rules these are, of a redirect; else empty"),
    Column("rules", "string", "the rules of the named crawlers, as a robots.txt; empty if there are none"),
)
"""What is kept of a robots.txt."""

ROBOTS_RECORDS = Table(
    "robots_records",
    "One row is a robots.txt of an archive, or the outcome of an archive (internal, staging; empty after a build)",
    (
        BUILD_ID,
        Column("kind", "string", "record, or source: the outcome of an archive"),
        Column("source_path", "string", "the archive: its path in the crawl, or its absolute path"),
        ORIGIN,
        *OF_ROBOTS_TXT,
        Column("outcome", "string", "of an archive: done, partial or failed"),
        Column("reason", "string", "why an archive is partial or failed"),
        Column("records_read", "bigint", "records of an archive"),
        Column("bytes_read", "bigint", "bytes read of an archive"),
        Column(
            "counts", "map<string,bigint>", "of an archive: records that are no robots.txt, and files that were cut"
        ),
    ),
    partitioned_by=("build_id",),
)

ROBOTS = Table(
    "robots",
    "One row is the robots.txt of a host at the date of a crawl: what it said to the named crawlers",
    (
        BUILD_ID,
        ORIGIN,
        *OF_ROBOTS_TXT,
        Column("agents", "array<string>", "the crawlers that the rules name, * for all others"),
        Column("shut_out", "array<string>", "the crawlers that may not fetch the first page"),
    ),
    partitioned_by=("build_id",),
)

LEASE = Table(
    "lease",
    "One row is a lease of the warehouse, which lets one process write; a table property has its expiry (internal)",
    (
        Column("generation", "bigint", "number of the lease, counted from 1"),
        Column("holder", "string", "token of the process"),
        Column("who", "string", "description of the process, as JSON"),
        Column("expires", "double", "end of the lease unless it is renewed, in seconds since 1970"),
    ),
    properties=(("delta.checkpointInterval", "1000"), *_NOT_COMPACTED),
)

TABLES = {
    table.name: table
    for table in (
        PLANNED,
        EXTRACTED,
        OUTCOMES,
        SOURCES,
        REJECTS,
        PAIRS,
        PAIR_KEYS,
        SIGHTINGS,
        SURVIVORS,
        ENTRY_COUNTS,
        ENTRY_PROBABILITIES,
        CURATED_PAIRS,
        RUN_STATISTICS,
        RUNS,
        CURRENT_RUN,
        TAKEDOWNS,
        TAKEN,
        ROBOTS_RECORDS,
        ROBOTS,
        LEASE,
    )
}
