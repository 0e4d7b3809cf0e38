"""Measure worldwide matching with many lists: start, texts/s and memory of two workers that map the same files.

    python tests/benchmarks/many_lists.py [--entries 27000000] [--lists 175] [--texts 200000] [--folder DIR]

The lists are generated: sizes fall by a power of the rank from the largest (500,000 of 27 million), every tenth list is
of a script without spaces, and one entry in fifty of the others has a bracket at an edge. The texts are made of the
lists' words; their languages fall by a power of the rank, too. The workers are two processes, as Spark's `local[2]` has
them, with half of the texts each in batches of 10,000 rows (`--rows`). They match:

- `one list`: all texts against the largest list, under the same rule;
- `mixed`: each text against its own list, languages mixed in each batch;
- `sorted`: the same, texts sorted by language.

Rates are per CPU second of each worker, summed: other programs on the machine disturb them less than rates per second.

The bars: `mixed` at least 0.6 times `one list`; a worker under 1.5 GiB with every list mapped; a start (imports, all
lists mapped and checked, and a first batch) under 5 s.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metaclip_spark.matchers.worldwide import Lists, WorldwideMatcher, lists_in
from metaclip_spark.terminal.tables import print_rows

LARGEST, TOTAL = 500_000, 27_000_000
SCRIPTS = {
    "latin": ("bcdfghklmnprstvz", "aeiou\u00e9\u00f6\u00fc"),
    "cyrillic": ("".join(map(chr, range(0x0431, 0x0440))), "\u0430\u0443\u044b\u044d\u044e\u044f"),
    "arabic": ("".join(map(chr, range(0x0628, 0x063B))), "\u0627\u0648\u064a\u0647"),
    "thai": ("".join(map(chr, range(0x0E01, 0x0E2E))), "\u0e32\u0e34\u0e35\u0e38\u0e2d\u0e31"),
    "cjk": ("".join(map(chr, range(0x4E00, 0x5A00))), "".join(map(chr, range(0x5A00, 0x6200)))),
}
"""The consonants and vowels of a script's words; those of `cjk` are ideographs."""
MODES = ("one list", "mixed", "sorted")


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=TOTAL)
    parser.add_argument("--lists", type=int, default=175)
    parser.add_argument("--texts", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10_000, help="rows per batch")
    parser.add_argument("--folder", type=Path, help="keep the lists here, for a second run")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(Path(args.worker[0]), int(args.worker[1]), args.rounds, args.rows)
        return
    folder = args.folder or Path(tempfile.mkdtemp(prefix="many-lists-"))
    try:
        report(prepare(folder, args), folder, args)
    finally:
        if args.folder is None:
            shutil.rmtree(folder)


def sizes_of(number: int, total: int) -> list[int]:
    """Return the sizes of the lists: the largest has its share of 500,000 in 27 million, the power fits the total."""
    ranks, largest = np.arange(1, number + 1), total * LARGEST / TOTAL
    low, high = 0.0, 3.0
    for _ in range(60):
        power = (low + high) / 2
        low, high = (power, high) if (largest * ranks**-power).sum() > total else (low, power)
    return np.maximum(largest * ranks**-low, 10).astype(int).tolist()


def code_of(rank: int) -> str:
    return f"l{rank:03d}"


def script_of(rank: int) -> str:
    if rank % 10 == 3:
        return "cjk" if rank % 20 == 3 else "thai"
    return ("latin", "latin", "cyrillic", "arabic")[rank % 4]


def words_of(rank: int, number: int) -> list[str]:
    """Return different words: numbers written in the letters of the script, in an order of this language."""
    consonants, vowels = SCRIPTS[script_of(rank)]
    letters, other = len(consonants), len(vowels)
    words = []
    for at in range(number):
        # 7919 is a prime, and no factor of the letters: other languages have other words.
        value, word = at * 7919 + rank * 104_729 % 7919, ""
        while True:
            value, low = divmod(value, letters)
            word += consonants[low]
            value, low = divmod(value, other)
            word += vowels[low]
            if not value:
                break
        words.append(word)
    return words


