"""Read hostile files of every kind in this process; see tests/fuzz.

A seed makes one input. Replay one: `python tests/helpers/hostile.py KIND SEED` prints how it ends, and keeps its file.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import functools
import gzip
import io
import json
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from extraction import WatBuilder, run_split
from hostile_files import resealed_list, resealed_model
from made_fasttext import SOFTMAX, Made, write_model
from mutator import NESTED, TOKENS, mutated
from warc_builder import golden_records

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.config.expectations import load_expectations
from metaclip_spark.config.merge import make_settings
from metaclip_spark.core.worldwide.switches import NO_SWITCHES
from metaclip_spark.errors import ConfigError, MetaclipError
from metaclip_spark.extract.fasttext.mapped_model import load_layout
from metaclip_spark.extract.fasttext.model import FastTextModel
from metaclip_spark.filters.blocklist import load_blocklist
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.matchers.naive import NaiveMatcher
from metaclip_spark.matchers.phrases import PhraseMatcher
from metaclip_spark.matchers.worldwide.compiled import CompiledList
from metaclip_spark.metadata import Metadata
from metaclip_spark.metadata.load import load_metadata, never_matching, read_entries
from metaclip_spark.metadata.shipped import shipped_languages
from metaclip_spark.metadata.worldwide.languages import read_languages
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.steps.pool import surviving_of_files
from metaclip_spark.steps.takedown.list import with_lists
from metaclip_spark.takedown.lists import ListFiles, read_lists

HANGS = 100.0
"""Seconds after which an input counts as a hang; the process ends, and shows where it was."""
ADDRESSES = 3 << 29
"""Bytes of addresses that an input may take beyond those in use."""
LONGEST = 10_000
"""Characters of an error; a longer one shows the file, and not what is wrong with it."""
TEXTS = [
    "",
    "a cat, new york!",
    "new york city",
    "\u4e00\u53ea\u9ed1\u732b iPhone",
    "x" * 3000,
    "\0\u202e gnp.",
    "a b c",
]
ENTRIES = [
    "cat",
    "new york",
    "york",
    "a",
    "a b c",
    "x" * 40,
    "\u732b",
    "\u9ed1\u732b",
    "(a",
    "new york city hall",
    "b c",
]
WORDS = ["dog", "dogs", "the", "gr\u00fcner", "\u0441\u043e\u0431\u0430\u043a\u0430", "\u72ac"]


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
        hostile: makes the name and the bytes of an input.
        read: reads it in a folder; returns how it ended. Any error but the package's own is a fault.
    """

    hostile: Callable[[random.Random], tuple[str, bytes]]
    read: Callable[[Path], str]


@dataclass
class Figures:
    """What the inputs of a kind took.

    Attributes:
        inputs: their number.
        endings: how they ended -> number.
        seconds: CPU time of the slowest, and `slowest`, its seed.
        mib: memory that the largest took beyond what was in use, and `largest`, its seed.
    """

    kind: str
    inputs: int = 0
    endings: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: int = -1
    mib: float = 0.0
    largest: int = -1

    def count(self, ending: str) -> None:
        """Count an input."""
        self.inputs += 1
        self.endings[ending] = self.endings.get(ending, 0) + 1


# --- Extraction


def extracted(path: Path) -> str:
    """Extract a file, whole and in splits, with and without an entry list; the counts of each split add up."""
    sources = find_sources([str(path)])
    endings = set()
    for split_bytes, matcher in ((1 << 40, None), (2000, _matcher())):
        for split in splits_of(sources, split_bytes):
            found = run_split(split, ExtractOptions(keep_columns=("note",) if "note" in path.name else ()), matcher)
            status, reason = found.ending
            assert status == "done" or 0 < len(reason) < LONGEST, found.outcome
            assert status != "failed" or not found.pairs, found.outcome
            endings.add(status)
            if split.of > 20:
                break
    return "+".join(sorted(endings))


@functools.cache
def _matcher() -> Any:
    return compile_matcher(Metadata.from_entries(ENTRIES))


