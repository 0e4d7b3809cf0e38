"""Say whether the rules of a host refuse a url, and which rule does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from protego import Protego

from metaclip_spark.candidates.ledger import ROBOTS_PREFIX as PREFIX
from metaclip_spark.core.preferences import signal_disallows, usage_disallows
from metaclip_spark.robots.text import AGENT, ALLOW, DISALLOW, SIGNAL, USAGE

UNREACHABLE = "unreachable"
"""The rules of a host whose robots.txt could not be reached: RFC 9309 asks to fetch nothing then."""

_STATEMENTS = {USAGE: ("content-usage", usage_disallows), SIGNAL: ("content-signal", signal_disallows)}
MAX_PATH = 4096
"""Characters of a path that are compared: a host may have ten thousand rules, and a url any length."""

_HOST = "http://host"
"""What stands before a path: parsers take a path that begins with // for a host."""


class Rules:
    """The rules of a host, as `read_robots` writes them.

    Attributes:
        agents: the crawlers that have rules, in their order.
    """

    def __init__(self, text: str) -> None:
        self._unreachable = text == UNREACHABLE
        self._checks: list[tuple[str, Protego, bool]] = []
        self.agents: list[str] = []
        self._refused: dict[str, Protego] = {}
        stated: list[tuple[str, Protego, bool]] = []
        for names, lines in _groups(text):
            self.agents += names
            paths = [line for line in lines if line.startswith((ALLOW, DISALLOW))]
            if paths:
                parsed = _parse(paths)
                self._refused.update(dict.fromkeys(names, parsed))
                self._checks.append((names[0], parsed, False))
            for field, (reason, _) in _STATEMENTS.items():
                statements = [line for line in lines if line.startswith(f"{field}:")]
                if statements:
                    stated.append((reason, _parse([_as_rule(line) for line in statements] + [f"{DISALLOW}: /"]), True))
        self._checks += stated

    def reason(self, path: str) -> str | None:
        """Return why a path is refused, as the reason of a reject; None if it is not.

        Rules about fetching come first, in the order of the crawlers, and then statements about uses.

        Args:
            path: path and query of a url.

        >>> Rules("User-agent: GPTBot\\nDisallow: /private\\n").reason("/private/a.html")
        'robots:GPTBot'
        """
        if self._unreachable:
            return PREFIX + UNREACHABLE
        url = _HOST + path[:MAX_PATH]
        for reason, parsed, refuses in self._checks:
            if parsed.can_fetch(url, "*") is refuses:
                return PREFIX + reason
        return None

    def shut_out(self) -> list[str]:
        """Return the crawlers that may not fetch the first page."""
        return [name for name, parsed in self._refused.items() if not parsed.can_fetch(f"{_HOST}/", "*")]


def _groups(text: str) -> Iterator[tuple[list[str], list[str]]]:
    names: list[str] = []
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(f"{AGENT}: "):
            if lines:
                yield names, lines
                names, lines = [], []
            names.append(line[len(AGENT) + 2 :])
        elif names:
            lines.append(line)
    if lines:
        yield names, lines


def _parse(rules: Sequence[str]) -> Protego:
    return Protego.parse("\n".join([f"{AGENT}: *", *rules]))


def _as_rule(line: str) -> str:
    """Return a statement as a rule by path: it allows what disallows training.

    The longest path wins, as for rules about fetching. Of equal paths Allow wins, and here the refusal has to.
    """
    field, _, value = line.partition(": ")
    path, _, statement = value.partition(" ") if value.startswith("/") else ("/", "", value)
    return f"{ALLOW if _STATEMENTS[field][1](statement) else DISALLOW}: {path}"
