"""A made pool with its subset, and the pass over it as tasks make it, for tests of its composition."""

from __future__ import annotations

import zlib
from hashlib import md5

import numpy as np
import pyarrow as pa

from metaclip_spark.core.draw import draws
from metaclip_spark.core.sampling import entry_probability
from metaclip_spark.report.composition.merge import composition_of, merge_rows
from metaclip_spark.report.composition.model import Composition
from metaclip_spark.report.composition.task_sums import PARTIAL, Plan, TaskSums, make_plan

N_ENTRIES = 9_000  # three blocks
SEED = 5


class Pool:
    """A pool of pairs with their keyed hashes, and a mask of the kept pairs."""

    def __init__(self, n: int, threshold: int = 20, hosts: int = 30) -> None:
        rng = np.random.default_rng(1)
        numbers = np.arange(n)
        host = np.minimum(rng.geometric(0.2, n), hosts)
        where = [f"{('', 'www.', 'img.cdn.')[i % 3]}Shop{h}.example:80" for i, h in zip(numbers, host, strict=True)]
        self.urls = [f"http://{name}/{i}.jpg" for i, name in enumerate(where)]
        self.urls[:3] = ["no url", "http:///x", "http://shop1.example"]
        self.texts = [f"text {i}" for i in numbers]
        self.langs = [["en", "de", None][i % 3] for i in numbers]
        self.lists = [[None, "en", "other", "zh"][i % 7 % 4] for i in numbers]
        self.sources = [["alt", "title"][i % 5 // 4] for i in numbers]
        # Entry 0 matches every pair. Entry 8999 matches few pairs, all of one domain.
        self.ids = [
            sorted({0, *(301 * rng.geometric(0.1, 2) % N_ENTRIES).tolist(), *([8_999] if h == 7 else [])}) for h in host
        ]
        keys = pa.array([md5(text.encode()).hexdigest() for text in self.texts])
        self.keys = keys.to_pylist()
        self.s, self.u = draws(keys, SEED, "sample"), draws(keys, SEED)
        self.counts = np.bincount([i for ids in self.ids for i in ids], minlength=N_ENTRIES)
        by_entry = np.where(self.counts > 0, entry_probability(self.counts, threshold), np.nan)
        self.by_entry = by_entry
        self.p = np.array([1 - np.prod([1 - by_entry[i] for i in ids]) for ids in self.ids])
        self.kept = self.u < self.p

    def plan(self) -> Plan:
        return make_plan(self.counts, self.by_entry, len(self.kept), int(self.kept.sum()))

    def batches(self, plan: Plan, size: int) -> list[pa.RecordBatch]:
        """Return the rows like the stage: of the pool, then of the subset."""
        rows = []
        for curated in (False, True):
            cut = plan.cuts[curated]
            drawn_cut = max(plan.cut_kept, plan.cut_dropped) if curated else plan.cut_dropped
            for i in np.flatnonzero(self.kept | (not curated)).tolist():
                shown, drawn = self.s[i] < cut, self.s[i] < drawn_cut
                rows.append(
                    {
                        "curated": curated,
                        "s": self.s[i],
                        "url": self.urls[i],
                        "lang": self.langs[i],
                        "text_source": self.sources[i],
                        "list_lang": self.lists[i],
                        "entry_ids": None if curated and not shown else self.ids[i],
                        "pair_id": self.keys[i] if shown else None,
                        "text": self.texts[i] if shown else None,
                        "p": self.p[i] if drawn and curated else None,
                        "u": self.u[i] if drawn else None,
                    }
                )
        schema = pa.schema(
            [
                ("curated", pa.bool_()),
                ("s", pa.float64()),
                ("url", pa.string()),
                ("lang", pa.string()),
                ("text_source", pa.string()),
                ("list_lang", pa.string()),
                ("entry_ids", pa.list_(pa.int32())),
                ("pair_id", pa.string()),
                ("text", pa.string()),
                ("p", pa.float64()),
                ("u", pa.float64()),
            ]
        )
        return [pa.RecordBatch.from_pylist(rows[at : at + size], schema) for at in range(0, len(rows), size)]

    def domain(self, i: int) -> str:
        found = self.urls[i].split("/")
        host = found[2].partition(":")[0].lower() if len(found) > 2 else ""
        return ".".join(host.split(".")[-2:])


def found_in(pool: Pool, plan: Plan, size: int = 1_000, tasks: int = 2, places: int = 2) -> Composition:
    """Run the pass: deal the batches to tasks, and merge equal kinds and values in some tasks."""
    sums = [TaskSums(plan) for _ in range(tasks)]
    partial = []
    for at, batch in enumerate(pool.batches(plan, size)):
        partial += sums[at % tasks].add(batch)
    for one in sums:
        partial += one.rows()
    rows = pa.Table.from_batches(partial, PARTIAL)
    met_at = rows.select(["kind", "value"]).to_pylist()
    where = [zlib.crc32(f"{one['kind']} {one['value']}".encode()) % places for one in met_at]
    met = [
        batch
        for place in range(places)
        for batch in merge_rows(rows.filter(pa.array([at == place for at in where])).to_batches())
    ]
    return composition_of(pa.Table.from_batches(met, PARTIAL), plan, pool.counts)