@functools.cache
def wat_records() -> list[bytes]:
    """Return records as extractors write them."""
    wat = WatBuilder()
    records = [wat.record(b"software: x\r\n", kind="warcinfo", content_type="application/warc-fields")]
    for page in range(6):
        links = [
            {"path": "A@/href", "url": f"/{page}.html", "text": 'a "quoted" }] text'},
            wat.img(f"{page}.jpg", alt=f"a cat {page} \u732b"),
            wat.img(f"//cdn.org/{page}.jpg", alt="", title="a title &amp; more \ud83d\ude00 \u202e"),
        ]
        records.append(wat.page("http://ex.org/a/page.html", links, base="/b/"))
    return records


@functools.cache
def warc_records() -> list[bytes]:
    """Return records of all kinds that occur."""
    return golden_records()


def in_members(name: str, records: Callable[[], list[bytes]]) -> Callable[[random.Random], tuple[str, bytes]]:
    """Return a maker of gzip files: faults in records, in members, or in the file."""

    def make(draw: random.Random) -> tuple[str, bytes]:
        good = records()
        start = draw.randrange(len(good))
        made = [*good[start : start + 6]]
        for _ in range(draw.choice((0, 1, 1, 2))):
            at = draw.randrange(len(made))
            made[at] = mutated(draw, made[at], good)
        members = [b"".join(made)] if draw.random() < 0.1 else made
        whole = b"".join(gzip.compress(one, 1, mtime=0) for one in members)
        if draw.random() < 0.2:
            whole = b"".join(made)  # not packed
        return name, mutated(draw, whole) if draw.random() < 0.4 else whole

    return make


def rows(sign: str, quoted: bool) -> bytes:
    """Return a table as text."""
    lines = [sign.join(("url", "text", "note"))]
    for number in range(40):
        text = ("a cat", "new york", 'said ""so""' if quoted else 'said "so"', "", "\u732b \u202e\u0085 x")[number % 5]
        lines.append(
            sign.join((f"http://ex.org/{number % 30}.jpg", f'"{text}"' if quoted and number % 2 else text, "n"))
        )
    return ("\n".join(lines) + "\n").encode()


def json_rows() -> bytes:
    """Return JSON lines."""
    made = [{"url": f"http://ex.org/{at % 30}.jpg", "text": f"a cat {at} \ud800", "note": [at]} for at in range(40)]
    return "\n".join(map(json.dumps, made)).encode()


def of_text(suffix: str, *contents: bytes) -> Callable[[random.Random], tuple[str, bytes]]:
    """Return a maker of text files, now and then packed."""

    def make(draw: random.Random) -> tuple[str, bytes]:
        raw = mutated(draw, draw.choice(contents), contents)
        name = draw.choice(("a", "note")) + suffix
        if draw.random() < 0.2:
            packed = gzip.compress(raw, 1, mtime=0)
            return name + ".gz", mutated(draw, packed) if draw.random() < 0.5 else packed
        return name, raw

    return make


def hostile_parquet(draw: random.Random) -> tuple[str, bytes]:
    """Damage a file of Parquet in its pages or its footer, or write a whole one of hostile values."""
    name = draw.choice(("a.parquet", "note.parquet"))
    if draw.random() < 0.25:
        values = [mutated(draw, b"a cat", TOKENS) for _ in range(30)]
        kind = draw.choice((pa.binary(), pa.large_binary(), pa.string(), pa.binary_view()))
        texts = pa.array(values, pa.binary()).cast(pa.binary())
        if kind != pa.binary():
            texts = pa.Array.from_buffers(pa.string(), len(texts), texts.buffers()) if kind == pa.string() else texts
            texts = texts if kind == pa.string() else texts.cast(kind)
        urls = pa.array([b"http://ex.org/%d.jpg?" % at + value[:50] for at, value in enumerate(values)], pa.binary())
        return name, _parquet(pa.table({"url": urls, "text": texts, "note": texts}))
    raw = draw.choice(good_parquet())
    size = int.from_bytes(raw[-8:-4], "little")
    at = len(raw) - 8 - size
    part = draw.randrange(4)
    if part == 0:
        return name, mutated(draw, raw)
    if part == 1:
        return name, raw[:4] + mutated(draw, raw[4:at])[: at - 4].ljust(at - 4, b"\0") + raw[at:]
    footer = mutated(draw, raw[at:-8])
    return name, raw[:at] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@functools.cache
