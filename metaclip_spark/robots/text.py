"""Read a robots.txt (RFC 9309), and keep what it says to named crawlers about fetching and about uses.

What is kept is a robots.txt itself, without comments, other crawlers and other lines. Hosts with the same rules have
the same text then.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

AGENTS = (
    *("GPTBot", "CCBot", "ClaudeBot", "anthropic-ai", "Claude-Web", "Google-Extended", "Applebot-Extended"),
    *("Bytespider", "meta-externalagent", "FacebookBot", "PerplexityBot", "Amazonbot", "cohere-ai"),
    *("cohere-training-data-crawler", "AI2Bot", "Diffbot", "omgili", "img2dataset", "*"),
)
"""Crawlers of training data, by their product token, and `*`: any crawler without rules of its own."""

MAX_BYTES = 500 << 10
"""Bytes of a robots.txt that are read; RFC 9309 asks for at least these."""
MAX_RULES = 10_000
"""Rules of one crawler that are kept."""
MAX_CHARS = 2048
"""Characters of a rule that is kept."""

CUT, NOT_UTF8, RULES_LEFT_OUT = "cut", "not_utf8", "rules_left_out"

AGENT, ALLOW, DISALLOW, USAGE, SIGNAL = "User-agent", "Allow", "Disallow", "Content-Usage", "Content-Signal"
_FIELDS = {
    **dict.fromkeys(("user-agent", "useragent", "user agent"), AGENT),
    **dict.fromkeys(("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"), DISALLOW),
    **{"allow": ALLOW, "content-usage": USAGE, "content-signal": SIGNAL},
}
"""Names of lines, with the misspellings that common parsers take."""
_ENDS = re.compile(r"\r\n|\r|\n")
_UNSAFE = re.compile(r"[^!-~]+")
_TOKEN = re.compile(r"[^\s/]*")
_BOMS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class RobotsText(NamedTuple):
    """What a robots.txt says to some crawlers.

    Attributes:
        rules: the text, "" if it says nothing to them.
        counts: `CUT`, `NOT_UTF8` -> 1 where the file is; `RULES_LEFT_OUT` -> number of rules over a limit.
    """

    rules: str
    counts: Counter[str]


def read_robots(body: bytes, agents: Sequence[str] = AGENTS, truncated: bool = False) -> RobotsText:
    r"""Read a robots.txt.

    Args:
        body: the file, of any size and content.
        agents: the crawlers, by product token, in the order in which they are to be named.
        truncated: whether `body` is only the beginning of the file.

    >>> read_robots(b"User-agent: *\nDisallow: /a\nUser-agent: GPTBot\nDisallow: / # all\n", ("GPTBot", "*")).rules
    'User-agent: GPTBot\nDisallow: /\nUser-agent: *\nDisallow: /a\n'
    """
    counts: Counter[str] = Counter()
    lines = _lines(body, truncated, counts)
    groups: dict[str, dict[str, None]] = {}
    wanted = {"*", *(agent.lower() for agent in agents)}
    current, open_group = ["*"], False
    has_group = False
    for field, value in lines:
        if field == AGENT:
            token = _token(value)
            if not open_group:
                current = []
            open_group = has_group = True
            if token in wanted and token not in current:
                current.append(token)
                groups.setdefault(token, {})
            continue
        open_group = False
        if not has_group and field not in (USAGE, SIGNAL):  # a statement about uses is plain without a crawler, too
            continue
        rule = _rule(field, value)
        for token in current if rule else ():
            kept = groups.setdefault(token, {})
            if len(kept) >= MAX_RULES or len(rule) > MAX_CHARS:
                if rule not in kept:
                    counts[RULES_LEFT_OUT] += 1
            else:
                kept[rule] = None
    return RobotsText(_text(groups, agents), counts)


def _lines(body: bytes, truncated: bool, counts: Counter[str]) -> list[tuple[str, str]]:
    """Return the lines of a file that say something to crawlers, each with its field and value."""
    text, is_utf8 = _decoded(body[:MAX_BYTES])
    if not is_utf8:
        counts[NOT_UTF8] = 1
    lines = _ENDS.split(text)
    if truncated or len(body) > MAX_BYTES:
        counts[CUT] = 1
        del lines[-1]  # "Disallow: /" may be the beginning of "Disallow: /private"
    found = []
    for line in lines:
        written = line.partition("#")[0].strip()
        name, colon, value = written.partition(":")
        if not colon:
            name, _, value = written.partition(" ")
        field = _FIELDS.get(name.strip().lower())
        if field is not None:
            found.append((field, value.strip()))
    return found


def _decoded(raw: bytes) -> tuple[str, bool]:
    for mark, charset in _BOMS.items():
        if raw.startswith(mark):
            return raw[2:].decode(charset, "replace"), False
    try:
        return raw.decode("utf-8-sig"), True
    except UnicodeDecodeError as error:
        at_end = error.end == len(raw) == MAX_BYTES and error.reason == "unexpected end of data"
        return raw.decode("utf-8-sig", "replace"), at_end  # the cut may divide a character


def _token(value: str) -> str:
    """Return the product token of a user-agent line: `GPTBot/1.1 (+https://...)` is gptbot, and `Foo*` is foo."""
    found = _TOKEN.match(value)
    token = found[0].lower() if found else ""
    return token.strip("*") or ("*" if token else "")


def _rule(field: str, value: str) -> str:
    """Return a rule as a line; "" for one that says nothing. Other characters than printable ASCII are encoded."""
    if field in (ALLOW, DISALLOW):
        value = _safe(value)
    elif value.startswith("/"):
        path, *statement = value.split(None, 1)
        value = " ".join([_safe(path), *statement])
    value = " ".join(map(_safe, value.split()))
    return f"{field}: {value}" if value else ""


def _safe(value: str) -> str:
    return _UNSAFE.sub(lambda found: quote(found[0].encode("utf-8", "replace")), value)


def _text(groups: dict[str, dict[str, None]], agents: Sequence[str]) -> str:
    """Return the groups of some crawlers as a robots.txt; crawlers with the same rules share a group."""
    named: dict[tuple[str, ...], list[str]] = {}
    others: tuple[str, ...] = ()
    for agent in agents:
        own = groups.get(agent.lower()) if agent != "*" else None
        if own is None:
            others = tuple(groups.get("*", ()))
        elif own:
            named.setdefault(tuple(own), []).append(agent)
    written = [(names, rules) for rules, names in named.items()] + ([(["*"], others)] if others else [])
    return "".join(
        "".join(f"{AGENT}: {name}\n" for name in names) + "".join(f"{rule}\n" for rule in rules)
        for names, rules in written
    )
