"""A run with tables and input on `s3a://`, against a local S3 server that can fail inside a commit."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_world import FOR_A_DOZEN_ROWS, SHARED, assert_same, table_state
from s3_store import BUCKET, Store, started_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

HADOOP = {"4.0": "3.4.1", "4.1": "3.4.2", "4.2": "3.5.0"}
"""The Hadoop version of each Spark. The connector needs the same version; with Amazon's library it has 700 MB."""
RETRIES = {
    "fs.s3a.attempts.maximum": "2",
    "fs.s3a.retry.limit": "2",
    "fs.s3a.retry.throttle.limit": "2",
    "fs.s3a.retry.interval": "50ms",
    "fs.s3a.retry.throttle.interval": "50ms",
}


@pytest.fixture
def store(monkeypatch, tmp_path) -> Iterator[Store]:
    """Yield a server with an empty bucket. The environment has its address and credentials."""
    with started_store(monkeypatch, tmp_path) as server:
        yield server


def run(world, store: Store, env: dict[str, str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run the tiny world in another process, with input and tables in the bucket."""
    words = world.words(input=f"s3a://{BUCKET}/input")
    at = words.index("--warehouse")
    return command(store, env, tmp_path, "run", *words[:at], *words[at + 2 :])


def command(
    store: Store, env: dict[str, str], tmp_path: Path, name: str, *words: object
) -> subprocess.CompletedProcess[str]:
    """Run a command on the warehouse in the bucket, in another process."""
    from metaclip_spark.spark.session import delta_package

    minor = ".".join(importlib.metadata.version("pyspark").split(".")[:2])
    conf = {
        **FOR_A_DOZEN_ROWS,
        "spark.jars.packages": f"{delta_package()},org.apache.hadoop:hadoop-aws:{HADOOP[minor]}",
        "spark.hadoop.fs.s3a.endpoint": store.url,
        "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        **{f"spark.hadoop.{name}": value for name, value in RETRIES.items()},
    }
    words += ("--warehouse", f"s3a://{BUCKET}/warehouse", "--master", "local[2]", "--driver-memory", "2g")
    words += tuple(word for key, value in conf.items() for word in ("--spark", f"{key}={value}"))
    return subprocess.run(
        [sys.executable, "-m", "metaclip_spark", name, *map(str, words)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def copied(client: Any, prefix: str, to: Path) -> Path:
    """Copy the objects under a prefix of the bucket into a folder."""
    for entry in objects(client, prefix):
        path = to / entry["Key"]
        if not entry["Key"].endswith("/"):
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(BUCKET, entry["Key"], str(path))
    return to / prefix


def objects(client: Any, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield the objects under a prefix of the bucket."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        yield from page.get("Contents", [])


def test_a_run_on_an_object_store_makes_the_tables_of_a_local_one_also_after_a_commit_failed(
    spark, remote, undisturbed, store, child_env, tmp_path
):
    """If the store refuses the log entry that commits the pairs, the run ends with status 1 and a sentence.

    When the store works again, the same command makes the tables of a local run. A third run changes nothing. Then
    `verify` finds them right, also after a takedown, and finds what was damaged.
    """
    if remote is not None:
        pytest.skip("the run is in another process with its own Spark, so this session does not matter")
    import boto3

    client = boto3.client("s3")
    for file in sorted(undisturbed.world.pool.iterdir()):
        client.upload_file(str(file), BUCKET, f"input/{file.name}")
    env = {**child_env, **{name: value for name, value in os.environ.items() if name.startswith("AWS_")}}

    store.fails = lambda method, path: method == "PUT" and "/warehouse/pairs/_delta_log/" in path and "01.json" in path
    failed = run(undisturbed.world, store, env, tmp_path)
    assert failed.returncode == 1, failed.stderr
    assert store.failed, f"the server got no request to refuse:\n{failed.stderr}"
    assert "metaclip-spark: failed: " in failed.stderr
    assert "Traceback" not in failed.stderr

    store.fails = lambda method, path: False
    done = run(undisturbed.world, store, env, tmp_path)
    assert done.returncode == 0, done.stderr
    without = {"source_path", "uri", "etag", "batch_id", "run_id"}  # these depend on where the input is
    state = table_state(spark, copied(client, "warehouse", tmp_path / "first"), without)
    assert_same(state, table_state(spark, undisturbed.warehouse, without))

    again = run(undisturbed.world, store, env, tmp_path)
    assert again.returncode == 0, again.stderr
    assert_same(table_state(spark, copied(client, "warehouse", tmp_path / "second"), without), state)

    # `verify` reads the tables, the exports and the reports of a warehouse in a bucket.
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{SHARED[0]}\n", encoding="utf-8")
    exported = command(store, env, tmp_path, "export")
    assert exported.returncode == 0, exported.stderr
    before = copied(client, "warehouse/exports", tmp_path / "before")
    taken = command(store, env, tmp_path, "takedown", "--urls", listed)
    assert taken.returncode == 0, taken.stderr
    right = command(store, env, tmp_path, "verify", "--json")
    assert right.returncode == 0, right.stdout + right.stderr
    checks = {check["check"]: check for check in json.loads(right.stdout)["checks"]}
    assert {check["status"] for check in checks.values()} == {"ok"}
    assert checks["takedowns"]["checked"]["exported files"] >= 1
    # An export that somebody puts back has the url again, and a table lacks a file that its log names.
    for file in sorted(before.rglob("*.parquet")):
        client.upload_file(str(file), BUCKET, str(file.relative_to(tmp_path / "before")))
    lost = next(entry["Key"] for entry in objects(client, "warehouse/rejects/") if entry["Key"].endswith(".parquet"))
    client.delete_object(Bucket=BUCKET, Key=lost)
    wrong = command(store, env, tmp_path, "verify", "--json")
    assert wrong.returncode == 1, wrong.stdout + wrong.stderr
    checks = {check["check"]: check for check in json.loads(wrong.stdout)["checks"]}
    assert checks["takedowns"]["status"] == "failed"
    assert Path(lost).name in checks["takedowns"]["problem"]
    assert checks["sources"]["status"] == "failed"
    assert {check["status"] for name, check in checks.items() if name not in ("takedowns", "sources")} == {"ok"}
