"""A tiny world for the end-to-end tests: input files, a list, and functions that read the tables."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ENTRIES = ["a", "cat", "dog", "a cat", "red", "photo of", "St. John", "zebra", "on a", "purple"]
"""`St. John` can never match, `zebra` matches no text of the world, and `purple` matches one: a tail entry at t = 2."""

COLUMNS = ("url", "text", "lang", "key", "note")
COLORS = ("red", "blue", "green", "black", "white", "grey")
ANIMALS = ("cat", "dog", "cow")

CONTRACT_TABLES = (
    "sources",
    "rejects",
    "pairs",
    "entry_counts",
    "entry_probabilities",
    "curated_pairs",
    "runs",
)
DATA_TABLES = (*CONTRACT_TABLES[:-1], "planned", "extracted", "outcomes", "sightings", "run_statistics")
"""All tables but the log of events and the lease. A second run does not change them."""

OVER_CRAWLS = ("pair_id", "url", "text", "lang", "entry_ids", "sampling_probability", "draw")
"""The columns on which results over several crawls are compared (contract.md)."""

FOR_A_DOZEN_ROWS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.databricks.delta.snapshotPartitions": "1",
}
"""With a dozen rows, interpreting is faster than generating and compiling code: 25 s of CPU per run instead of 47 s.
tests/spark uses the settings of users."""

_DIFFERS = {
    "runs": {"run_id", "attempt_id", "at", "config", "versions", "rows", "software", "fingerprint"},
    "sources": {"batch_id"},
    "extracted": {"batch_id", "retries"},
    "outcomes": {"batch_id", "retries"},
}


@dataclass(frozen=True)
class Ended:
    """The outcome of a command: exit status, stdout and stderr."""

    status: int
    out: str
    err: str


def call(*words: object) -> Ended:
    """Run a command in this process, on the existing session."""
    from metaclip_spark.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(word) for word in words])
    return Ended(status, out.getvalue(), err.getvalue())


def row(name: str, number: int, animal: str | None = None) -> tuple[str, ...]:
    """Return a generated row; the same arguments give the same row."""
    color = COLORS[number % len(COLORS)]
    text = f"photo of a {color} {animal or ANIMALS[number % len(ANIMALS)]} on a road"
    lang = "de" if number % 4 == 3 else "en"
    return (
        f"http://example.org/{name}/{number}.jpg",
        text,
        lang,
        f"{number:08x}{hash_of(name)}",
        f"note {number}",
    )


def hash_of(name: str) -> str:
    """Return 24 hex digits that depend on the name. With the 8 digits of the number, a key has 32."""
    return name.encode().hex().ljust(24, "0")[:24]


UNMATCHED = ("http://example.org/n/1.jpg", "nothing here", "en", "f" * 32, "unmatched")
EMPTY = ("http://example.org/e/1.jpg", "  ", "en", "e" * 32, "empty")
TAIL = ("http://example.org/c/tail.jpg", "a purple cow", "en", "d" * 32, "tail")
SHARED = row("shared", 1)
"""A pair that several files have."""


def write_parquet(path: Path, rows: Iterable[Sequence[str | None]], columns: Sequence[str] = COLUMNS) -> Path:
    """Write a Parquet file of string columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    by_column = list(zip(*rows, strict=True))
    pq.write_table(pa.table({name: pa.array(by_column[at], pa.string()) for at, name in enumerate(columns)}), path)
    return path


def write_tsv(path: Path, rows: Iterable[Sequence[str]], columns: Sequence[str] = COLUMNS) -> Path:
    """Write a TSV with a header line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(line) + "\n" for line in [columns, *rows]), encoding="utf-8")
    return path


def wat_record(page: str, images: Iterable[Mapping[str, str]], kind: str = "response") -> bytes:
    """Return one WAT record: a WARC metadata record whose payload is the JSON of a page."""
    links = [{"path": "IMG@/src", **image} for image in images]
    html = {"Head": {"Title": "made"}, "Links": [{"path": "A@/href", "url": "/x"}, *links]}
    payload = json.dumps(
        {
            "Envelope": {
                "WARC-Header-Metadata": {"WARC-Type": kind, "WARC-Target-URI": page},
                "Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": html}},
            }
        }
    ).encode()
    head = [
        "WARC/1.0",
        "WARC-Type: metadata",
        "Content-Type: application/json",
        f"Content-Length: {len(payload)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + payload + b"\r\n\r\n"


def write_wat(path: Path, records: Iterable[bytes]) -> Path:
    """Write a WAT with one gzip member per record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(gzip.compress(record, mtime=0) for record in records))
    return path


def wat_of(rows: Iterable[Sequence[str]]) -> list[bytes]:
    """Return one record per row: a page with one image."""
    return [
        wat_record(f"http://pages.example/{at}", [{"url": url, "alt": text}]) for at, (url, text, *_) in enumerate(rows)
    ]


