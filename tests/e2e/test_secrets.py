"""No secret that a command was given is in a byte that it writes or prints: each is searched for in all of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from canaries import leaks, texts_below
from e2e_world import World, call, flag_words

from metaclip_spark.core.secrets import HIDDEN

pytestmark = pytest.mark.spark

CANARIES = {
    "signature": "canary0signature0aaaa",
    "sas": "canary0sas0bbbb",
    "password": "canary0password0cccc",
    "token": "canary0token0dddd",
    "account key": "canary0account0key0eeee==",
    "spark password": "canary0spark0password0ffff",
    "java": "canary0java0gggg",
    "environment": "canary0environment0hhhh",
    "proxy": "canary0proxy0iiii",
    "filter": "canary0filter0jjjj",
    "list": "canary0list0kkkk",
    "redirect": "canary0redirect0llll",
    "config": "canary0config0mmmm",
    "lineage": "canary0lineage0nnnn",
    "headers": "canary0headers0oooo",
    "metrics": "canary0metrics0pppp",
}
"""Kind of secret -> its value."""


class _Quiet(SimpleHTTPRequestHandler):
    """Serve a folder without logging; `/moved/` redirects to an address with a signature."""

    def send_head(self):
        """Answer with a redirect, or as the parent does."""
        if not self.path.startswith("/moved/"):
            return super().send_head()
        self.send_response(302)
        self.send_header("Location", f"/{self.path.split('/')[-1]}?X-Amz-Signature={CANARIES['redirect']}")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def served(world) -> Iterator[str]:
    """Yield the address of a server of the world's input."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(world.pool)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def found(world: World, *said: str) -> list[str]:
    """Return the kinds of canaries that are in a file of the world's folder or in a text, with the place."""
    return leaks(CANARIES, [*texts_below(world.root, world.pool), *(("said", text) for text in said)])


def words_with_secrets(world: World, served: str, engine: str) -> list[object]:
    """Return the words of a run whose settings and sources have all kinds of secrets."""
    inputs = [
        f"http://{served}/a.parquet?X-Amz-Credential=c&X-Amz-Signature={CANARIES['signature']}",
        f"http://{served}/b.tsv?sv=2022&sig={CANARIES['sas']}",
        f"http://me:{CANARIES['password']}@{served}/c.wat.gz?page=1.wat.gz",
    ]
    spark = {
        "fs.azure.account.key.acc.dfs.core.windows.net": CANARIES["account key"],
        "spark.my.password": CANARIES["spark password"],
        "spark.executor.extraJavaOptions": f"-Djavax.net.ssl.trustStorePassword={CANARIES['java']}",
    }
    words = world.words("warehouse", "--outcome", world.root / "outcome.json", input=inputs)
    words += [word for name, value in spark.items() for word in ("--spark", f"{name}={value}")]
    if engine == "spark":  # the session of the tests is used, whatever the address
        words += ["--remote", f"sc://127.0.0.1:1/;token={CANARIES['token']};user_id=me"]
    return words


def test_no_byte_of_a_run_has_a_secret(world, served, engine, monkeypatch):
    """Tables, logs, page, sidecar, outcome, export and output of a run have none of the secrets of its settings."""
    monkeypatch.setenv("MY_STORE_SECRET", CANARIES["environment"])
    words = words_with_secrets(world, served, engine)
    ended = [call("run", *words)]
    assert ended[0].status == 0, ended[0].err
    at = flag_words(warehouse=world.root / "warehouse")
    of_plan = list(words)
    for flag in ("--outcome", "--threshold"):
        del of_plan[of_plan.index(flag) : of_plan.index(flag) + 2]
    ended += [call("plan", *of_plan), call("report", *at), call("runs", "list", *at)]
    ended += [call("export", *at, "--json"), call("balance", *at, "--threshold", 3, "--debug")]
    assert [each.status for each in ended] == [0] * len(ended), [each.err[-300:] for each in ended if each.status]
    assert found(world, *(each.out + each.err for each in ended)) == []
    texts = [text for file, text in texts_below(world.root, world.pool) if file.parent.name == "runs"]
    assert any("X-Amz-Signature=(hidden)" in text for text in texts)
    assert any("'fs.azure.account.key.acc.dfs.core.windows.net': '(hidden)'" in t.replace('"', "'") for t in texts)


def test_no_word_of_an_error_has_a_secret(world, served, engine, monkeypatch):
    """Errors of settings, of sources and of libraries quote what they got, without secrets; the log of runs, too."""
    monkeypatch.setenv("MY_STORE_SECRET", CANARIES["environment"])
    missing = f"http://me:{CANARIES['password']}@{served}/missing.tsv?sig={CANARIES['sas']}"
    listed = world.pool / "sources.paths"
    listed.write_text(missing + "\n", encoding="utf-8")
    ended = [
        call("run", *world.words(), "--threshold", f"token={CANARIES['token']}"),
        call("run", *world.words(), "--nonsense", f"--api-key={CANARIES['signature']}"),
        call("run", *world.words(input=missing)),
        call("run", *world.words("failing", input=listed)),
    ]
    assert all(each.status for each in ended), [each.err for each in ended]

    def fails(*_: object) -> None:
        raise OSError(f"store says {CANARIES['environment']} and password={CANARIES['spark password']}")

    monkeypatch.setattr("metaclip_spark.pipeline.count_step", fails)
    ended.append(call("run", *world.words("broken"), "--debug"))
    assert ended[-1].status == 1
    assert "(hidden)" in ended[-1].err
    assert found(world, *(each.out + each.err for each in ended)) == []


