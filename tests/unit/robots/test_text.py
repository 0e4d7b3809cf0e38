"""What is kept of a robots.txt: the rules of named crawlers, as RFC 9309 groups them, in a text that others share."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.robots.rules import Rules
from metaclip_spark.robots.text import AGENTS, MAX_BYTES, MAX_CHARS, MAX_RULES, read_robots


def kept(text: str | bytes, agents: tuple[str, ...] = ("GPTBot", "CCBot", "*")) -> str:
    """Return the rules that are kept, without the last line end."""
    return read_robots(text.encode() if isinstance(text, str) else text, agents).rules.removesuffix("\n")


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", ""),
        ("<!doctype html><title>Not found: 404</title>", ""),
        ("User-agent: *\nDisallow: /a", "User-agent: *\nDisallow: /a"),
        ("User-agent: *\nDisallow:", ""),
        ("User-agent: OtherBot\nDisallow: /", ""),
        ("Disallow: /a\nUser-agent: *\nDisallow: /b", "User-agent: *\nDisallow: /b"),
        # Crawlers with the same rules share a group, and one with none of its own has those of *.
        (
            "user-agent: ccbot\nuser-agent: gptbot\ndisallow: /\n\nuser-agent: *\ndisallow: /b",
            "User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /\nUser-agent: *\nDisallow: /b",
        ),
        ("User-agent: GPTBot\nDisallow:\nUser-agent: *\nDisallow: /b", "User-agent: *\nDisallow: /b"),
        # Groups of one crawler are one; lines of other kinds and empty lines end none.
        (
            "User-agent: CCBot\nDisallow: /a\n\nUser-agent: *\nAllow: /\n\nUser-agent: CCBot\nDisallow: /b",
            "User-agent: CCBot\nDisallow: /a\nDisallow: /b\nUser-agent: *\nAllow: /",
        ),
        (
            "User-agent: GPTBot\nSitemap: http://a/b\n\nCrawl-delay: 3\nUser-agent: CCBot\nDisallow: /",
            "User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /",
        ),
        # Product tokens.
        ("User-agent: GPTBot/1.1 (+https://openai.com)\nDisallow: /", "User-agent: GPTBot\nDisallow: /"),
        ("User-agent: GPTBot*\nDisallow: /", "User-agent: GPTBot\nDisallow: /"),
        ("User-agent: GPT\nDisallow: /", ""),
        ("User-agent: GPTBot-Image\nDisallow: /", ""),
        ("User-agent: * # all\nDisallow: /", "User-agent: *\nDisallow: /"),
        ("User-agent:\nDisallow: /", ""),
        # Misspellings, missing colons, comments, line ends, white space.
        ("useragent: *\rDissallow: /a\r\nDISALLOW : /b # why", "User-agent: *\nDisallow: /a\nDisallow: /b"),
        ("User-agent: *\nDisallow /a\n\tAllow:\t/b\t", "User-agent: *\nDisallow: /a\nAllow: /b"),
        ("User-agent: *\nDisallow: /a\nDisallow: /a", "User-agent: *\nDisallow: /a"),
        # Characters that a parser of lines could take for ends of lines, and NUL.
        ("User-agent: *\nDisallow: /a\u2028Allow: /\x00\x0b.", "User-agent: *\nDisallow: /a%E2%80%A8Allow:%20/%00%0B."),
        ("User-agent: *\nDisallow: /ü", "User-agent: *\nDisallow: /%C3%BC"),
        # Statements about uses; one before any crawler is for all.
        ("User-agent: *\nContent-Usage: train-ai=n", "User-agent: *\nContent-Usage: train-ai=n"),
        ("user-agent: *\ncontent-usage:/a \t train-ai=n", "User-agent: *\nContent-Usage: /a train-ai=n"),
        ("Content-Signal: search=yes, ai-train=no", "User-agent: *\nContent-Signal: search=yes, ai-train=no"),
        ("Content-Usage: train-ai=n\nDisallow: /", "User-agent: *\nContent-Usage: train-ai=n"),
    ],
)
def test_what_is_kept(text, rules):
    """Rules of the named crawlers, in their order, and of * for those that have none."""
    assert kept(text) == rules
    assert kept(rules) == rules


def test_without_a_star_the_rules_of_all_are_those_of_a_named_crawler_without_its_own():
    """`*` among the crawlers stands for any crawler that is not named, whose rules count in any case then."""
    text = "User-agent: *\nDisallow: /a\nUser-agent: GPTBot\nDisallow: /b\n"
    assert read_robots(text.encode(), ("GPTBot",)).rules == "User-agent: GPTBot\nDisallow: /b\n"
    assert read_robots(text.encode(), ("CCBot",)).rules == "User-agent: *\nDisallow: /a\n"


@pytest.mark.parametrize(
    ("body", "counts"),
    [
        (b"\xef\xbb\xbfUser-agent: *\nDisallow: /a", {}),
        ("User-agent: *\nDisallow: /a".encode("utf-16"), {"not_utf8": 1}),
        ("\ufeffUser-agent: *\nDisallow: /a".encode("utf-16-be"), {"not_utf8": 1}),
        (b"User-agent: *\nDisallow: /a\n# caf\xe9", {"not_utf8": 1}),
    ],
)
def test_charsets(body, counts):
    """A byte order mark is no text. What is not UTF-8 is counted, and its other lines are read."""
    found = read_robots(body, ("*",))
    assert (found.rules, dict(found.counts)) == ("User-agent: *\nDisallow: /a\n", counts)


def test_a_long_file_is_cut_at_a_line():
    """RFC 9309 asks for 500 KiB. A line that the cut divides would say something else."""
    start = b"User-agent: *\nDisallow: /a\n"
    filler = b"#" * (MAX_BYTES - len(start) - 12) + b"\n"
    found = read_robots(start + filler + b"Disallow: /private\n", ("*",))
    assert (found.rules, dict(found.counts)) == ("User-agent: *\nDisallow: /a\n", {"cut": 1})
    found = read_robots(start + b"Disallow: /pri", ("*",), truncated=True)
    assert (found.rules, dict(found.counts)) == ("User-agent: *\nDisallow: /a\n", {"cut": 1})
    exact = start + filler[12:] + "ü".encode() * 12
    assert dict(read_robots(exact[: MAX_BYTES - 1] + b"\xc3\xbc\n", ("*",)).counts) == {"cut": 1}


def test_rules_over_the_limits_are_left_out_and_counted():
    """A crawler has at most so many rules, and a rule so many characters; repeats are one rule."""
    many = b"User-agent: *\n" + b"".join(b"Disallow: /%d\n" % number for number in range(MAX_RULES + 7)) * 2
    found = read_robots(many, ("*",))
    assert (len(found.rules.splitlines()), dict(found.counts)) == (MAX_RULES + 1, {"rules_left_out": 14})
    found = read_robots(b"User-agent: *\nDisallow: /" + b"a" * MAX_CHARS + b"\nDisallow: /b", ("*",))
    assert (found.rules, dict(found.counts)) == ("User-agent: *\nDisallow: /b\n", {"rules_left_out": 1})


HOSTILE = {
    "megabytes of one line": b"User-agent: *\nDisallow: /" + b"a" * 5_000_000,
    "NULs": b"\0" * 5_000_000,
    "a million rules": b"User-agent: *\n" + b"".join(b"Disallow: /*%d$\n" % number for number in range(1_000_000)),
    "a million crawlers": b"".join(b"User-agent: %d\n" % number for number in range(1_000_000)) + b"Disallow: /",
    "crawlers and rules": b"".join(b"User-agent: %d\n" % number for number in range(16_000))
    + b"User-agent: *\n"
    + b"".join(b"Disallow: /%d\n" % number for number in range(16_000)),
    "asterisks": b"User-agent: *\n" + b"".join(b"Disallow: /" + b"*a" * n + b"*b\n" for n in range(900)),
    "asterisks alone": b"User-agent: *\nDisallow: /" + b"*" * 2000 + b"x",
    "hashes": b"User-agent: *\nDisallow: /#" + b"#" * 1_000_000,
    "colons": b":" * 1_000_000,
    "one letter a line": b"a\n" * 1_000_000,
    "a statement of keys": b"User-agent: *\n" + b"Content-Usage: " + b"a," * 200_000 + b"train-ai=n\n",
    "random bytes": bytes(range(256)) * 4000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_soon(name):
    """It is read, and its rules are compared with a long url, in seconds at the very most."""
    start = time.monotonic()
    rules = Rules(read_robots(HOSTILE[name], AGENTS).rules)
    for path in ("/" + "a" * 60_000, "/" + "1" * 60_000, "/a", "/"):
        rules.reason(path)
    assert time.monotonic() - start < 60


@given(st.binary(max_size=300) | st.text("Uuser-agnt: *dilowc\n/#\0%$\r", max_size=200).map(str.encode))
def test_any_bytes_are_read(body):
    """No file raises, and what is kept says the same when it is read again."""
    found = read_robots(body)
    assert found.rules.isascii()
    assert read_robots(found.rules.encode()).rules == found.rules
    Rules(found.rules).reason("/a")