def entries_of(rank: int, size: int) -> tuple[list[str], list[str]]:
    """Return the entries of a list, and its words: half are words, the others two words."""
    words = words_of(rank, size - size // 2)
    joined = "" if script_of(rank) in ("cjk", "thai") else " "
    pairs: dict[str, None] = {}
    rng = np.random.default_rng(rank)
    known = set(words)
    while len(pairs) < size // 2:
        first, second = np.minimum(rng.zipf(1.2, (2, size)) - 1, rng.integers(0, len(words), (2, size)))
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            pair = words[a] + joined + words[b]
            if pair not in known:
                pairs[pair] = None
    entries = [*words, *list(pairs)[: size // 2]]
    if joined:
        entries = [f"({entry}" if at % 50 == 7 else entry for at, entry in enumerate(entries)]
    return entries, words[:5_000]


def prepare(folder: Path, args: argparse.Namespace) -> Lists:
    """Write the lists and the texts, and compile the lists, unless an earlier run did; return the lists."""
    if not (folder / "texts.parquet").exists():
        began = time.perf_counter()
        (folder / "lists").mkdir(parents=True, exist_ok=True)
        words = []
        for rank, size in enumerate(sizes_of(args.lists, args.entries)):
            entries, some = entries_of(rank, size)
            words.append(some)
            (folder / "lists" / f"{code_of(rank)}.json").write_text(json.dumps(entries), encoding="utf-8")
        pq.write_table(texts_of(words, args.texts), folder / "texts.parquet")
        print(f"generated in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    lists = Lists(lists_in(folder / "lists"), compiled=folder / "compiled", max_bytes=1 << 31)
    infos = lists.prepare()
    largest = max(info.n_entries for info in infos.values())
    print(
        f"{len(infos)} lists, {sum(info.n_entries for info in infos.values()):,} entries, the largest {largest:,}; "
        f"compiled: {sum(info.nbytes for info in infos.values()) / 2**20:,.0f} MiB, "
        f"in {time.perf_counter() - began:.0f} s (one process; a second run only checks)"
    )
    return lists


def texts_of(words: list[list[str]], number: int) -> pa.Table:
    """Return texts of 4 to 14 words of one language each, and their codes; the first languages often."""
    rng = np.random.default_rng(0)
    shares = np.arange(1, len(words) + 1) ** -1.3
    ranks = rng.choice(len(words), number, p=shares / shares.sum())
    texts = []
    for at, rank in enumerate(ranks.tolist()):
        some = words[rank]
        picked = np.minimum(rng.zipf(1.3, rng.integers(4, 15)) - 1, len(some) - 1).tolist()
        joined = "" if script_of(rank) in ("cjk", "thai") else " "
        texts.append(joined.join(some[word] for word in picked) + f", {at}")
    return pa.table({"text": texts, "code": [code_of(rank) for rank in ranks.tolist()]})


def report(lists: Lists, folder: Path, args: argparse.Namespace) -> None:
    """Run the two workers and print what they measured. They get the checked lists pickled, as Spark's workers do."""
    (folder / "lists.pickle").write_bytes(pickle.dumps(lists))
    options = ["--rounds", str(args.rounds), "--rows", str(args.rows)]
    command = [sys.executable, __file__, *options, "--worker", str(folder)]
    workers = [subprocess.Popen([*command, str(at)], stdout=subprocess.PIPE, text=True) for at in range(2)]
    printed = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise SystemExit("a worker failed")
    results = [json.loads(line) for line in printed]
    rates = {mode: sum(result["rates"][mode] for result in results) for mode in MODES}
    ids = {mode: sum(result["ids"][mode] for result in results) for mode in MODES}
    print_rows(
        ["two workers", "texts/s", "times one list", "ids per text"],
        [
            [mode, f"{rate:,.0f}", f"{rate / rates['one list']:.2f}", f"{ids[mode] / args.texts:.1f}"]
            for mode, rate in rates.items()
        ],
    )
    first = results[0]
    start, start_cpu = (max(result[name] for result in results) for name in ("start", "start_cpu"))
    print(f"start: {start:.1f} s, {start_cpu:.1f} CPU seconds (the slower worker; bar: under 5)")
    print(f"memory: {max(result['rss'] for result in results):,.0f} MiB resident (the larger worker; bar: under 1,536)")
    print(f"memory: {sum(result['pss'] for result in results):,.0f} MiB of both workers, shared pages once (PSS)")
    print(f"lists mapped: {first['mapped']}, {first['mapped_mib']:,.0f} MiB; given up: {first['given_up']}")


def work(folder: Path, part: int, rounds: int, rows: int) -> None:
    """Map all lists, match this worker's half of the texts, and print the measurements as JSON."""
    table = pq.read_table(folder / "texts.parquet")
    table = table.slice(part * (len(table) // 2), len(table) // 2).combine_chunks()
    lists = pickle.loads((folder / "lists.pickle").read_bytes())
    matcher = WorldwideMatcher(lists, missing="error")
    for code in lists.codes:
        lists.get(code)
    one = table.set_column(1, "code", pa.array([lists.codes[0]] * len(table)).dictionary_encode())
    mixed = table.set_column(1, "code", table["code"].combine_chunks().dictionary_encode())
    by_language = mixed.take(np.argsort(table["code"].to_numpy(), kind="stable"))
    tables = {"one list": one, "mixed": mixed, "sorted": by_language}
    batches = {mode: [batch for batch in tables[mode].combine_chunks().to_batches(rows)] for mode in MODES}
    matcher.match(*batches["mixed"][0].columns)
    start, start_cpu = time.time() - started(), time.process_time()
    seconds: dict[str, list[float]] = {mode: [] for mode in MODES}
    ids = {}
    for _ in range(rounds):
        for mode in MODES:
            began = time.process_time()
            ids[mode] = sum(len(matcher.match(*batch.columns).matches.ids) for batch in batches[mode])
            seconds[mode].append(time.process_time() - began)
    memory = Path("/proc/self/smaps_rollup").read_text()
    print(
        json.dumps(
            {
                "start": start,
                "start_cpu": start_cpu,
                "rates": {mode: len(table) / statistics.median(seconds[mode]) for mode in MODES},
                "ids": ids,
                "rss": int(re.search(r"^Rss: +(\d+)", memory, re.M)[1]) / 1024,
                "pss": int(re.search(r"^Pss: +(\d+)", memory, re.M)[1]) / 1024,
                "mapped": len(lists._lists),
                "mapped_mib": lists.nbytes / 2**20,
                "given_up": lists.given_up,
            }
        )
    )


def started() -> float:
    """Return the time at which this process started, in seconds since the epoch."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    boot = int(re.search(r"^btime (\d+)", Path("/proc/stat").read_text(), re.M)[1])
    return boot + ticks / 100


if __name__ == "__main__":
    main()
