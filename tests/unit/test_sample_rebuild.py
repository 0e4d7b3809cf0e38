"""The shipped sample equals the output of its script."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "jobs" / "sample"
POOL = FOLDER / "pool.wat.gz"


def make(output: Path, *flags: str) -> bytes:
    """Run the script as its README says; return the bytes of the WAT."""
    command = [sys.executable, "-B", str(FOLDER / "make.py"), "--output", str(output), *flags]
    subprocess.run(command, check=True, capture_output=True)
    return output.read_bytes()


def inflated(wat: bytes) -> bytes:
    """Return the decompressed WAT."""
    # gzip.decompress() would copy the remaining bytes after every member.
    return gzip.GzipFile(fileobj=io.BytesIO(wat)).read()


def test_sample_is_rebuilt_byte_for_byte(tmp_path):
    """The command in the README makes the shipped file."""
    rebuilt = make(tmp_path / "pool.wat.gz")
    assert inflated(rebuilt) == inflated(POOL.read_bytes())
    # zlib-ng deflates the same records to other bytes.
    if "ng" not in zlib.ZLIB_RUNTIME_VERSION:
        assert rebuilt == POOL.read_bytes()


def test_another_seed_makes_another_sample(tmp_path):
    """The bytes depend on the seed alone."""
    few = ("--pages", "12")
    first, again, other = (make(tmp_path / f"{n}.gz", *few, "--seed", s) for n, s in ((1, "1"), (2, "1"), (3, "2")))
    assert first == again != other


def test_too_few_pages_are_refused(tmp_path):
    """Each broken record needs a page before it."""
    command = [sys.executable, str(FOLDER / "make.py"), "--output", str(tmp_path / "x"), "--pages", "5"]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 2
    assert "--pages must be >= 6 (one for each broken record), got 5" in process.stderr


def test_another_wat_is_described(tmp_path):
    """The script describes any WAT that it made, also a small one."""
    make(tmp_path / "few.wat.gz", "--pages", "6")
    command = [sys.executable, "-B", str(FOLDER / "make.py"), "--describe", str(tmp_path / "few.wat.gz")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "| response records (pages) | 6 |" in printed


def test_writing_and_describing_exclude_each_other(tmp_path):
    """The script needs exactly one of the two flags."""
    command = [sys.executable, "-B", str(FOLDER / "make.py")]
    both = ["--output", str(tmp_path / "x"), "--describe"]
    neither = "one of the arguments --output --describe is required"
    for flags, message in (([], neither), (both, "not allowed with argument --output")):
        process = subprocess.run(command + flags, capture_output=True, text=True)
        assert process.returncode == 2
        assert message in process.stderr
