"""A local S3 server that can refuse requests, or do them and say that it has not.

    python tests/helpers/s3_store.py

In a process of its own it prints its url. A request for /-/refuse/3 or /-/lose/3 lets it fail at the next three entries
of logs, and the body of its answer is how often it has failed so far. delta-rs keeps Python's lock while it asks, so a
server in the same process would never answer it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BUCKET = "pool"


class Store:
    """An S3 server. It answers 503 (Slow Down) to each request for which `fails` is true.

    Attributes:
        failed: the method and path of each request with this answer.
        loses_answers: whether it does what such a request asks for, before it answers 503.
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
        self.loses_answers = False
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=MotoRequestHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, environ: dict[str, Any], start_response: Callable) -> Any:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if self.fails(method, path):
            self.failed.append(f"{method} {path}")
            if self.loses_answers:
                list(self._app(environ, lambda *answer: lambda body: None))
            else:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml"), ("Connection", "close")])
            return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
        return self._app(environ, start_response)

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()


class ToldStore(Store):
    """A server that requests tell how often to fail."""

    def __init__(self) -> None:
        self._left = 0
        super().__init__()
        self.fails = self._is_next

    def _is_next(self, method: str, path: str) -> bool:
        if method != "PUT" or "/_delta_log/" not in path or not self._left:
            return False
        self._left -= 1
        return True

    def _answer(self, environ: dict[str, Any], start_response: Callable) -> Any:
        _, first, *told = environ["PATH_INFO"].split("/")
        if first != "-":
            return super()._answer(environ, start_response)
        self.loses_answers, self._left = told[0] == "lose", int(told[1])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(len(self.failed)).encode()]


@contextlib.contextmanager
def store_elsewhere() -> Iterator[str]:
    """Run a ToldStore in another process while the body runs; yield its url."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def environment(url: str, folder: Path) -> dict[str, str]:
    """Return the variables that name a server and its credentials."""
    return {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
    }


@contextlib.contextmanager
def started_store(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Store]:
    """Run a server with an empty bucket while the body runs. The environment has its address and credentials."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed; it comes with the extra [test]")
    pytest.importorskip("s3fs", reason="s3fs is not installed; it comes with the extra [s3]")
    import boto3

    server = Store()
    for name, value in environment(server.url, folder).items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    yield server
    server.close()


if __name__ == "__main__":
    print(ToldStore().url, flush=True)
    threading.Event().wait()
