"""An object store that refuses a commit, or whose answer is lost, never loses or doubles rows: a real S3 protocol."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3_store import BUCKET, environment, store_elsewhere

from metaclip_spark.schemas import TABLES
from metaclip_spark.warehouse.delta_rs import DataFile, DeltaLogs

NAME = "run_statistics"
IMPATIENT = {
    "allow_http": "true",
    "max_retries": "2",
    "retry_timeout": "5s",
    "backoff_config.init_backoff": "10ms",
    "backoff_config.max_backoff": "20ms",
}
COMMITS = 8


@pytest.fixture
def store(monkeypatch, tmp_path) -> Iterator[Callable[[str, int], int]]:
    """Yield a function that lets a server refuse, or lose, so many requests; it returns how often it has failed."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed; it comes with the extra [test]")
    import boto3
    import urllib3

    with store_elsewhere() as url:
        for name, value in environment(url, tmp_path).items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield lambda how, times: int(urllib3.request("GET", f"{url}/-/{how}/{times}").data)


def put(client: Any, number: int) -> tuple[DataFile, pa.Table]:
    """Store a data file of three rows; return it as a commit names it."""
    schema = TABLES[NAME].arrow
    values = [("r", f"n{number}", row, number) for row in range(3)]
    rows = pa.table(
        [pa.array([value[at] for value in values], field.type) for at, field in enumerate(schema)], schema=schema
    )
    partitioned = TABLES[NAME].partitioned_by
    sink = pa.BufferOutputStream()
    pq.write_table(rows.drop_columns(list(partitioned)), sink)
    partition = {column: rows[column][0].as_py() for column in partitioned}
    path = "/".join([*(f"{key}={value}" for key, value in partition.items()), f"{number}.parquet"])
    body = sink.getvalue().to_pybytes()
    client.put_object(Bucket=BUCKET, Key=f"w/{NAME}/{path}", Body=body)
    return DataFile(path, len(body), len(rows), partition, {}, {}), rows


@pytest.mark.parametrize("how", ["refuse", "lose"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_a_store_that_fails_in_commits_loses_and_doubles_no_row(store, seed, how):
    """Each commit is made again as a command that runs again makes it, until it is in; then every row is there once.

    Every second commit has a transaction of the application.
    """
    import boto3

    client, draws = boto3.client("s3"), random.Random(seed)
    logs = DeltaLogs(f"s3://{BUCKET}/w", IMPATIENT)
    logs.create(TABLES[NAME])
    expected = []
    for number in range(COMMITS):
        file, rows = put(client, number)
        expected += rows.to_pylist()
        store(how, draws.choice((0, 1, 2, 4, 6)))
        token = f"token {seed} {number}"
        for _ in range(4):
            before = logs.last(NAME).version
            try:
                logs.commit(NAME, [file], token, txn=(f"t{number}", 0) if number % 2 else None)
                break
            except Exception:
                # As Files.write: the data file stays where the commit is in the log in spite of the error.
                if logs.find(NAME, token, before) is not None:
                    break
    assert store(how, 0) >= COMMITS // 2, "the server got too few requests to refuse"
    assert sorted(map(str, logs.rows(NAME).to_pylist())) == sorted(map(str, expected))
    named = [row["path"] for row in pa.table(logs.open(NAME).get_add_actions(flatten=True)).to_pylist()]
    assert len(named) == COMMITS
