"""The real img2dataset downloads an export from a server that lacks some images, and its output is read back."""

from __future__ import annotations

import json
import os
import re
import shlex
import struct
import subprocess
import tarfile
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from e2e_world import call, flag_words, rows_of, write_parquet
from own_venv import own_venv

from metaclip_spark.core.urls.request import request_url
from metaclip_spark.training import TextDraw, epoch, kept_texts

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "EXPORT.md").read_text(encoding="utf-8")
OURS = ["image_id", "pair_ids", "texts", "langs", "entry_ids", "sampling_probabilities"]
"""The columns that docs/EXPORT.md tells img2dataset to keep."""
KINDS = ("good", "good", "good", "gone", "broken", "noai")
WIDTH, HEIGHT = 240, 160


def png(number: int) -> bytes:
    """Return a PNG of one color."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + bytes((number * 7 % 256, number * 13 % 256, 99)) * WIDTH
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * HEIGHT)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


class Images(BaseHTTPRequestHandler):
    """A server of generated images. Some are missing, some are truncated, and some have an opt-out.

    Attributes:
        mended: kinds that are served as good ones, because their trouble was passing.
    """

    mended: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        kind, number = self.path.partition("?")[0].strip("/").removesuffix(".png").split("/")
        kind = "good" if kind in self.mended else kind
        content = png(int(number))
        self.send_response(404 if kind == "gone" else 200)
        if kind == "noai":
            self.send_header("X-Robots-Tag", "noai")
        self.end_headers()
        if kind != "gone":
            self.wfile.write(content[:30] if kind == "broken" else content)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """Yield the url of a server of generated images on this machine."""
    images = ThreadingHTTPServer(("127.0.0.1", 0), Images)
    threading.Thread(target=images.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{images.server_port}"
    images.shutdown()
    images.server_close()


@pytest.fixture(scope="module")
def img2dataset() -> Path:
    """Return the command img2dataset of .venv-img2dataset; create the environment if it is missing or outdated."""
    return own_venv("img2dataset", ROOT / "tests" / "img2dataset" / "requirements.txt") / "img2dataset"


def documented() -> list[str]:
    """Return the words of the img2dataset command in docs/EXPORT.md."""
    block = re.search(r"^img2dataset (.*?[^\\])$", PAGE, re.DOTALL | re.MULTILINE).group(1)
    return shlex.split(block.replace("\\\n", " "))


def test_the_page_names_the_versions_that_are_tested():
    """The requirements of the tests are those of docs/EXPORT.md."""
    (line,) = re.findall(r"^pip install (img2dataset==.*)$", PAGE, re.MULTILINE)
    assert line.split() == (ROOT / "tests" / "img2dataset" / "requirements.txt").read_text(encoding="utf-8").split()


def downloaded(img2dataset: Path, export: Path, images: Path, tmp_path: Path) -> list[dict]:
    """Download an export by the documented command; return the rows of img2dataset's Parquet files."""
    places = {"out/exports/RUN-pairs": str(export), "images": str(images)}
    words = [places.get(word, word) for word in documented()]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}
    done = subprocess.run([img2dataset, *words], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [row for path in sorted(images.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_what_failed_is_exported_again_and_downloaded(undisturbed, server, img2dataset, tmp_path, monkeypatch):
    """The second try has what failed, the third what both tries lack. Images with an opt-out are not requested again.

    The commands are those of docs/EXPORT.md.
    """
    kinds = [KINDS[n % len(KINDS)] for n in range(36)]
    rows = [(f"{server}/{kinds[n]}/{n}.png?é", f"photo of a {('cat', 'dog')[n % 2]} number {n}") for n in range(36)]
    pool = write_parquet(tmp_path / "pool.parquet", rows, ("url", "text"))
    warehouse = tmp_path / "warehouse"
    ended = call("run", *undisturbed.world.words(warehouse, input=pool, threshold=8))
    assert ended.status == 0, ended.err
    lines = re.findall(r"^metaclip-spark (export .*--failed-of.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    places = {name: str(tmp_path / name) for name in ("images", "images-2", "again", "again-2")}
    places["out"] = str(warehouse)

    assert call("export", *flag_words(warehouse=warehouse, stage="pairs", output=tmp_path / "all")).status == 0
    first = downloaded(img2dataset, tmp_path / "all", tmp_path / "images", tmp_path)
    assert len(first) == 36
    again = []
    for line, mended in zip(lines, ({"broken"}, {"gone"}), strict=True):
        monkeypatch.setattr(Images, "mended", mended)
        words = [places.get(word, word) for word in shlex.split(line)]
        ended = call(*words, "--json")
        assert ended.status == 0, ended.err
        again.append(json.loads(ended.out))
        images = tmp_path / f"images-{len(again) + 1}"
        rows = downloaded(img2dataset, Path(again[-1]["output"]), images, tmp_path)
        got = {row["url"].split("/")[-2] for row in rows if row["status"] == "success"}
        assert (got, len(rows)) == (mended, again[-1]["rows"])
    assert [summary["images_by_outcome"] for summary in again] == [
        {"success": 18, "failed_to_resize": 6, "http_404": 6, "opted_out": 6},
        {"success": 24, "http_404": 6, "opted_out": 6},
    ]
    assert [summary["retried"] for summary in again] == [["failed_to_resize", "http_404"], ["http_404"]]


def test_what_is_exported_is_downloaded_and_known_again(spark, undisturbed, server, img2dataset, tmp_path):
    """Each image is requested once and has its status and size. Urls that img2dataset cannot request as pages have them
    are exported as a browser requests them, and find their pairs again by url alone. Our columns are unchanged, in the
    Parquet files and in the tars' JSON. The loader reads only the survivors, and a pipeline over the tars keeps the
    same texts. Then the documented command balances the surviving pairs, directly from img2dataset's folder."""
    query = ("", "?of=a caf\u00e9 [2]", "#top")
    url = {n: f"{server}/{KINDS[n % len(KINDS)]}/{n}.png{query[n % 7 % 3]}" for n in range(60)}
    rows = [(url[n], f"photo of a {('cat', 'dog', 'cow')[n % 3]} number {n}") for n in range(60)]
    rows += [(url[n], f"a red cat number {n}") for n in range(0, 60, 4)]
    pool = write_parquet(tmp_path / "pool.parquet", rows, ("url", "text"))
    warehouse, export, images = tmp_path / "warehouse", tmp_path / "export", tmp_path / "images"
    ended = call("run", *undisturbed.world.words(warehouse, input=pool, threshold=8))
    assert ended.status == 0, ended.err
    ended = call("export", *flag_words(warehouse=warehouse, stage="pairs", output=export, shards=2), "--json")
    assert json.loads(ended.out)["rows"] == 60
    exported = {row["url"]: row for path in export.glob("*.parquet") for row in pq.read_table(path).to_pylist()}

    received = downloaded(img2dataset, export, images, tmp_path)
    assert sorted(row["url"] for row in received) == sorted(map(request_url, url.values()))
    status = {
        "good": "success",
        "gone": "failed_to_download",
        "broken": "failed_to_resize",
        "noai": "failed_to_download",
    }
    for row in received:
        assert row["status"] == status[row["url"].split("/")[-2]], row
        sizes = (row["original_width"], row["original_height"])
        assert sizes == ((WIDTH, HEIGHT) if row["status"] == "success" else (None, None))
        assert {name: row[name] for name in OURS} == {name: exported[row["url"]][name] for name in OURS}
        assert row["caption"] == exported[row["url"]]["text"]
    successes = {row["key"]: row for row in received if row["status"] == "success"}
    assert len(successes) == 30

    samples = {}
    for path in images.glob("*.tar"):
        with tarfile.open(path) as tar:
            for name in tar.getnames():
                if name.endswith(".json"):
                    samples[name.removesuffix(".json")] = json.load(tar.extractfile(name))
    assert samples.keys() == successes.keys()
    by_key: dict[str, list[str]] = {key: [] for key in successes}
    for pair in epoch(images, 2, balance=True):
        by_key[pair["key"]].append(pair["text"])
    assert {key: sorted(kept_texts(sample, 2)) for key, sample in samples.items()} == {
        key: sorted(texts) for key, texts in by_key.items()
    }
    of_stage: dict[str, list[str]] = {key: [] for key in successes}
    for sample in TextDraw(2)({"__key__": key, "json": json.dumps(row).encode()} for key, row in samples.items()):
        of_stage[sample["__key__"]].append(sample["txt"].decode())
    assert {key: sorted(texts) for key, texts in of_stage.items()} == {
        key: sorted(texts) for key, texts in by_key.items()
    }
    pairs = {row[0] for row in rows_of(spark, warehouse, "pairs", ("pair_id",))}
    survivors = {pair for row in successes.values() for pair in row["pair_ids"]}
    assert survivors < pairs

    (line,) = re.findall(r"^metaclip-spark (balance .*--drawn-from pool.*)$", PAGE, re.MULTILINE)
    places = {"out": str(warehouse), "images": str(images)}
    ended = call(*(places.get(word, word) for word in shlex.split(line)), "--json")
    assert ended.status == 0, ended.err
    run = json.loads(ended.out)
    assert run["unique_pairs"] == len(survivors)
    where = f"run_id = '{run['run_id']}'"
    assert {row[0] for row in rows_of(spark, warehouse, "curated_pairs", ("pair_id",), condition=where)} == survivors

    (tmp_path / "by-url").mkdir()
    by_url = [{"url": row["url"], "status": row["status"]} for row in received]
    pq.write_table(pa.Table.from_pylist(by_url), tmp_path / "by-url" / "0.parquet")
    words = flag_words(warehouse=warehouse, survivors=tmp_path / "by-url", drawn_from="pool", threshold=20000)
    ended = call("balance", *words, "--json")
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["unique_pairs"] == len(survivors)