def good_parquet() -> list[bytes]:
    """Return files of several writers' settings."""
    urls = [f"http://ex.org/{at}.jpg" for at in range(200)]
    table = pa.table(
        {"url": urls, "text": [f"a cat {at % 7}" for at in range(200)], "note": [[at] for at in range(200)]}
    )
    plain = table.drop(["note"]).append_column("note", pa.array(urls))
    return [
        _parquet(table),
        _parquet(plain, compression="none", use_dictionary=False, row_group_size=50),
        _parquet(plain, compression="zstd", data_page_version="2.0", row_group_size=60),
        _parquet(plain, compression="gzip", column_encoding={"text": "DELTA_BYTE_ARRAY"}, use_dictionary=False),
    ]


def _parquet(table: pa.Table, **settings: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **settings)
    return out.getvalue()


# --- Lists


def listed(path: Path) -> str:
    """Read a list of paths, and find its files."""
    for name in ("a.tsv", "b.jsonl.gz", "c.parquet"):
        path.with_name(name).touch()
    find_sources([str(path)])
    return "done"


PATHS = b"# files\na.tsv\n'b.jsonl.gz'\nc.parquet\nhttps://ex.org/d.parquet\ncrawl-data/CC-MAIN-2024-51/x.wat.gz\n~/e\n"


def hostile_paths(draw: random.Random) -> tuple[str, bytes]:
    """Mutate lists, plain and packed."""
    name, raw = of_text("", PATHS, b"a.tsv\nc.parquet\n", b"\n".join(TOKENS))(draw)
    return ("list.paths.gz" if name.endswith(".gz") else draw.choice(("list.txt", "list.paths"))), raw


def entries(path: Path) -> str:
    """Load an entry list; compile it if it is one, and compare its matches with the definition."""
    with contextlib.suppress(ConfigError):
        read = read_entries(path)
        never_matching([one for one in read if isinstance(one, str)])
    metadata = load_metadata(path)
    texts = pa.array([*TEXTS, *metadata.entries[:20]], pa.string())
    found = PhraseMatcher.of(metadata).match(texts)
    CompiledList.of(metadata, NO_SWITCHES).match(texts)
    if len(metadata.entries) < 200:
        assert found.to_arrow().to_pylist() == NaiveMatcher(metadata).match(texts).to_arrow().to_pylist()
    return "done"


def hostile_entries(draw: random.Random) -> tuple[str, bytes]:
    """Mutate lists in JSON and in lines."""
    if draw.random() < 0.5:
        return of_text(".txt", "\n".join(ENTRIES).encode())(draw)
    return of_text(".json", json.dumps(ENTRIES).encode(), json.dumps(ENTRIES, ensure_ascii=False).encode())(draw)


def taken_down(path: Path) -> str:
    """Read takedown lists and a blocklist, and look urls up in them."""
    urls = pa.array(["http://ex.org/a.jpg", "http://b\u00fccher.example/\0", "", "//", "data:x", "http://[::1]/"])
    endings = []
    for kind in ("urls", "domains", "page_domains", "url_hashes", "pair_ids"):
        try:
            takedowns = with_lists(None, read_lists(ListFiles(**{kind: str(path)})))
            assert takedowns.covers(urls, urls, urls).shape == (len(urls),)
            endings.append("done")
        except MetaclipError:
            endings.append("refused")
    try:
        load_blocklist(path).blocks(urls)
    except MetaclipError:
        endings.append("refused")
    return "done" if "done" in endings else "refused"


TAKEDOWNS = (
    b"# urls\nhttp://ex.org/a.jpg\nhttps://ex.org/b.jpg?x=1&amp;y=2\r\nhttp://b\xc3\xbccher.example/\xf0\x9f\x98\x80.png\n",
    b"ex.org\n*.ads.example.com # here\n0.0.0.0 track.example.com t.co\nb\xc3\xbccher.example\n.xyz\n[::1]\n10.0.0.1\n",
)


# --- Configuration

CONFIG = b"""\
input: [a.tsv, b.parquet]
metadata: en
balance: {tail-fraction: 0.06, seed: 3}
languages: en,de
warehouse: /tmp/w
spark: {spark.local.dir: /tmp}
"""
EXPECTATIONS = b"match_rate: {min: 60%, max: 0.9}\npairs: {min: 1_000, change: 50%}\nrejects.no_url: {max: 1e-3}\n"
LAUGHS = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (to, to, b", ".join([b"*%c" % (to - 1)] * 9)) for to in range(ord("b"), ord("l"))
)


