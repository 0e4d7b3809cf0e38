"""Each place that gives a command a credential, and each output of each command: no credential is in any of them."""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from canaries import leaks, texts_below
from e2e_world import Ended, World, call, flag_words

from metaclip_spark.core import secrets
from metaclip_spark.storage.fetch import Patience

pytestmark = pytest.mark.spark

ENVIRONMENT = {
    "AWS_SECRET_ACCESS_KEY": "canary1aws/se+cret",
    "AWS_SESSION_TOKEN": "canary2session//token==",
    "AZURE_STORAGE_CONNECTION_STRING": "AccountName=n;AccountKey=canary3azure0key==;EndpointSuffix=x",
    "AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=canary4sas%3D",
    "GOOGLE_SERVICE_KEY": '{"private_key": "-----BEGIN PRIVATE KEY-----\\ncanary5pem\\n-----END PRIVATE KEY-----"}',
    "HTTP_PROXY": "http://me:canary6proxy@127.0.0.1:1",
    "HTTPS_PROXY": "http://me:canary7p%40ss@127.0.0.1:1",
    "DATABRICKS_TOKEN": "dapi0123456789abcdef0123456789abcde8",
    "AIRFLOW_CONN_STORE": '{"conn_type": "aws", "password": "canary9conn ection"}',
    "AIRFLOW_CONN_DB": "postgres://me:canary10db@host/db",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://me:canary11alchemy@host/airflow",
    "AIRFLOW__CELERY__RESULT_BACKEND": "db+postgresql://me:canary12backend@host/airflow",
    "OPENLINEAGE_API_KEY": "canary13lineage0key",
    "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20canary14otel,x=1",
    "JAVA_TOOL_OPTIONS_OF_CLUSTER": "-Djavax.net.ssl.keyStorePassword=canary15java",
    "DOCKER_AUTH_CONFIG": '{"auths": {"host": {"auth": "canary16docker=="}}}',
    "MYSQL_PWD": "canary17mysql",
    "PIP_INDEX_URL": "https://__token__:canary18index@host/simple",
}
SETTINGS = {
    "spark.hadoop.fs.s3a.secret.key": "canary20s3a/key",
    "spark.hadoop.fs.azure.account.key.n.dfs.core.windows.net": "canary21azure0account==",
    "spark.hadoop.fs.azure.sas.box.n": "canary22sas0fixed",
    "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:mysql://me:canary23metastore@host/hive",
    "spark.hadoop.javax.jdo.option.ConnectionPassword": "canary24hive0password",
    "spark.sql.catalog.main.uri": "jdbc:databricks://host;UID=token;PWD=canary25catalog",
    "spark.sql.catalog.rest.credential": "id:canary26rest0credential",
    "spark.executorEnv.HTTPS_PROXY": "http://me:canary27executor@proxy:3128",
    "spark.executor.extraJavaOptions": "-Djavax.net.ssl.trustStorePassword=canary28trust",
    "spark.my.header": "Authorization: Bearer canary29header",
    "spark.jdbc.oracle": "jdbc:oracle:thin:me/canary30oracle@//host:1521/x",
}
SOURCES = {
    "user and password": "http://me:canary40user@{host}/a.parquet?1",
    "password with / and @": "http://me:canary41p@ss@{host}/b.tsv?2",
    "query of S3": "http://{host}/b.tsv?X-Amz-Credential=canary42id%2Fus&X-Amz-Security-Token=canary43t%2B&X-Amz-Signature=canary44s",
    "query of Azure": "http://{host}/b.tsv?sv=2022&sig=canary45sas%2Bsig%3D",
    "query of Google": "http://{host}/b.tsv?X-Goog-Signature=canary46google",
    "query of CloudFront": "http://{host}/b.tsv?Policy=p&Signature=canary47front&Key-Pair-Id=canary48pair",
    "token": "http://{host}/b.tsv?token=canary49token",
    "jwt": "http://{host}/b.tsv?jwt=canary50jwt",
}
"""Kind of address -> a source with it."""
FSSPEC = {"s3": {"secret": "canary60fsspec0secret"}, "sftp": {"password": "canary61sftp0password"}}
"""What fsspec reads from ~/.config/fsspec."""

CANARIES = {
    **{
        f"canary{number}": value
        for number, value in {
            1: "canary1aws/se+cret",
            2: "canary2session//token==",
            9: "canary9conn ection",
            **{n: f"canary{n}" for n in (3, 4, 5, 6, *range(10, 19))},
            7: "canary7p",
            8: "dapi0123456789abcdef0123456789abcde8",
            **{n: f"canary{n}" for n in (*range(20, 31), *range(40, 51), 60, 61)},
        }.items()
    },
}
"""Name -> the text that is searched for."""

