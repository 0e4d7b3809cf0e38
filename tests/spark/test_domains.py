"""Domains are summed and ranked on the engine."""

from __future__ import annotations

from collections import Counter

import pytest

from metaclip_spark.stages.summary.domains import as_csv, domains_of, largest

pytestmark = pytest.mark.spark

URLS = [
    *[f"http://www.a.org/{n}.jpg" for n in range(5)],
    *[f"https://A.org:443/x{n}.jpg" for n in range(2)],
    *[f"http://img.a.org/{n}.jpg" for n in range(4)],
    *[f"http://b.org/{n}.jpg" for n in range(4)],
    "http://B\u00fccher.example/x.jpg",
    "http://-evil.org/x.jpg",
    "no url",
    None,
]
DOMAINS = {"a.org": 11, "b.org": 4, "-evil.org": 1, "xn--bcher-kva.example": 1, "": 2}


def pairs_of(spark):
    """Return a pair of each url, whose text has as many characters as its number."""
    rows = [(url, "\u00e9" * number) for number, url in enumerate(URLS)]
    return spark.createDataFrame(rows, "url string, text string")


def test_domains_have_their_pairs_and_characters(spark):
    """A domain is what is registered of a host, in lower case and Punycode; urls without a host are one row."""
    found = {row["domain"]: (row["pairs"], row["characters"]) for row in domains_of(pairs_of(spark), "url").collect()}
    assert {domain: pairs for domain, (pairs, _) in found.items()} == DOMAINS
    assert found["a.org"][1] == sum(range(11))
    assert sum(characters for _, characters in found.values()) == sum(range(len(URLS)))


@pytest.mark.parametrize("number", [1, 9])
def test_the_largest_come_first_and_equal_ones_by_name(spark, number):
    """Pairs without a domain are in no list. The lines of the blocks are those of the list."""
    ranked = largest(domains_of(pairs_of(spark), "url"), number)
    wanted = sorted((domain for domain in DOMAINS if domain), key=lambda domain: (-DOMAINS[domain], domain))[:number]
    rows = sorted(ranked.collect(), key=lambda row: row["rank"])
    assert [(row["rank"], row["domain"]) for row in rows] == list(enumerate(wanted, 1))
    blocks = sorted(as_csv(ranked).collect(), key=lambda row: row["first"])
    assert sum(block["pairs"] for block in blocks) == sum(DOMAINS[domain] for domain in wanted)
    lines = "".join(block["lines"] for block in blocks).splitlines()
    assert [line.split(",")[:2] for line in lines] == [
        [str(rank), domain.replace("-evil.org", "'-evil.org")] for rank, domain in enumerate(wanted, 1)
    ]


def test_blocks_of_many_domains_are_whole_and_in_order(spark):
    """Blocks are cut between lines, whatever the size of batches."""
    names = [f"d{n:05}.org" for n in range(20_000)]
    table = spark.createDataFrame([(f"http://{name}/", "t") for name in names], "url string, text string")
    blocks = list(as_csv(largest(domains_of(table, "url"), 20_000)).toLocalIterator())
    assert [block["first"] for block in blocks] == sorted(block["first"] for block in blocks)
    lines = "".join(block["lines"] for block in blocks).splitlines()
    assert lines == [f"{rank},{name},1,1" for rank, name in enumerate(names, 1)]
    assert Counter(len(line.split(",")) for line in lines) == {4: 20_000}