def test_a_source_is_read_again_with_a_new_signature(world, served):
    """The key of a source has no signature, and its stored address neither: a new signature reads the same source."""
    first = call("run", *world.words(input=f"http://{served}/b.tsv?sig={CANARIES['sas']}"))
    assert first.status == 0, first.err
    again = call("run", *world.words(input=f"http://{served}/b.tsv?sig=another0signature"))
    assert again.status == 0, again.err
    assert "1 done already" in again.err


def test_secrets_of_lists_redirects_configs_and_monitors_stay_out(world, served, engine, monkeypatch):
    """A list line, a redirect, the config file, a filter, a proxy, the lineage's transport and headers of metrics."""
    pytest.importorskip("openlineage", reason="openlineage-python is not installed; it comes with the extra [lineage]")
    lineage = world.root / "lineage.jsonl"
    transport = {"type": "file", "log_file_path": str(lineage), "append": True, "apiKey": CANARIES["lineage"]}
    for name, value in {
        "OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={CANARIES['headers']}",
        "FTP_PROXY": f"http://me:{CANARIES['proxy']}@127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    outside = world.root.parent / "given"
    outside.mkdir()
    listed = outside / "sources.paths"
    lines = [f"http://{served}/b.tsv?token={CANARIES['list']}", f"http://{served}/moved/a.parquet"]
    lines += [f"http://{served}/moved/gone.tsv", f"http://me:{CANARIES['password']}@{served}/gone.tsv"]
    listed.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    config = outside / "config.yaml"
    config.write_text(json.dumps({"spark": {"spark.my.password": CANARIES["config"]}}), encoding="utf-8")
    wrong = outside / "wrong.yaml"
    wrong.write_text(json.dumps({"seed": {"my.password": [CANARIES["config"]]}}), encoding="utf-8")
    where = world.words("warehouse", input=listed)
    metrics = f"statsd://me:{CANARIES['metrics']}@127.0.0.1"
    ended = [
        call("run", *world.words("none"), "--config", wrong),
        call("run", *world.words("none"), "--metrics", metrics.replace("statsd", "nonsense")),
        call("run", *world.words("none"), "--filter", f"no_such_module:f?api_key={CANARIES['filter']}"),
        call("run", *where, "--config", config, "--metrics", metrics, "--log-format", "json"),
        call("runs", "list", *flag_words(warehouse=world.root / "warehouse"), "--json"),
        call("report", *flag_words(warehouse=world.root / "warehouse")),
        call("export", *flag_words(warehouse=world.root / "warehouse"), "--json"),
    ]

    def fails(*_: object) -> None:
        raise OSError(" ".join(CANARIES[kind] for kind in ("proxy", "lineage", "headers", "config", "metrics")))

    monkeypatch.setattr("metaclip_spark.pipeline.count_step", fails)
    ended.append(call("run", *where, "--config", config, "--metrics", metrics, "--threshold", 3, "--debug"))
    ended.append(call("run", *world.words("broken"), "--config", config, "--metrics", metrics, "--debug"))
    assert [each.status for each in ended[:4]] == [2, 2, 2, 3], [each.err[-300:] for each in ended]
    assert [each.status for each in ended[4:7]] == [0, 0, 0], [each.err[-300:] for each in ended]
    assert "(hidden)" in ended[-1].err
    assert "FAIL" in lineage.read_text()
    assert found(world, *(each.out + each.err for each in ended)) == []


@pytest.mark.slow
def test_the_address_of_a_warehouse_may_have_a_secret(world, monkeypatch):
    """Every command shows the places of tables, reports and exports; here the address has a signature."""
    monkeypatch.setitem(CANARIES, "address", "canary0address0qqqq")
    name = f"X-Amz-Signature={CANARIES['address']}"
    at = flag_words(warehouse=world.root / name)
    ended = [call("run", *world.words(name)), call("report", *at), call("runs", "list", *at, "--json")]
    ended += [call("explain", *at, "--text", "a cat", "--json"), call("sweep", *at, "--json"), call("export", *at)]
    ended += [call("snapshots", "list", *at), call("maintain", *at), call("verify", *at)]
    assert [each.status for each in ended] == [0] * len(ended), [each.err[-300:] for each in ended]
    (world.root / name / "exports" / "part.parquet.12345678.partial").write_bytes(b"PAR1")
    differing = [call("verify", *at), call("verify", *at, "--json")]
    assert [each.status for each in differing] == [1, 1]
    assert "a file that an interrupted `export` left" in differing[-1].out
    ended += [*differing, call("sweep", *flag_words(warehouse=name))]
    assert ended[-1].status
    assert f"X-Amz-Signature={HIDDEN} and next to it" in ended[0].out
    # delta-rs writes a table's own place into the first entry of its log.
    places = found(world, *(each.out + each.err for each in ended))
    assert [place for place in places if not place.endswith("/_delta_log/00000000000000000000.json")] == []