QUICK = Patience(attempts=2, forbidden_attempts=2, base_delay=0.01, max_delay=0.02, connect_seconds=2, read_seconds=2)


class _Store(BaseHTTPRequestHandler):
    """Serve a folder, and refuse what is below /refused/ with a page that quotes the request and its credentials."""

    folder: Path

    def do_GET(self) -> None:
        """Answer with a file, a refusal that quotes the address, or a page that says that there is none."""
        name = self.path.partition("?")[0].lstrip("/")
        file = self.folder / name
        status, body = (200, file.read_bytes()) if name and file.is_file() else (404, b"no such file")
        if name.startswith("refused"):
            quoted = f"{self.path} {self.headers.get('Authorization')} {secrets_said()}"
            status, body = 403, f"<Error><Code>AccessDenied</Code><Message>{quoted}</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def secrets_said() -> str:
    """Return a text with every value of the environment, the settings and the sources, as an error may quote them."""
    return " ".join([*ENVIRONMENT.values(), *SETTINGS.values(), *SOURCES.values(), json.dumps(FSSPEC)])


@pytest.fixture
def store(world) -> Iterator[str]:
    """Yield the address of a server of the world's input."""
    handler = type("Store", (_Store,), {"folder": world.pool})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def given(world, store, monkeypatch) -> Path:
    """Give a command credentials in every place; return the file for `--config`."""
    import fsspec

    monkeypatch.setattr(secrets, "_remembered", set())
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setitem(fsspec.config.conf, "s3", FSSPEC["s3"])
    monkeypatch.setitem(fsspec.config.conf, "sftp", FSSPEC["sftp"])
    for name in ("PATIENCE", "PLANNING_PATIENCE"):
        monkeypatch.setattr(f"metaclip_spark.storage.open.{name}", QUICK)
    config = world.root.parent / "given.yaml"
    config.write_text(json.dumps({"spark": SETTINGS}), encoding="utf-8")
    return config


def leaked(world: World, ended: dict[str, Ended]) -> list[str]:
    """Return which canary is in which file below the world's folder, or in which command's output."""
    texts: list[tuple[object, str]] = [
        (file.relative_to(world.root), text) for file, text in texts_below(world.root, world.pool)
    ]
    texts += [
        (f"{part} of {name}", text)
        for name, each in ended.items()
        for part, text in (("stdout", each.out), ("stderr", each.err))
    ]
    return leaks(CANARIES, texts)


def test_no_output_has_a_credential_of_any_place(world, store, given):
    """Environment, config, sources; tables, logs, pages, JSON, lines of progress, and metrics of eleven commands."""
    inputs = [uri.format(host=store) for uri in SOURCES.values()]
    metrics = world.root / "metrics.jsonl"
    of_run = ["--config", given, "--metrics", metrics, "--debug"]
    run = world.words("warehouse", *of_run, "--outcome", world.root / "outcome.json", input=inputs)
    at = [*flag_words(warehouse=world.root / "warehouse"), "--config", given]
    ended = {"run": call("run", *run)}
    run_id = json.loads((world.root / "outcome.json").read_text(encoding="utf-8"))["run_id"]
    planned = world.words("warehouse", "--config", given, input=inputs, threshold=None)
    (world.root / "urls.txt").write_text("http://nowhere.example/x.jpg\n", encoding="utf-8")
    commands: dict[str, list[object]] = {
        "run again, with events": ["run", *run, "--log-format", "json"],
        "plan": ["plan", *planned],
        "plan --json": ["plan", *planned, "--json"],
        "runs list": ["runs", "list", *at, "--json"],
        "runs show": ["runs", "show", run_id, *at],
        "runs show --json": ["runs", "show", run_id, *at, "--json"],
        "report": ["report", *at],
        "verify": ["verify", *at],
        "verify --json": ["verify", *at, "--json"],
        "explain": ["explain", *at, "--text", "a cat", "--json"],
        "sweep": ["sweep", *at, "--json"],
        "export": ["export", *at, "--json"],
        "snapshots list": ["snapshots", "list", *at],
        "maintain": ["maintain", *at, "--dry-run"],
        "takedown": ["takedown", *at, "--urls", world.root / "urls.txt", "--dry-run"],
    }
    ended |= {name: call(*words) for name, words in commands.items()}
    assert {name: each.err[-300:] for name, each in ended.items() if each.status} == {}
    assert leaked(world, ended) == []
    stored = "".join(text for file, text in texts_below(world.root, world.pool) if file.parent.name == "runs")
    assert "spark.hadoop.fs.s3a.secret.key" in stored
    assert "(hidden)" in stored


