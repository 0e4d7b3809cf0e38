"""The mapped file of rules: which urls it refuses, redirects, and damage."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.errors import MetadataError
from metaclip_spark.robots import index
from metaclip_spark.robots.index import Robots, Written, write_index
from metaclip_spark.robots.rules import UNREACHABLE

ALL = "User-agent: *\nDisallow: /\n"
SOME = "User-agent: GPTBot\nDisallow: /private\n"


def rows(*files: tuple[str, str, str]) -> pa.RecordBatch:
    """Return rows of (origin, target, rules)."""
    columns = list(zip(*files, strict=True)) if files else [[], [], []]
    return pa.record_batch([pa.array(column, pa.string()) for column in columns], ["origin", "target", "rules"])


def reasons(robots: Robots, *urls: str | None) -> list[str | None]:
    """Return why urls are refused."""
    return robots.reasons(pa.array(urls, pa.string())).to_pylist()


def test_urls_of_hosts_with_rules_are_refused_by_path(tmp_path):
    """Of a host without rules, or that is not there, nothing is refused; scheme and port are part of a host."""
    batches = [
        rows(("http://a.example", "", ALL), ("https://b.example", "", SOME), ("http://n.example", "", "")),
        rows(("http://c.example:81", "", SOME), ("http://d.example", "", UNREACHABLE)),
        rows(),
    ]
    written = write_index(tmp_path / "r", "id", batches)
    assert written == (4, 3, 0)
    robots = Robots.read(tmp_path / "r", "id")
    assert (len(robots), robots.written) == (4, written)
    assert reasons(
        robots,
        "http://a.example/x",
        "https://a.example/x",
        "https://b.example/private/1",
        "https://b.example/public",
        None,
        "http://c.example:81/private",
        "http://c.example/private",
        "http://n.example/",
        "http://d.example/",
        "HTTP://A.example:80",
        "no url",
    ) == [
        *("robots:*", None, "robots:GPTBot", None, None, "robots:GPTBot"),
        *(None, None, "robots:unreachable", "robots:*", None),
    ]
    assert reasons(robots) == []
    assert reasons(pickle.loads(pickle.dumps(robots)), "http://a.example/") == ["robots:*"]


def test_a_redirect_has_the_rules_of_where_it_leads(tmp_path):
    """Up to five are followed. One that leads nowhere, or in a circle, allows everything and is counted."""
    chain = [(f"http://{n}.example", f"http://{n + 1}.example", "") for n in range(7)]
    files = [
        *chain,
        ("http://7.example", "", ALL),
        ("http://x.example", "http://x.example/en/robots.txt", ""),
        ("http://x.example/en/robots.txt", "", SOME),
        ("http://round.example", "http://round.example", ""),
        ("http://lost.example", "http://nowhere.example", ""),
        ("http://free.example", "http://n.example", ""),
        ("http://n.example", "", ""),
    ]
    assert write_index(tmp_path / "r", "id", [rows(*files[:5]), rows(*files[5:])]).lost == 4
    robots = Robots.read(tmp_path / "r", "id")
    found = reasons(robots, *(f"http://{n}.example/" for n in range(8)))
    assert found == [None, None, *["robots:*"] * 6]
    hosts = ["x", "round", "lost", "free"]
    assert reasons(robots, *(f"http://{host}.example/private" for host in hosts)) == ["robots:GPTBot", None, None, None]


def test_the_file_does_not_depend_on_the_order_of_rows(tmp_path):
    """It says the same; hosts with equal rules share their text."""
    files = [(f"http://{n}.example", "", ALL if n % 2 else SOME) for n in range(100)]
    assert write_index(tmp_path / "a", "id", [rows(*files)]) == (100, 2, 0)
    write_index(tmp_path / "b", "id", [rows(*files[50:][::-1]), rows(*files[:50])])
    one, other = (Robots.read(tmp_path / name, "id") for name in "ab")
    urls = [f"http://{n}.example/private" for n in range(101)]
    assert reasons(one, *urls) == reasons(other, *urls)
    assert reasons(one, *urls)[100] is None


def test_hosts_whose_first_hashes_are_equal_are_told_apart(tmp_path, monkeypatch):
    """The second half of the hash decides then."""
    hashed = index._hashed

    def same_first(keys: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        hashes, checks = hashed(keys)
        return np.full_like(hashes, 7), checks

    monkeypatch.setattr(index, "_hashed", same_first)
    write_index(tmp_path / "r", "id", [rows(*((f"http://{n}.example", "", ALL if n % 2 else SOME) for n in range(9)))])
    robots = Robots.read(tmp_path / "r", "id")
    assert reasons(robots, *(f"http://{n}.example/private" for n in range(10))) == [
        *("robots:*" if n % 2 else "robots:GPTBot" for n in range(9)),
        None,
    ]


def test_an_empty_table_refuses_nothing(tmp_path):
    """No host has rules."""
    write_index(tmp_path / "r", "id", [rows(("http://a.example", "", ""))])
    assert reasons(Robots.read(tmp_path / "r", "id"), "http://a.example/") == [None]


def test_parsed_rules_are_forgotten_in_bounds(tmp_path, monkeypatch):
    """A worker keeps parsed rules of a bounded size."""
    monkeypatch.setattr(index, "_REMEMBERED_CHARS", 2 * len(ALL) + 3)
    files = [(f"http://{n}.example", "", f"User-agent: *\nDisallow: /{n}\n") for n in range(9)]
    write_index(tmp_path / "r", "id", [rows(*files)])
    robots = Robots.read(tmp_path / "r", "id")
    urls = [f"http://{n}.example/{n}" for n in range(9)]
    assert reasons(robots, *urls, *urls) == ["robots:*"] * 18
    assert len(robots._parsed) <= 2


def test_a_file_of_another_table_or_a_damaged_one_is_refused(tmp_path):
    """Its checksum covers every byte, and the numbers of its rules are checked."""
    write_index(tmp_path / "r", "id", [rows(("http://a.example", "", ALL))])
    with pytest.raises(MetadataError, match="got robots id, expected other"):
        Robots.read(tmp_path / "r", "other")
    raw = bytearray((tmp_path / "r").read_bytes())
    raw[-70] ^= 1
    (tmp_path / "bad").write_bytes(raw)
    with pytest.raises(MetadataError, match="its checksum differs"):
        Robots.read(tmp_path / "bad", "id")
    arrays = [
        np.array([1], "<u8"),
        np.array([1], "<u4"),
        np.array([5], "<u4"),
        np.array([0, 3], "<u8"),
        np.zeros(3, "u1"),
    ]
    with pytest.raises(MetadataError, match="a host has rules that are not there"):
        Robots(tmp_path / "x", "id", Written(1, 1, 0), arrays)
    with pytest.raises(MetadataError, match="its arrays are not of one length"):
        Robots(tmp_path / "x", "id", Written(1, 1, 0), [arrays[0][:0], *arrays[1:]])


@given(st.dictionaries(st.text("ab", min_size=1, max_size=3), st.sampled_from(["", ALL, SOME]), max_size=20))
def test_every_host_is_found_and_no_other(tmp_path_factory, hosts):
    """Compared with a dictionary."""
    path = tmp_path_factory.mktemp("index") / "r"
    write_index(path, "id", [rows(*((f"http://{host}.example", "", text) for host, text in hosts.items()))])
    robots = Robots.read(path, "id")
    names = ["aa", "ab", "ba", "bbb", "c", *hosts]
    wanted = {"": None, ALL: "robots:*", SOME: "robots:GPTBot"}
    assert reasons(robots, *(f"http://{name}.example/private" for name in names)) == [
        wanted[hosts.get(name, "")] for name in names
    ]
