"""Measure the rates of the cost model end to end: each stage is run as a command, on inputs of two sizes.

    python tests/benchmarks/cost_rates.py [--engine embedded spark] [--rows 200000] [--copies 2] [--save]

Input lies in a bucket of a local S3 server (moto, in a process of its own that is not counted). Tables lie in a local
folder. A rate is the difference of the CPU seconds of all processes between the two sizes, over the difference of the
amounts, so the start of a process has no part in it. `--save` writes metaclip_spark/costs/rates.json, with which `plan`
and tests/benchmarks/scaling.py compute.

WAT and WARC are the crawled pages of ../shared/data where they are there, else the shipped sample (and no WARC: its
rates stay as they are).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

sys.path.insert(0, str(Path(__file__).parent))
from generated_pool import generated_pool
from process_tree import measured
from texts import ROOT, entry_list

from metaclip_spark.costs.rates import ENGINES, Rates, rates_of
from metaclip_spark.extract.language import load_identifier
from metaclip_spark.terminal.tables import print_rows

RATES = ROOT / "metaclip_spark" / "costs" / "rates.json"
CRAWL = ROOT.parent / "shared" / "data" / "crawl"
BUCKET = "pool"
LARGER = 4
"""The larger input has this many times the amount of the smaller one."""
SHUFFLED = {"embedded": 0.0, "spark": 248.0}
"""Bytes shuffled per staged pair; of Spark as tests/benchmarks/dedup_crawls.py measures them."""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class Bench:
    """The work folder, the bucket, and the engine that is measured."""

    work: Path
    endpoint: str
    engine: str

    def run(self, command: str, warehouse: str, *more: str) -> float:
        """Run a command on a warehouse; return the CPU seconds of all its processes."""
        words = [sys.executable, "-m", "metaclip_spark", command, "--engine", self.engine]
        words += ["--warehouse", str(self.work / warehouse), *more]
        one = measured(words, {**CREDENTIALS, "AWS_ENDPOINT_URL": self.endpoint}, self.work)
        if one.status != 0:
            raise SystemExit(f"{' '.join(words)}: exit status {one.status}\n{one.output}")
        return one.cpu_seconds

    def drop(self, *warehouses: str) -> None:
        """Remove warehouses."""
        for name in warehouses:
            shutil.rmtree(self.work / name, ignore_errors=True)

    def table(self, warehouse: str, name: str, *columns: str) -> pa.Table:
        """Return columns of a table of a warehouse."""
        return DeltaTable(self.work / warehouse / name).to_pyarrow_table(columns=list(columns))

    def bytes_per_row(self, warehouse: str, name: str) -> float:
        """Return the bytes of a table's current files per row."""
        files = pa.table(DeltaTable(self.work / warehouse / name).get_add_actions(flatten=True))
        return sum(files["size_bytes"].to_pylist()) / max(1, sum(files["num_records"].to_pylist()))


