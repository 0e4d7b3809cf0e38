"""Compute the cost of a crawl with the cost model: the tables of docs/SCALING.md, with your own shares and prices.

    python tests/benchmarks/scaling.py [--files 90000] [--matched 0.5] [--price-core-hour 0.05] ...

The rates are those of Spark in metaclip_spark/costs/rates.json, which tests/benchmarks/cost_rates.py measures. `plan`
computes with the same model. The shares are assumptions about the texts of a crawl; the first is the paper's.
"""

from __future__ import annotations

import argparse
from dataclasses import fields

from metaclip_spark.costs.model import GB, Cost, Crawl, Prices, costs, stored_bytes, total
from metaclip_spark.costs.rates import load_rates
from metaclip_spark.costs.table import money
from metaclip_spark.terminal.tables import print_rows

CORES = 400
CRAWLS = 90
PEER_SECONDS = 50
"""Seconds per WAT file that others have published, for extraction alone."""
HELP = {
    "files": "WAT files of a crawl",
    "megabytes_per_file": "MB of gzip per file",
    "texts_per_file": "image texts per file",
    "matched": "share of the texts that match an entry",
    "once": "share of those that are not repeats within their file",
    "wanted": "share of those in a wanted language",
    "new": "share of those that no other file or crawl has",
    "kept": "share of the pool that the balance keeps",
}


def summed(per_crawl: list[list[Cost]]) -> list[Cost]:
    """Add up the costs of crawls, stage by stage."""
    return [total(stages, stages[0].stage) for stages in zip(*per_crawl, strict=True)]


def print_costs(crawl: Crawl, crawls: int, cores: int, prices: Prices) -> None:
    """Print core-hours, amounts and, with prices, money: of the first crawl, of the last, and of all."""
    rates = load_rates("spark")
    by_crawl = [costs(crawl.work(number), rates) for number in range(1, crawls + 1)]
    columns = [by_crawl[0], by_crawl[-1], summed(by_crawl)]
    names = ["crawl 1", f"crawl {crawls}", "all"]
    rows = [
        [stages[0].stage, *(f"{cost.core_seconds / 3600:,.0f}" for cost in stages)]
        for stages in zip(*columns, strict=True)
    ]
    sums = [total(column) for column in columns]
    rows.append(["all stages", *(f"{cost.core_seconds / 3600:,.0f}" for cost in sums)])
    rows.append([f"hours on {cores:,} cores", *(f"{cost.core_seconds / 3600 / cores:,.1f}" for cost in sums)])
    peer = crawl.files * PEER_SECONDS / 3600
    rows.append([f"a peer's {PEER_SECONDS} s per file", *(f"{peer * n:,.0f}" for n in (1, 1, crawls))])
    print_rows(["core-hours", *names], rows)
    print()
    extract, texts = by_crawl[0][0], crawl.files * crawl.texts_per_file
    seconds = extract.core_seconds / cores
    print(
        f"while {cores:,} cores extract: {seconds / 3600:.2f} hours, {extract.read * 8e-9 / seconds:,.0f} Gbit/s, ",
        end="",
    )
    print(f"{extract.gets / seconds:,.0f} GET requests/s")
    every = texts * rates.identify_seconds / 3600
    print(f"identifying every text first, and not only those that match, would take {every:,.0f} core-hours a crawl")
    print()
    works = [crawl.work(number) for number in range(1, crawls + 1)]
    stored = [stored_bytes(work, rates) for work in works]
    amounts: dict[str, list[float]] = {
        "billions of texts": [work.texts / 1e9 for work in works],
        "billions of pairs staged": [work.staged / 1e9 for work in works],
        "billions of new pairs": [work.new / 1e9 for work in works],
        "TB of pairs, added": [each["pairs"] / 1e12 for each in stored],
        "TB of sightings, added": [each["keys"] / 1e12 for each in stored],
    }
    rows = [[name, *_formatted(values[0], values[-1], sum(values))] for name, values in amounts.items()]
    rows.append(["TB of the subset", *_formatted(*(each["subset"] / 1e12 for each in (stored[0], *[stored[-1]] * 2)))])
    for name in ("read", "written", "shuffled"):
        rows.append([f"TB {name}", *_formatted(*(getattr(cost, name) / 1e12 for cost in sums))])
    for name in ("gets", "puts"):
        rows.append([f"millions of {name[:-1].upper()} requests", *_formatted(*(getattr(c, name) / 1e6 for c in sums))])
    print_rows(["amounts", *names], rows)
    if prices == Prices():
        return
    print()
    added = [sum(each[name] for name in ("pairs", "keys")) / GB * prices.gb_month for each in stored]
    rows = [
        ["core-hours and requests", *(money(prices.of(cost)) for cost in sums)],
        ["a month of what was added", *map(money, (added[0], added[-1], sum(added)))],
    ]
    print_rows(["money", *names], rows)


def _formatted(*values: float) -> list[str]:
    return [f"{value:,.2f}" for value in values]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Crawl):
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, type=type(field.default), default=field.default, help=HELP[field.name])
    parser.add_argument("--cores", type=int, default=CORES)
    parser.add_argument("--crawls", type=int, default=CRAWLS)
    for price in fields(Prices):
        parser.add_argument(f"--price-{price.name.replace('_', '-')}", type=float, default=0.0)
    given = vars(parser.parse_args())
    crawl = Crawl(**{field.name: given[field.name] for field in fields(Crawl)})
    prices = Prices(**{price.name: given[f"price_{price.name}"] for price in fields(Prices)})
    print_costs(crawl, given["crawls"], given["cores"], prices)


if __name__ == "__main__":
    main()
