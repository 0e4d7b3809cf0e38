"""No secret of a run is in Spark's web page, its event log and the command lines of its processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pytest
from canaries import leaks, texts_below

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.timeout(900)]

TESTS = Path(__file__).resolve().parents[1]
SETTINGS = {
    "spark.hadoop.fs.s3a.secret.key": "canary1s3a",
    "spark.hadoop.fs.azure.account.key.n.dfs.core.windows.net": "canary2azure==",
    "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:mysql://me:canary3metastore@host/hive",
    "spark.sql.catalog.main.uri": "jdbc:databricks://host;UID=me;PWD=canary4catalog",
    "spark.my.share": "https://host/x?sig=canary5sas",
    "spark.my.connection": "AccountName=n;AccountKey=canary6connection==",
    "spark.my.header": "Authorization=Basic%20canary7header",
    "spark.executorEnv.HTTPS_PROXY": "http://me:canary8proxy@proxy:3128",
    "spark.my.password": "canary9password",
}
VISIBLE = {"spark.ui.enabled": "true", "spark.ui.port": "0", "spark.eventLog.enabled": "true"}
CANARIES = {f"canary{n}": f"canary{n}" for n in (*range(1, 10), 20, 21, 22)}

WATCHED = """
import json, subprocess, sys, urllib.request
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from e2e_world import FOR_A_DOZEN_ROWS, World, call
from metaclip_spark.commands import curation
from pyspark.sql import SparkSession

world, seen, config = World(Path(sys.argv[2])), Path(sys.argv[3]), sys.argv[4]
closing = curation.closing_report
given = json.loads(Path(config).read_text())
names = list(given["spark"])
Path(config).write_text(json.dumps({**given, "spark": {**given["spark"], **FOR_A_DOZEN_ROWS}}))

def watch(*words, **more):
    context = SparkSession.getActiveSession().sparkContext
    page = "http://127.0.0.1:" + context.uiWebUrl.rpartition(":")[2]
    api = f"/api/v1/applications/{context.applicationId}"
    plans = f"{api}/sql?details=true&planDescription=true&length=1000"
    texts = {}
    for path in ("/environment/", "/jobs/", "/stages/", "/SQL/", "/executors/", f"{api}/environment", f"{api}/jobs",
                 f"{api}/stages?details=true", f"{api}/allexecutors", plans):
        texts[path] = urllib.request.urlopen(page + path).read().decode()
    for query in json.loads(texts[plans]):
        path = f"/SQL/execution/?id={query['id']}"
        texts[path] = urllib.request.urlopen(page + path).read().decode()
    texts["ps"] = subprocess.run(["ps", "-eo", "args", "-ww"], capture_output=True, text=True).stdout
    texts["values"] = json.dumps([context.getConf().get(name, "") for name in names])
    seen.write_text(json.dumps(texts))
    return closing(*words, **more)

curation.closing_report = watch
ended = call("run", *world.words("warehouse", input=None), "--config", config, "--master", "local[2]")
print(ended.out, ended.err)
sys.exit(ended.status)
"""


@pytest.fixture
def served(tmp_path) -> Iterator[str]:
    """Yield the address of a server of the world's input, which the child makes."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "world" / "pool"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def event_log(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the files of an event log, decompressed."""
    for file in folder.rglob("*.zstd"):
        content = pa.CompressedInputStream(pa.py_buffer(file.read_bytes()), "zstd").read()
        yield file.name, content.decode("utf-8", "replace")


def test_spark_shows_no_secret_of_a_run(served, child_env, tmp_path):
    """The settings come from the file of --config: the pages, plans and command lines have none of their secrets.

    The session has all of them, and everything else is there: the pages are those of the run.
    """
    world, log, seen, config = (tmp_path / name for name in ("world", "events", "seen.json", "given.yaml"))
    for folder in (world, log):
        folder.mkdir()
    uris = [f"http://me:canary20user@{served}/b.tsv?sig=canary21sas", f"http://{served}/a.parquet?token=canary22token"]
    spark = {**SETTINGS, **VISIBLE, "spark.eventLog.dir": str(log), "spark.driver.memory": "1g"}
    config.write_text(json.dumps({"input": uris, "spark": spark}), encoding="utf-8")
    command = [sys.executable, "-c", WATCHED, str(TESTS / "e2e"), str(world), str(seen), str(config)]
    done = subprocess.run(
        command, env=child_env, cwd=tmp_path, capture_output=True, text=True, timeout=800, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    texts = json.loads(seen.read_text(encoding="utf-8"))
    values = json.loads(texts.pop("values"))
    assert values[: len(SETTINGS)] == list(SETTINGS.values())
    events = list(event_log(log))
    assert len(texts) > 20
    assert "spark.hadoop.fs.s3a.secret.key" in next(
        text for path, text in texts.items() if path.endswith("/environment")
    )
    assert any("SparkListenerEnvironmentUpdate" in text for _, text in events)
    written = [(file.relative_to(world), text) for file, text in texts_below(world, world / "pool")]
    said = [("stdout", done.stdout), ("stderr", done.stderr)]
    assert leaks(CANARIES, [*texts.items(), *events, *written, *said]) == []