@dataclass
class World:
    """A folder with a test's input, list and warehouses, and the flags of the commands on them."""

    root: Path
    metadata: Path = field(init=False)
    pool: Path = field(init=False)

    def __post_init__(self) -> None:
        self.metadata = self.root / "entries.json"
        self.metadata.write_text(json.dumps(ENTRIES), encoding="utf-8")
        self.pool = self.root / "pool"
        a = [row("a", n) for n in range(12)]
        write_parquet(self.pool / "a.parquet", [*a, SHARED, a[3], UNMATCHED, EMPTY])
        write_tsv(self.pool / "b.tsv", [SHARED, *(row("b", n, "cat") for n in range(8)), UNMATCHED])
        pages = [*wat_of([SHARED, *(row("c", n, "dog") for n in range(6)), TAIL])]
        pages.append(wat_record("http://pages.example/odd", [{"url": "data:image/gif;base64,R0", "alt": "a cat"}]))
        write_wat(self.pool / "c.wat.gz", pages)

    def words(self, warehouse: str | Path = "warehouse", *more: object, **instead: object) -> list[object]:
        """Return the flags of `run`. `more` adds words, and `instead` replaces flags (`input=...`, `metadata=...`)."""
        flags: dict[str, object] = {"input": self.pool, "metadata": self.metadata, "threshold": 2, **instead}
        flags = {**flags, "warehouse": self.root / warehouse, "files_per_commit": 1}
        words: list[object] = ["--no-lid"]
        for name, value in flags.items():
            if value is not None:
                words += ["--" + name.replace("_", "-"), *(value if isinstance(value, list) else [value])]
        return [*words, *more]


def flag_words(**flags: object) -> list[object]:
    """Return flags as words, e.g. `flag_words(warehouse=path)`."""
    return [word for name, value in flags.items() for word in ("--" + name.replace("_", "-"), value)]


def table_state(spark: Any, where: str | Path, without: Iterable[str] = ()) -> dict[str, list[tuple]]:
    """Return every table's rows as sorted tuples, without the columns that differ between attempts.

    Args:
        where: a warehouse's folder, or `catalog.schema`.
        without: more columns to drop from every table, e.g. `run_id`.

    Of `runs`, which has rows of every attempt, only the events `stage done` are compared.
    """
    state = {name: rows_of(spark, where, name, drop={*without, *_DIFFERS.get(name, ())}) for name in DATA_TABLES}
    done = rows_of(spark, where, "runs", drop=_DIFFERS["runs"] | set(without), condition="event = 'stage done'")
    return {**state, "runs": sorted(set(done))}


def rows_of(
    spark: Any,
    where: str | Path,
    name: str,
    columns: Sequence[str] = (),
    drop: Iterable[str] = (),
    condition: str = "true",
) -> list[tuple]:
    """Return a table's rows as sorted tuples; a missing table has no rows."""
    from metaclip_spark.warehouse.tables import Warehouse

    by_name = "/" not in str(where)
    table = Warehouse(spark, None if by_name else str(where), str(where) if by_name else None).read(name)
    rows = table.where(condition).select(*columns) if columns else table.where(condition).drop(*drop)
    return sorted((tuple(_plain(value) for value in record) for record in rows.collect()), key=repr)


def _plain(value: Any) -> Any:
    """Return a value that can be compared and sorted, with lists as tuples and maps as sorted pairs."""
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(_plain(part) for part in value)
    return bytes(value) if isinstance(value, bytearray) else value


def versions(warehouse: str | Path, names: Iterable[str] = DATA_TABLES) -> dict[str, int]:
    """Return each table's latest Delta version from the log's file names, or -1 for a missing table."""
    return {name: max((int(file.stem) for file in commits(warehouse, name)), default=-1) for name in names}


def commits(warehouse: str | Path, name: str) -> list[Path]:
    """Return a table's commits, oldest first."""
    return sorted(file for file in (Path(warehouse) / name / "_delta_log").glob("*.json") if file.stem.isdigit())


def appends(warehouse: str | Path, name: str) -> int:
    """Return the number of commits that added rows to a table."""
    infos = [json.loads(line) for file in commits(warehouse, name) for line in file.read_text().splitlines()]
    return sum(info["commitInfo"]["operation"] == "WRITE" for info in infos if "commitInfo" in info)


def counts_over(spark: Any, where: str | Path) -> dict[str, int]:
    """Return entry -> count, summed over snapshots."""
    sums: dict[str, int] = {}
    for entry, count in rows_of(spark, where, "entry_counts", ("entry", "count")):
        sums[entry] = sums.get(entry, 0) + count
    return sums


def assert_same(got: Mapping[str, list], wanted: Mapping[str, list]) -> None:
    """Compare two states table by table, so that a failure names the table."""
    for name, rows in wanted.items():
        assert got[name] == rows, f"{name} differs"
    assert set(got) == set(wanted)


Command = Callable[..., Ended]


def done(*words: object) -> dict[str, Any]:
    """Run a command that must succeed; return its JSON, and its stderr as `err`."""
    ended = call(*words, "--json")
    assert ended.status == 0, ended.err
    return {**json.loads(ended.out), "err": ended.err}


def drawn(spark: Any, warehouse: Path, run_id: str) -> dict[str, tuple[float, float]]:
    """Return the sampling probability and the draw of each pair of a run's subset, by pair_id."""
    columns = ("pair_id", "sampling_probability", "draw")
    rows = rows_of(spark, warehouse, "curated_pairs", columns, condition=f"run_id = '{run_id}'")
    return {pair: (p, u) for pair, p, u in rows}


def assert_right(*words: object) -> None:
    """Verify a warehouse: the counts and subsets of its runs are checked, and nothing differs."""
    ended = call("verify", *words, "--json")
    answer = json.loads(ended.out)
    assert (ended.status, answer["ok"]) == (0, True), ended.out
    for check in answer["checks"]:
        if check["check"] in ("draws", "subsets", "probabilities"):
            assert check["status"] == "ok", check
