"""Sources in S3, read from a local server that imitates it."""

from __future__ import annotations

import gzip
import io
import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.errors import DamagedSourceError, InputError
from metaclip_spark.sources.crawl import crawl_sources, sample_sizes
from metaclip_spark.sources.files import find_sources
from metaclip_spark.storage.fetch import Patience
from metaclip_spark.storage.open import check_transport, info_of, list_remote, open_source

QUICK = Patience(
    attempts=3, forbidden_attempts=2, base_delay=0.001, max_delay=0.004, block_bytes=1 << 16, read_seconds=2
)
DATA = random.Random(0).randbytes(300_001)
CRAWL = "CC-MAIN-2024-51"


@pytest.fixture
def no_credentials(bucket, monkeypatch):
    """Remove the credentials from the environment."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return bucket


def test_a_file_is_read_whole(bucket):
    """All blocks are in order, and size and ETag are known."""
    bucket.put_object(Bucket="pool", Key="a/b.bin", Body=DATA)
    with open_source("s3://pool/a/b.bin", QUICK) as file:
        assert b"".join(iter(lambda: file.read(10_000), b"")) == DATA
        assert file.tell() == len(DATA)
    size, etag = info_of("s3://pool/a/b.bin", QUICK)
    assert size == len(DATA)
    assert etag.startswith("remote:")
    assert info_of("s3a://pool/a/b.bin", QUICK) == (size, etag)


def test_parquet_is_read_by_ranges(bucket):
    """The Parquet reader gets its table."""
    table = pa.table({"url": [f"http://ex.org/{n}" for n in range(10_000)], "text": ["a cat"] * 10_000})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=2000)
    bucket.put_object(Bucket="pool", Key="a.parquet", Body=file.getvalue())
    with open_source("s3://pool/a.parquet", QUICK) as remote:
        assert pq.ParquetFile(remote).read().equals(table)


def test_a_file_that_changes_is_not_mixed(bucket):
    """Another object under the same key ends the source."""
    bucket.put_object(Bucket="pool", Key="a.bin", Body=DATA)
    with open_source("s3://pool/a.bin", QUICK) as file:
        file.read(1000)
        bucket.put_object(Bucket="pool", Key="a.bin", Body=DATA[::-1])
        with pytest.raises(DamagedSourceError, match="s3://pool/a.bin changed while it was read"):
            file.read()


def test_what_is_not_there(bucket):
    """The error of a missing key or bucket says so, and no second attempt is made."""
    for uri in ("s3://pool/gone.bin", "s3://no-such-bucket/a.bin"):
        with pytest.raises(DamagedSourceError) as caught:
            open_source(uri, QUICK).read(1)
        assert str(caught.value) == f"{uri} does not exist"


def test_listings(bucket):
    """Patterns and folders are listed with size and ETag of each file; hidden files are skipped."""
    for key in ("crawl/a.tsv", "crawl/b/c.parquet", "crawl/_SUCCESS", "crawl/_tmp/d.tsv", "crawl/notes.md"):
        bucket.put_object(Bucket="pool", Key=key, Body=key.encode())
    assert [uri for uri, _ in list_remote("s3://pool/crawl/*.tsv")] == ["s3://pool/crawl/a.tsv"]
    found = find_sources(["s3://pool/crawl", "s3://pool/crawl/a.tsv"])
    assert [(source.source_path, source.format, source.bytes) for source in found] == [
        ("s3://pool/crawl/a.tsv", "tsv", 11),
        ("s3://pool/crawl/b/c.parquet", "parquet", 17),
    ]
    assert found[0].info == info_of("s3://pool/crawl/a.tsv", QUICK)
    with pytest.raises(InputError, match=r"input s3://pool/crawl/\*.csv matches no file."):
        find_sources(["s3://pool/crawl/*.csv"])
    with pytest.raises(InputError, match=r"input s3://pool/gone holds no files ending in .wat.gz"):
        find_sources(["s3://pool/gone"])
    with pytest.raises(InputError, match=r"input s3://pool/gone.tsv does not exist."):
        find_sources(["s3://pool/gone.tsv"])


def test_a_crawl_in_a_bucket(bucket):
    """Its list, the keys of its files, and their sizes are read."""
    paths = [f"crawl-data/{CRAWL}/segments/{n}/wat/x.warc.wat.gz" for n in range(5)]
    for number, path in enumerate(paths):
        bucket.put_object(Bucket="pool", Key=path, Body=bytes(number + 1))
    packed = gzip.compress("\n".join(paths).encode())
    bucket.put_object(Bucket="pool", Key=f"crawl-data/{CRAWL}/wat.paths.gz", Body=packed)
    sources = crawl_sources([CRAWL], root="s3://pool/")
    assert [(source.source_path, source.uri) for source in sources] == [(path, f"s3://pool/{path}") for path in paths]
    assert sample_sizes(sources) == {path: number + 1 for number, path in enumerate(paths)}
    assert find_sources([f"s3://pool/crawl-data/{CRAWL}/wat.paths.gz"]) == sources


def test_a_public_file_needs_no_credentials(no_credentials):
    """Without credentials requests are anonymous."""
    no_credentials.put_object(Bucket="pool", Key="open.bin", Body=b"x", ACL="public-read")
    with open_source("s3://pool/open.bin", QUICK) as file:
        assert file.read() == b"x"


def test_missing_credentials_are_reported_in_one_sentence(no_credentials):
    """The error names the variables to set, and no second attempt is made."""
    no_credentials.put_object(Bucket="pool", Key="a.bin", Body=b"x")
    with pytest.raises(DamagedSourceError) as caught:
        open_source("s3://pool/a.bin", QUICK).read(1)
    assert str(caught.value) == (
        "s3://pool/a.bin was refused: no AWS credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, on the workers too"
    )
    no_credentials.put_object(Bucket="pool", Key="a.wat.gz", Body=b"x")
    with pytest.raises(InputError, match=r"input s3://pool/a.wat.gz was refused: no AWS credentials"):
        find_sources(["s3://pool/a.wat.gz"])


def test_credentials_that_cannot_be_used_are_reported(bucket, monkeypatch):
    """A profile that does not exist is a mistake of the set-up, not of each file."""
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(InputError, match=r"AWS credentials of the environment cannot be used: .*no-such-profile"):
        check_transport("s3://pool/a.bin")


def test_a_missing_package_is_named(monkeypatch):
    """The error names the package to install."""
    registry = pytest.importorskip("fsspec.registry")
    monkeypatch.delitem(sys.modules[registry.get_filesystem_class.__module__]._registry, "s3", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InputError) as caught:
        check_transport("s3://pool/a.bin")
    before, _, command = str(caught.value).partition("(")
    assert before == "s3:// needs a package that is not installed "
    assert command.endswith("pip install 's3fs>=2024.10'), here and on the workers.")


def test_reading_local_files_imports_no_network(tmp_path):
    """Reading local files works without s3fs and urllib3."""
    import subprocess

    code = (
        "import sys; sys.modules['fsspec'] = sys.modules['urllib3'] = None\n"
        "from metaclip_spark.sources.files import find_sources\n"
        f"print(len(find_sources([{str(tmp_path)!r}])))"
    )
    (tmp_path / "a.tsv").write_text("x")
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert (done.stdout, done.stderr) == ("1\n", "")
