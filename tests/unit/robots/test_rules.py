"""Which urls the rules of a host refuse, and why: examples of RFC 9309 and of the AIPREF drafts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from robots_archive import AIPREF

from metaclip_spark.robots.rules import MAX_PATH, UNREACHABLE, Rules
from metaclip_spark.robots.text import read_robots

RFC_5_1 = """\
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""
"""Section 5.1 of RFC 9309, "Simple Example"."""

RFC_5_2 = """\
User-Agent: foobot
Allow: /example/page/
Disallow: /example/page/disallowed.gif
"""
"""Section 5.2 of RFC 9309, "Longest Match"."""


def rules(text: str, *agents: str) -> Rules:
    """Return the rules of some crawlers."""
    return Rules(read_robots(text.encode(), agents).rules)


@pytest.mark.parametrize(
    ("text", "agent", "path", "reason"),
    [
        (RFC_5_1, "*", "/a.gif", "robots:*"),
        (RFC_5_1, "*", "/a.gif?x", None),
        (RFC_5_1, "*", "/example/page.html", "robots:*"),
        (RFC_5_1, "*", "/publications/x.html", None),
        (RFC_5_1, "foobot", "/", "robots:foobot"),
        (RFC_5_1, "foobot", "/example/page.html", None),
        (RFC_5_1, "foobot", "/example/allowed.gif", None),
        (RFC_5_1, "foobot", "/publications/x.html", "robots:foobot"),
        (RFC_5_1, "barbot", "/example/page.html", "robots:barbot"),
        (RFC_5_1, "bazbot", "/example/page.html", "robots:bazbot"),
        (RFC_5_1, "bazbot", "/example/other.html", None),
        (RFC_5_1, "quxbot", "/example/page.html", None),
        (RFC_5_1, "other", "/example/page.html", "robots:*"),
        (RFC_5_2, "foobot", "/example/page/disallowed.gif", "robots:foobot"),
        (RFC_5_2, "foobot", "/example/page/other.gif", None),
        # The table of the draft.
        (AIPREF, "*", "/test", "robots:content-usage"),
        (AIPREF, "*", "/never/test", "robots:*"),
        (AIPREF, "*", "/ai-ok/test", None),
        (AIPREF, "ExampleBot", "/test", None),
        (AIPREF, "ExampleBot", "/never/test", None),
        # Equal paths: rules about fetching allow, statements about uses disallow.
        ("User-agent: *\nDisallow: /a\nAllow: /a", "*", "/a", None),
        (
            "User-agent: *\nContent-Usage: /a train-ai=y\nContent-Usage: /a train-ai=n",
            "*",
            "/a",
            "robots:content-usage",
        ),
        ("User-agent: *\nContent-Usage: /a train-ai=n\nContent-Usage: /a train-ai=y", "*", "/b", None),
        # The longest path decides, also where it states nothing about training.
        ("User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /a search=n", "*", "/a", None),
        ("User-agent: *\nContent-Usage: /*.jpg$ train-ai=n", "*", "/x/a.jpg", "robots:content-usage"),
        ("User-agent: *\nContent-Usage: /*.jpg$ train-ai=n", "*", "/x/a.png", None),
        ("User-agent: *\nContent-Usage: Train-AI=n", "*", "/", None),
        ("User-agent: *\nContent-Signal: search=yes, ai-train=no", "*", "/a", "robots:content-signal"),
        ("User-agent: *\nContent-Signal: ai-train=yes", "*", "/a", None),
        ("Content-Signal: ai-train=no\nUser-agent: *\nDisallow:", "*", "/a", "robots:content-signal"),
        # Encodings of a path.
        ("User-agent: *\nDisallow: /ü", "*", "/%C3%BC", "robots:*"),
        ("User-agent: *\nDisallow: /%7Ejoe/", "*", "/~joe/", "robots:*"),
        ("User-agent: *\nDisallow: /a%2Fb", "*", "/a/b", None),
        ("User-agent: *\nDisallow: //a", "*", "//a", "robots:*"),
        ("User-agent: *\nDisallow: /", "*", "/robots.txt", None),
        ("", "*", "/", None),
    ],
)
def test_examples(text, agent, path, reason):
    """The reason names the crawler whose rules they are, * for rules of all, or the kind of statement."""
    assert rules(text, agent).reason(path) == reason


def test_the_first_crawler_in_the_order_is_named_and_fetching_before_uses():
    """One reason is given for a url, whatever the order in the file."""
    text = "User-agent: b\nDisallow: /\nUser-agent: a\nDisallow: /\nDisallow: /x\nUser-agent: *\nContent-Usage: ai=n"
    assert rules(text, "a", "b", "*").reason("/y") == "robots:a"
    assert rules(text, "b", "a", "*").reason("/y") == "robots:b"
    assert rules(text, "c", "*").reason("/y") == "robots:content-usage"


def test_what_could_not_be_reached_is_refused():
    """RFC 9309, section 2.3.1.4."""
    assert Rules(UNREACHABLE).reason("/") == "robots:unreachable"
    assert (Rules(UNREACHABLE).agents, Rules(UNREACHABLE).shut_out()) == ([], [])


def test_crawlers_that_are_named_and_shut_out():
    """A crawler is shut out if it may not fetch the first page."""
    text = "User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /\nUser-agent: *\nDisallow: /a\n"
    found = rules(text, "CCBot", "GPTBot", "ClaudeBot", "*")
    assert (found.agents, found.shut_out()) == (["CCBot", "GPTBot", "*"], ["CCBot", "GPTBot"])


def test_a_long_path_is_compared_by_its_beginning():
    """A rule beyond the limit has no effect; so ten thousand rules and a long url stay bounded."""
    found = rules("User-agent: *\nDisallow: /*x", "*")
    assert found.reason("/" + "a" * (MAX_PATH - 2) + "x") == "robots:*"
    assert found.reason("/" + "a" * (MAX_PATH - 1) + "x") is None


PATTERNS = st.lists(st.sampled_from(["a", "b", "/", "*", "$", "aa", "ab"]), max_size=5).map(
    lambda parts: "/" + "".join(parts)
)


@given(
    st.lists(st.tuples(st.sampled_from(["Allow", "Disallow"]), PATTERNS), min_size=1, max_size=6),
    st.text("ab/", max_size=8),
)
def test_the_longest_pattern_decides(given_rules, path):
    """Compared with RFC 9309 as it is written: the longest pattern that matches, and Allow of two that are equal."""
    path = "/" + path
    text = "User-agent: *\n" + "".join(f"{field}: {pattern}\n" for field, pattern in given_rules)
    if any("$" in pattern[:-1] for _, pattern in given_rules):
        return  # what a $ inside a pattern means is not said
    found = [(len(pattern), field == "Allow") for field, pattern in given_rules if matches(pattern, path)]
    refused = bool(found) and not max(found)[1]
    assert (rules(text, "*").reason(path) is not None) == refused


def matches(pattern: str, path: str) -> bool:
    """Return whether a pattern matches, by all places where its asterisks may end."""
    if not pattern:
        return True
    if pattern == "$":
        return not path
    if pattern[0] == "*":
        return any(matches(pattern[1:], path[at:]) for at in range(len(path) + 1))
    return bool(path) and pattern[0] == path[0] and matches(pattern[1:], path[1:])