def configured(path: Path) -> str:
    """Read a file as settings, as expectations and as languages."""
    endings = []
    readers = (lambda: make_settings({}, str(path)), lambda: load_expectations(str(path)), lambda: read_languages(path))
    for read in readers:
        said = ""
        try:
            read()
            endings.append("done")
        except ConfigError as error:
            said = str(error)
        assert len(said) < LONGEST, f"an error of {len(said):,} characters"
    return "done" if endings else "refused"


# --- Compiled files: kernels read them without a check of bounds


@functools.cache
def good_lists() -> list[tuple[str, bytes]]:
    """Return compiled lists of one language and of worldwide mode, two of each."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for entries_ in (ENTRIES, [f"{a} {b}" for a in "abcdefghij" for b in range(30)]):
            metadata = replace(Metadata.from_entries(entries_), metadata_id="m")
            path = Path(folder, "list")
            PhraseMatcher.of(metadata).write(path)
            made.append(("a.phrases", path.read_bytes()))
            CompiledList.of(metadata, NO_SWITCHES).write(path, "source")
            made.append(("a.list", path.read_bytes()))
    return made


def hostile_list(draw: random.Random) -> tuple[str, bytes]:
    """Damage a compiled list; in most, the checksum is right again."""
    name, raw = draw.choice(good_lists())
    if draw.random() < 0.2:
        return name, mutated(draw, raw)
    return name, resealed_list(draw, raw)


def compiled(path: Path) -> str:
    """Map a compiled list, and match texts with it."""
    texts = pa.array([*TEXTS, *ENTRIES, "a 1 b 2 c 29", None, "tail"], pa.string())
    if path.suffix == ".phrases":
        PhraseMatcher.read(path, "m").match(texts)
    else:
        CompiledList.read(path, NO_SWITCHES, "source").match(texts)
    return "done"


@functools.cache
def good_models() -> list[bytes]:
    """Return models of both losses, dense and quantised."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in (
            Made(bucket=300),
            Made(quantised=True, bucket=500, dim=16),
            Made(loss=SOFTMAX, word_ngrams=2, bucket=100),
            Made(quantised=True, bucket=64, loss=SOFTMAX, norms=False),
            Made(min_n=0, max_n=0, bucket=0, line_end=False),
        ):
            made.append(write_model(Path(folder, "m.bin"), kind, WORDS).read_bytes())
    return made


@functools.cache
def good_tables() -> list[bytes]:
    """Return the files that keep the arrays of models."""
    made = []
    for raw in good_models():
        with model_cache() as folder:
            path = Path(folder, "m.ftz")
            path.write_bytes(raw)
            load_layout(path)
            made.append(next(Path(folder).glob("*.arrays")).read_bytes())
    return made


@contextlib.contextmanager
def model_cache() -> Iterator[str]:
    """Keep the arrays of models in a folder of their own."""
    from metaclip_spark.extract.fasttext import mapped_model

    before = mapped_model.cache_folders
    with tempfile.TemporaryDirectory() as folder:
        mapped_model.cache_folders = lambda: iter([Path(folder)])
        try:
            yield folder
        finally:
            mapped_model.cache_folders = before


def hostile_model(draw: random.Random) -> tuple[str, bytes]:
    """Damage a model's file, or the file of its arrays, whose checksum is right again."""
    at = draw.randrange(len(good_models()))
    if draw.random() < 0.4:
        tables = good_tables()[at]
        raw = resealed_list(draw, tables) if draw.random() < 0.8 else mutated(draw, tables)
        return f"{at}.arrays", raw
    raw = good_models()[at]
    return "m.ftz", resealed_model(draw, raw) if draw.random() < 0.5 else mutated(draw, raw, good_models())


def labelled(path: Path) -> str:
    """Load a model, and label texts with it."""
    with model_cache() as folder:
        model = path
        if path.suffix == ".arrays":  # as an earlier process left it; a damaged one is written again
            model = path.with_name("m.ftz")
            model.write_bytes(good_models()[int(path.stem)])
            load_layout(model)
            (kept,) = Path(folder).glob("*.arrays")
            kept.write_bytes(path.read_bytes())
        texts = pa.array([*TEXTS, *WORDS, "the dog and " + "\u72ac" * 300], pa.string())
        names, scores = FastTextModel(model, 200, lowers=True).label(texts)
        assert len(names) == len(scores) == len(texts)
    return "done"


# --- Survivors


