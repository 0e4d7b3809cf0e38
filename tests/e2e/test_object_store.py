"""A run with tables and input on `s3a://`, against a local S3 server that can fail inside a commit."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_world import FOR_A_DOZEN_ROWS, assert_same, table_state

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

BUCKET = "pool"
HADOOP = {"4.0": "3.4.1", "4.1": "3.4.2", "4.2": "3.5.0"}
"""The Hadoop version of each Spark. The connector needs the same version; with Amazon's library it has 700 MB."""
RETRIES = {
    "fs.s3a.attempts.maximum": "2",
    "fs.s3a.retry.limit": "2",
    "fs.s3a.retry.throttle.limit": "2",
    "fs.s3a.retry.interval": "50ms",
    "fs.s3a.retry.throttle.interval": "50ms",
}


class Store:
    """An S3 server. It answers 503 (Slow Down) to each request for which `fails` is true.

    Attributes:
        failed: the method and path of each request with this answer.
    """

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        self._app = DomainDispatcherApplication(create_backend_app)
        self.fails: Callable[[str, str], bool] = lambda method, path: False
        self.failed: list[str] = []
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=MotoRequestHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, environ: dict[str, Any], start_response: Callable) -> Any:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if self.fails(method, path):
            self.failed.append(f"{method} {path}")
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml"), ("Connection", "close")])
            return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
        return self._app(environ, start_response)

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()


@pytest.fixture
def store(monkeypatch, tmp_path) -> Iterator[Store]:
    """Yield a server with an empty bucket. The environment has its address and credentials."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed; it comes with the extra [test]")
    pytest.importorskip("s3fs", reason="s3fs is not installed; it comes with the extra [s3]")
    import boto3

    server = Store()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    yield server
    server.close()


def run(world, store: Store, env: dict[str, str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run the tiny world in another process, with input and tables in the bucket."""
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
    words = world.words(input=f"s3a://{BUCKET}/input")
    words[words.index("--warehouse") + 1] = f"s3a://{BUCKET}/warehouse"
    words += [word for name, value in conf.items() for word in ("--spark", f"{name}={value}")]
    words += ["--master", "local[2]", "--driver-memory", "2g"]
    return subprocess.run(
        [sys.executable, "-m", "metaclip_spark", "run", *map(str, words)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def copied(client: Any, prefix: str, to: Path) -> Path:
    """Copy the objects under a prefix of the bucket into a folder."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        for entry in page.get("Contents", []):
            path = to / entry["Key"]
            if not entry["Key"].endswith("/"):
                path.parent.mkdir(parents=True, exist_ok=True)
                client.download_file(BUCKET, entry["Key"], str(path))
    return to / prefix


def test_a_run_on_an_object_store_makes_the_tables_of_a_local_one_also_after_a_commit_failed(
    spark, remote, undisturbed, store, child_env, tmp_path
):
    """If the store refuses the log entry that commits the pairs, the run ends with status 1 and a sentence.

    When the store works again, the same command makes the tables of a local run. A third run changes nothing.
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
