"""Find e-mail addresses and IP addresses in a folded text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from metaclip_spark.filters.pii.folding import said_before
from metaclip_spark.filters.texts import MEDIA_EXTENSIONS

_LOCAL_CHARS = 64
_DOMAIN_CHARS = 255
_ASCII_LOCAL = re.compile(r"[A-Za-z0-9_.+%'-]")
_ANY_LOCAL = re.compile(r"[\w.+%'-]")
_DOMAIN = re.compile(
    r"(?:[^\W_][\w-]{0,62}\.){1,8}"
    r"(?:(?:xn--[a-z0-9-]{2,59}|[A-Za-z]{2,24})(?![A-Za-z0-9_-])|[^\W\d_A-Za-z]{2,24})"
)
"""A domain in ASCII ends where other letters begin: Chinese and Japanese put no space behind an address."""
_FILE = re.compile(rf"(?i)(?:\d(?:\.\d)?x\.|.*\.(?:{MEDIA_EXTENSIONS}|css|js|html?|php)\Z)")
"""The "domain" of a file's name: icon@2x.png."""

_V4 = re.compile(r"(?<![\w.\]-])(?:\d{1,3}\.){3}\d{1,3}(?![\w\[-]|\.\d)")
_V6 = re.compile(r"(?<![\w:.\]])[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:\[])")
"""Global addresses begin with 2 or 3: 2000::/3."""
_NETWORK = re.compile(
    r"(?i)(?<![\w\[])(?:ips?|ipv4|ip[- ]?add?ress(?:es)?|servers?|host(?:name|ed)?|proxy|proxies|dns|gateway|router|"
    r"ping|whois|subnet|ssh|ftp)(?!\w)"
)
_NUMBERED = re.compile(
    r"(?i)(?:\bv|(?<!\w)(?:ver|version|release|firmware|build|rev(?:ision)?|update|patch|section|sect|apk|no|nr))"
    r"[.: ]*\Z"
    r"|[\xa7\u2116] ?\Z"
)
"""What stands before a version or the number of a section."""
_PORT = re.compile(r":\d{2,5}(?!\d)")
_LARGE = 100


def emails(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of e-mail addresses.

    Every step looks at a bounded number of characters around an "@".
    """
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text[at + 1 : at + 2 + _DOMAIN_CHARS])
        start = _local_start(text, at) if domain is not None and not _FILE.match(domain[0]) else at
        if domain is not None and start < at:
            yield start, at + 1 + domain.end()
        at = text.find("@", at + 1)


def _local_start(text: str, at: int) -> int:
    """Return where the name before an "@" begins; `at` where there is none."""
    for allowed in (_ASCII_LOCAL, _ANY_LOCAL):
        start = at
        while start and at - start <= _LOCAL_CHARS and allowed.match(text[start - 1]):
            start -= 1
        while start < at and not text[start].isalnum():
            start += 1
        if start < at:
            break
    is_handle = start > 0 and text[start - 1] == "@"  # @name@instance names an account of a social network
    return at if is_handle or at - start > _LOCAL_CHARS else start


def ip_addresses(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of public IP addresses; private, reserved and documentation ones name no line of a person."""
    for found in _V4.finditer(text):
        if _is_v4(text, found):
            yield found.span()
    for found in _V6.finditer(text):
        try:
            if IPv6Address(found[0]).is_global:
                yield found.span()
        except AddressValueError:
            continue


def _is_v4(text: str, found: re.Match[str]) -> bool:
    """Return whether four numbers with dots are an address, and not a version or the number of an object.

    Some sign is needed: a scheme, a port, a word such as "server", or two numbers of three digits.
    """
    octets = [int(part) for part in found[0].split(".")]
    if max(octets) > 255 or any(len(part) > 1 and part[0] == "0" for part in found[0].split(".")):
        return False
    if not IPv4Address(found[0]).is_global or said_before(_NUMBERED, text, found.start(), 12):
        return False
    before = text[max(0, found.start() - 3) : found.start()]
    if before.endswith("/"):
        return before == "://"
    return (
        sum(octet >= _LARGE for octet in octets) >= 2
        or _PORT.match(text, found.end()) is not None
        or said_before(_NETWORK, text, found.start())
    )