def test_no_failure_says_a_credential(world, store, given, monkeypatch):
    """A host that does not exist, a proxy, a refusal that quotes its request, a file that is missing, a wrong value."""
    secret = "me:canary40user@"
    sign = "X-Amz-Signature=canary44s&sig=canary45sas"
    failing = {
        "no such host": [f"http://{secret}no-such-host.invalid/a.tsv?{sign}"],
        "nobody listens": [f"http://{secret}127.0.0.1:1/a.tsv?{sign}"],
        "a proxy that does not answer": [f"http://{secret}192.0.2.1/a.tsv?{sign}"],
        "refused": [f"http://{secret}{store}/refused.tsv?{sign}"],
        "missing": [f"http://{secret}{store}/missing.tsv?{sign}"],
        "no address": [f"http://{secret}[::1/a.tsv?{sign}"],
        "unknown scheme": [f"nonsense://{secret}host/a.tsv?{sign}"],
        "missing package": [f"sftp://{secret}host/a.tsv?{sign}"],
        "no folder": [world.root / f"none?{sign}"],
    }
    ended = {
        name: call("run", *world.words(f"w{at}", "--config", given, input=words))
        for at, (name, words) in enumerate(failing.items())
    }
    wrong = {
        "a value": ["--threshold", f"https://{secret}host"],
        "metrics": ["--metrics", f"nonsense://{secret}host"],
        "metadata": ["--metadata", f"http://{secret}127.0.0.1:1/list.json?{sign}"],
        "warehouse": ["--warehouse", f"nonsense://{secret}host/w?{sign}"],
        "expectations": ["--expect", f"http://{secret}127.0.0.1:1/e.yaml?{sign}"],
    }
    ended |= {name: call("run", *world.words("wrong", *words)) for name, words in wrong.items()}
    assert [name for name, each in ended.items() if not each.status] == []

    def fails(*_: object) -> None:
        raise OSError(f"403 for url: {secrets_said()}")

    monkeypatch.setattr("metaclip_spark.pipeline.count_step", fails)
    for name, more in {
        "an error of a library": [],
        "its trace": ["--debug"],
        "as an event": ["--log-format", "json"],
    }.items():
        ended[name] = call("run", *world.words("broken", "--config", given, *more))
        assert ended[name].status == 1
        assert "(hidden)" in ended[name].err
    assert leaked(world, ended) == []


def _log() -> None:
    logging.getLogger("a.library").warning("Retrying after %s", secrets_said())


def _warn() -> None:
    warnings.warn(secrets_said(), stacklevel=1)


def _fail_in_thread() -> None:
    def fail() -> None:
        raise ValueError(secrets_said())

    thread = threading.Thread(target=fail, name="a library's")
    thread.start()
    thread.join()


class _Unclosed:
    def __del__(self) -> None:
        raise ValueError(secrets_said())


def _as_python(message: Warning | str, category: type[Warning], filename: str, line: int, *_: object) -> None:
    print(warnings.formatwarning(message, category, filename, line), end="", file=sys.stderr)


@pytest.mark.parametrize(
    ("speak", "begins"),
    [(_log, "Retrying after"), (_warn, ""), (_fail_in_thread, "Exception in thread a library's:"), (_Unclosed, "Exc")],
    ids=["a log record", "a warning", "an error of a thread", "an error of an object that ends"],
)
def test_no_word_of_a_library_has_a_credential(world, given, monkeypatch, speak: Callable[[], object], begins):
    """What libraries print by themselves, past the command's own output."""
    step = "metaclip_spark.commands.plan.plan"
    monkeypatch.setattr(step, lambda *_: [speak(), 0][1])
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a process of its own: pytest has set some
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", _as_python)  # pytest records warnings
        before = logging.lastResort, warnings.formatwarning, threading.excepthook
        ended = call("plan", "--config", given, *world.words("warehouse", threshold=None))
        assert (logging.lastResort, warnings.formatwarning, threading.excepthook) == before
    assert ended.status == 0, ended.err
    assert begins in ended.err
    assert "(hidden)" in ended.err
    assert leaked(world, {"plan": ended}) == []