@functools.cache
def _pool() -> Any:
    from metaclip_spark.core.hashing.ids import image_id
    from metaclip_spark.spark.embedded import embedded_session

    urls = [f"http://ex.org/{at}.jpg" for at in range(200)]
    rows_ = [(f"{at:032x}", image_id(url), url, "a cat") for at, url in enumerate(urls)]
    return embedded_session().createDataFrame(rows_, "pair_id string, image_id string, url string, text string")


def survived(path: Path) -> str:
    """Read survivors as a balance does, and join them with a pool."""
    pool = _pool()
    settings = make_settings({"survivors": str(path), "drawn_from": "pool"})
    surviving_of_files(pool.sparkSession, settings, pool, lambda line: None).toArrow()
    return "done"


KINDS: dict[str, Kind] = {
    "wat": Kind(in_members("a.wat.gz", wat_records), extracted),
    "warc": Kind(in_members("a.warc.gz", warc_records), extracted),
    "tsv": Kind(of_text(".tsv", rows("\t", False), rows("\t", True)), extracted),
    "csv": Kind(of_text(".csv", rows(",", True), rows(";", False)), extracted),
    "jsonl": Kind(of_text(".jsonl", json_rows()), extracted),
    "parquet": Kind(hostile_parquet, extracted),
    "paths": Kind(hostile_paths, listed),
    "entries": Kind(hostile_entries, entries),
    "compiled": Kind(hostile_list, compiled),
    "model": Kind(hostile_model, labelled),
    "config": Kind(
        of_text(".yaml", CONFIG, EXPECTATIONS, LAUGHS, shipped_languages().read_bytes()[:6000], b"\n".join(NESTED)),
        configured,
    ),
    "takedown": Kind(of_text(".txt", *TAKEDOWNS), taken_down),
    "survivors": Kind(hostile_parquet, survived),
}
"""All kinds of input."""


LIBRARY_ENDS = b"terminate called after throwing an instance of 'parquet::"
"""What Arrow says when it ends the process over a footer, which it does in the wrapper of a column's metadata. Tasks
read a source in a process of its own (`extract/isolated.py`), so such a file is a failed source."""


def fuzz(kind: str, seeds: range, folder: Path) -> Figures:
    """Read the inputs of some seeds in a copy of this process, whose end says which input was to blame.

    Raises:
        RuntimeError: an input ended its process, did not end, or ended with an error that is not the package's own.
            The text has the command that reads it again.
    """
    mark, said = folder / "mark.json", folder / "said.txt"
    with tempfile.TemporaryDirectory() as place:
        figures, seed = Figures(kind), seeds.start
        if kind == "survivors":  # the embedded engine has threads, which a copy of this process would not have
            faulthandler.enable()
            _read_all(kind, seed, seeds.stop, Path(place), mark, figures)
            return figures
        warm(kind, Path(place))
        while seed < seeds.stop:
            work = functools.partial(_read_all, kind, seed, seeds.stop, Path(place), mark, figures)
            status = _in_child(work, said)
            figures, seed = _marked(mark)
            if status == 0:
                break
            words = said.read_bytes()
            if os.WIFSIGNALED(status) and kind == "parquet" and LIBRARY_ENDS in words:
                figures.count("ended the process in Arrow")
                seed += 1
                continue
            how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
            raise RuntimeError(
                f"{kind} {seed} ended with {how}; {replay(kind, seed)}\n{words[-3000:].decode(errors='replace')}"
            )
    return figures