@contextmanager
def bucket(work: Path) -> Iterator[str]:
    """Start a local S3 server with an empty bucket; yield its address."""
    port = 15_000 + os.getpid() % 10_000
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=work,
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(endpoint, timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        import boto3

        keys = {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).create_bucket(Bucket=BUCKET)
        yield endpoint
    finally:
        server.terminate()
        server.wait()


def upload(endpoint: str, path: Path, key: str) -> None:
    """Put a file into the bucket."""
    import boto3

    keys = {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).upload_file(str(path), BUCKET, key)


def write_inputs(work: Path, rows: int) -> dict[str, Path]:
    """Write generated rows as Parquet, TSV, CSV and JSON lines; return format -> file, WAT and WARC included."""
    table = pa.concat_tables(generated_pool(rows))
    found = {form: work / f"pool.{form}" for form in ("parquet", "tsv", "csv", "jsonl")}
    pq.write_table(table, found["parquet"])
    pairs = list(zip(table["url"].to_pylist(), table["text"].to_pylist(), strict=True))
    found["tsv"].write_text("url\ttext\n" + "".join(f"{url}\t{text}\n" for url, text in pairs), encoding="utf-8")
    found["csv"].write_text("url,text\n" + "".join(f"{url},{text}\n" for url, text in pairs), encoding="utf-8")
    lines = (json.dumps({"url": url, "text": text}) for url, text in pairs)
    found["jsonl"].write_text("\n".join(lines) + "\n", encoding="utf-8")
    if (CRAWL / "pages.wat.gz").exists():
        return {"wat": CRAWL / "pages.wat.gz", "warc": CRAWL / "pages.warc.gz", **found}
    return {"wat": ROOT / "jobs" / "sample" / "pool.wat.gz", **found}


def _suffix(path: Path) -> str:
    return "".join(path.suffixes)


def measure_reading(bench: Bench, inputs: dict[str, Path], few: int) -> dict[str, dict[str, float]]:
    """Return read_seconds, texts_per_mb and pairs_per_mb, and under the key `identify` its seconds per text."""
    found: dict[str, dict[str, float]] = {"read_seconds": {}, "texts_per_mb": {}, "pairs_per_mb": {}, "identify": {}}
    given = ("--metadata", str(entry_list()))
    for form, path in inputs.items():
        megabytes = path.stat().st_size / 1e6
        copies = few * (4 if form == "wat" else 1)  # fast to read, so more of it
        for at in range(LARGER * copies):
            upload(bench.endpoint, path, f"{form}/{'small' if at < copies else 'large'}/{at}{_suffix(path)}")
        seconds = {}
        for size, number in (("small", copies), ("large", (LARGER - 1) * copies)):
            where = ("--input", f"s3://{BUCKET}/{form}/{size}/*", *given)
            bench.drop("reading")
            seconds[number] = bench.run("extract", "reading", *where, "--no-lid")
        outcomes = bench.table("reading", "extracted", "kind", "texts_read", "pairs_written").to_pylist()
        of = [row for row in outcomes if row["kind"] == "source"]
        whole = megabytes * (LARGER - 1) * copies
        found["texts_per_mb"][form] = sum(row["texts_read"] for row in of) / whole
        found["pairs_per_mb"][form] = sum(row["pairs_written"] for row in of) / whole
        found["read_seconds"][form] = _slope(seconds) / megabytes
        if form == "wat":
            found["identify"]["seconds"] = _identify_seconds(bench.table("reading", "extracted", "text")["text"])
        bench.drop("reading")
    return found


def _identify_seconds(texts: pa.ChunkedArray) -> float:
    """Return the CPU seconds of identification per text: too few for the difference of two commands to show them."""
    identifier = load_identifier("lid176")
    batches = [part.drop_null() for part in texts.chunks]
    identifier.identify(batches[0])  # loads the model
    began = time.process_time()
    for batch in batches:
        identifier.identify(batch)
    return (time.process_time() - began) / sum(map(len, batches))


def _slope(seconds: dict[int, float]) -> float:
    """Return the seconds of one more, from the seconds of two numbers; at least 0."""
    (less, few), (more, many) = sorted(seconds.items())
    return max(0.0, (many - few) / (more - less))


def measure_stages(bench: Bench, rows: int) -> dict[str, float]:
    """Return the rates of the stages after extraction."""
    seconds: dict[str, dict[int, float]] = {}
    given = ("--metadata", str(entry_list()))
    for number in (rows, LARGER * rows):
        bench.drop("stages")
        pool = bench.work / f"rows-{number}"
        _write_parquet(pool, number, seed=0)
        bench.run("extract", "stages", "--input", f"{pool}/*.parquet", *given, "--no-lid")
        staged = bench.table("stages", "extracted", "kind")["kind"].to_pylist().count("pair")
        sizes = {"staged_bytes": bench.bytes_per_row("stages", "extracted")}
        steps: dict[str, Callable[[], float]] = {
            "dedup": lambda: bench.run("dedup", "stages", *given),
            "count": lambda: bench.run("count", "stages", *given),
            "balance": lambda: bench.run("balance", "stages", *given),
            "report": lambda: bench.run("report", "stages", *given),
        }
        taken = {name: step() for name, step in steps.items()}
        new = DeltaTable(bench.work / "stages" / "pairs").count()
        by = {"dedup": staged, "count": new, "balance": new, "report": new}
        for name, each in taken.items():
            seconds.setdefault(name, {})[by[name]] = each
    sizes |= {
        "pair_bytes": bench.bytes_per_row("stages", "pairs"),
        "curated_bytes": bench.bytes_per_row("stages", "curated_pairs"),
        "key_bytes": bench.bytes_per_row("stages", "sightings"),
    }
    rates = {f"{name}_seconds": _slope(each) for name, each in seconds.items()}
    return {**rates, **sizes, "known_seconds": _known(bench, rows, new, seconds["dedup"])}


def _known(bench: Bench, rows: int, known: int, dedup: dict[int, float]) -> float:
    """Return the seconds per known key: of a second crawl of few rows, beyond those of the same rows without a pool."""
    pool = bench.work / "second"
    _write_parquet(pool, rows, seed=1)
    given = ("--metadata", str(entry_list()), "--snapshot", "second")
    bench.run("extract", "stages", "--input", f"{pool}/*.parquet", *given, "--no-lid")
    return max(0.0, bench.run("dedup", "stages", *given) - min(dedup.values())) / known


def _write_parquet(folder: Path, rows: int, seed: int) -> None:
    folder.mkdir(exist_ok=True)
    for at, block in enumerate(_in_parts(rows, seed)):
        pq.write_table(block, folder / f"part-{at}.parquet")


def _in_parts(rows: int, seed: int) -> Iterator[pa.Table]:
    blocks = list(generated_pool(rows, seed))
    step = -(-len(blocks) // 4)
    for first in range(0, len(blocks), step):
        yield pa.concat_tables(blocks[first : first + step])


def measure(engine: str, work: Path, rows: int, copies: int, before: Rates | None, reads: bool) -> Rates:
    """Return the rates of an engine.

    Args:
        before: the rates of formats that have no input here.
        reads: whether reading is measured; if not, all its rates are those before.
    """
    inputs = write_inputs(work, rows)
    with bucket(work) as endpoint:
        bench = Bench(work, endpoint, engine)
        few = work / "few"
        _write_parquet(few, 1000, seed=2)
        given = ("--input", f"{few}/*.parquet", "--metadata", str(entry_list()), "--no-lid")
        bench.run("run", "warm", *given)
        began = time.perf_counter()
        bench.run("run", "start", *given)
        start = time.perf_counter() - began
        bench.drop("warm", "start")
        reading = _unmeasured(before) if before is not None and not reads else measure_reading(bench, inputs, copies)
        stages = measure_stages(bench, rows)
        bench.drop("stages")
    for name in ("read_seconds", "texts_per_mb", "pairs_per_mb"):
        for form, value in (getattr(before, name) if before is not None else {}).items():
            reading[name].setdefault(form, value)
    values = {
        "measured": f"{platform.machine()}, {os.cpu_count()} cores, {rows:,} and {LARGER * rows:,} rows",
        "start_seconds": start,
        "read_seconds": reading["read_seconds"],
        "texts_per_mb": reading["texts_per_mb"],
        "pairs_per_mb": reading["pairs_per_mb"],
        "identify_seconds": reading["identify"]["seconds"],
        "shuffled_bytes": SHUFFLED[engine],
        **stages,
    }
    return rates_of(_rounded(values))


def _unmeasured(before: Rates) -> dict[str, dict[str, float]]:
    names = ("read_seconds", "texts_per_mb", "pairs_per_mb")
    return {**{name: dict(getattr(before, name)) for name in names}, "identify": {"seconds": before.identify_seconds}}


def _rounded(values: object) -> dict[str, object]:
    def three(value: object) -> object:
        if isinstance(value, dict):
            return {name: three(each) for name, each in sorted(value.items())}
        return float(f"{value:.3g}") if isinstance(value, float) else value

    return three(values)  # type: ignore[return-value]


def main() -> None:
    """Measure the engines, print the rates, and save them if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the smaller input (default 200,000)")
    parser.add_argument("--copies", type=int, default=2, help="files of the smaller input of a format (default 2)")
    parser.add_argument(
        "--reading-of",
        choices=ENGINES,
        help="measure no reading: take its rates of this engine (the code is the same)",
    )
    parser.add_argument("--save", action="store_true", help="write metaclip_spark/costs/rates.json")
    args = parser.parse_args()
    stored = json.loads(RATES.read_text(encoding="utf-8")) if RATES.exists() else {}
    for engine in args.engine:
        work = Path(tempfile.mkdtemp(prefix="cost-rates-"))
        try:
            origin = args.reading_of or engine
            before = rates_of(stored[origin]) if origin in stored else None
            rates = measure(engine, work, args.rows, args.copies, before, args.reading_of is None)
        finally:
            shutil.rmtree(work)
        stored[engine] = rates.as_json()
        print_rows([engine, "rate"], [[name, str(value)] for name, value in rates.as_json().items()])
    if args.save:
        RATES.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
