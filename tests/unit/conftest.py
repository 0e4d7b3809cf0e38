"""Fixtures of the unit tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from extraction import extract, extract_in_splits, wat
from s3_store import environment
from wordnets import wordnet

sys.path.insert(0, str(Path(__file__).parent / "report"))  # test_render, also under importlib mode

__all__ = ["extract", "extract_in_splits", "wat", "wordnet"]


@pytest.fixture(scope="session")
def s3_server():
    """Yield the url of a moto server."""
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed; it comes with the extra [test]")
    pytest.importorskip("s3fs", reason="s3fs is not installed; it comes with the extra [s3]")
    moto = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    yield "http://{}:{}".format(*moto.get_host_and_port())
    moto.stop()


@pytest.fixture
def bucket(s3_server, monkeypatch, tmp_path):
    """Yield a client for a bucket `pool`. The environment has credentials for it."""
    import boto3
    import fsspec

    for name, value in environment(s3_server, tmp_path).items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()  # an instance of an earlier test has the address of its server
    client = boto3.client("s3")
    client.create_bucket(Bucket="pool")
    yield client
    for entry in client.list_objects_v2(Bucket="pool").get("Contents", []):
        client.delete_object(Bucket="pool", Key=entry["Key"])
    client.close()