def _in_child(work: Callable[[], None], said: Path) -> int:
    """Do work in a copy of this process; return the status of its end, as `os.waitpid` gives it."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    status = 70
    try:
        with open(said, "wb") as file:
            os.dup2(file.fileno(), 2)
        work()
        status = 0
    except BaseException as error:
        os.write(2, str(error).encode(errors="replace") + b"\n")
        traceback.print_exc()
    finally:
        os._exit(status)


def _read_all(kind: str, start: int, stop: int, place: Path, mark: Path, figures: Figures) -> None:
    faulthandler.enable()
    with open(mark, "w") as noted, limited() if kind != "survivors" else contextlib.nullcontext():
        for seed in range(start, stop):
            _note(noted, seed, figures)
            faulthandler.dump_traceback_later(HANGS, exit=True)
            read_one(kind, seed, place, figures)
            faulthandler.cancel_dump_traceback_later()
        _note(noted, stop, figures)


def _note(file: TextIO, seed: int, figures: Figures) -> None:
    file.seek(0)
    file.write(json.dumps({"seed": seed, "figures": asdict(figures)}) + "\n")
    file.flush()


def _marked(mark: Path) -> tuple[Figures, int]:
    """Return the figures up to the input that is read, and its seed."""
    noted = json.loads(mark.read_text().partition("\n")[0])
    return Figures(**noted["figures"]), noted["seed"]


def warm(kind: str, place: Path) -> None:
    """Read good inputs, so that kernels are loaded and pools of memory exist."""
    good = {
        "good.tsv": rows("\t", False),
        "good.warc.gz": b"".join(map(gzip.compress, warc_records())),
        "good.wat.gz": b"".join(map(gzip.compress, wat_records())),
        "good.parquet": good_parquet()[0],
    }
    for name, raw in good.items():
        Path(place, name).write_bytes(raw)
        extracted(Path(place, name))
    if kind == "compiled":
        for name, raw in good_lists():
            Path(place, name).write_bytes(raw)
            compiled(Path(place, name))
    elif kind == "model":
        for raw in good_models():
            Path(place, "m.ftz").write_bytes(raw)
            labelled(Path(place, "m.ftz"))
    elif kind == "entries":
        Path(place, "good.txt").write_text("\n".join(ENTRIES))
        entries(Path(place, "good.txt"))
    elif kind == "takedown":
        Path(place, "good.txt").write_bytes(TAKEDOWNS[1])
        taken_down(Path(place, "good.txt"))


def written(kind: str, seed: int, folder: Path) -> Path:
    """Write the input of a seed."""
    name, raw = KINDS[kind].hostile(random.Random(f"{kind} {seed}"))
    path = Path(folder, name)
    path.write_bytes(raw)
    return path


def read_one(kind: str, seed: int, folder: Path, figures: Figures) -> None:
    """Read the input of a seed, and add what it took.

    Raises:
        AssertionError: it ended with an error that is not the package's own, or that shows the whole file.
    """
    path = written(kind, seed, folder)
    before, began = reset_peak(), time.process_time()
    try:
        ending = KINDS[kind].read(path)
    except MetaclipError as error:
        ending = "refused" if len(str(error)) < LONGEST else f"refused with {len(str(error)):,} characters"
    except BaseException as error:
        said = f"{type(error).__name__}: {str(error)[:2000]}"
        raise AssertionError(f"{kind} {seed}: {said}; {replay(kind, seed)}") from error
    if "characters" in ending:
        raise AssertionError(f"{kind} {seed}: {ending}; {replay(kind, seed)}")
    taken, mib = time.process_time() - began, peak() - before
    figures.count(ending)
    if taken > figures.seconds:
        figures.seconds, figures.slowest = taken, seed
    if mib > figures.mib:
        figures.mib, figures.largest = mib, seed
    path.unlink()


def replay(kind: str, seed: int) -> str:
    """Return the command that reads an input again."""
    return f"replay it: python tests/helpers/hostile.py {kind} {seed}"


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Limit the addresses of this process, where the system does."""
    if sys.platform != "linux":
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESSES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def reset_peak() -> float:
    """Forget the largest memory so far, and return the memory in use, in MiB; where that is impossible, the peak."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return peak()
    return _status("VmRSS")


def peak() -> float:
    """Return the largest memory since `reset_peak`, in MiB."""
    if os.path.exists("/proc/self/status"):
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # macOS counts bytes


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def main(words: list[str]) -> None:
    """Fuzz KIND,KIND,... for the seeds FIRST to LAST, and print their figures; or replay KIND SEED."""
    import pyarrow.compute  # noqa: F401

    if len(words) == 2:
        faulthandler.enable()
        kind, seed = words[0], int(words[1])
        folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        path = written(kind, seed, folder)
        print(f"{path}: {path.stat().st_size:,} bytes", flush=True)
        try:
            print(KINDS[kind].read(path))
        except MetaclipError as error:
            print(f"refused: {type(error).__name__}: {str(error)[:2000]}")
        return
    kinds, first, last = words
    if "survivors" in kinds:
        from metaclip_spark.spark.embedded import stop

        atexit.register(stop)
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds.split(","):
            print(json.dumps(asdict(fuzz(kind, range(int(first), int(last)), Path(folder)))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
