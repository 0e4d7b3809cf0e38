"""Hide secrets in what is stored, shown and logged: the only place that decides what a secret is.

A secret is found in two ways. By its form, wherever a text has it: `name=value` with the name of a secret, a password
before the host of a url. And by its value: the values that a command was given as secrets, and those of the
environment, are remembered in this process, because a library's error may have them in any form.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

HIDDEN = "(hidden)"
"""The text that stands for a secret."""

_LEAST = 8
"""Shorter values are hidden by their form only: such a word may be part of any sentence."""
_NAME = re.compile(
    r"secret|passw|passphrase|token|credential|signature|access[._-]?key|api[._-]?key|sas\b|sas[._-]|\bsig\b"
    r"|key(?![a-z])|authorization",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"(?P<name>(?<![\w.%-])[\w.%-]{0,300}?(?:secret|passw|passphrase|token|credential|signature|access[._-]?key|api[._-]?key|sas"
    r"|(?<![a-z])sig|key)[\w.%-]{0,300})['\"]?(?P<sign>=|:\s*)(?P<quote>['\"]?)(?P<value>[^\s;&,'\"()<>\[\]{}#]+)",
    re.IGNORECASE,
)
"""`name=value` in any text: a query of a url, an option of sc://, a property of Java; and `name: value`.

A match begins where a word does, and names are bounded: a long text takes time by its length, not by its square."""
_USERINFO = re.compile(r"(?P<scheme>(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]+://)(?P<user>[^\s/?#'\"<>@]*)@")
_BEARER = re.compile(r"(?P<name>\b(?:Bearer|Basic)\s+)(?P<value>[A-Za-z0-9._~+/=-]{8,})")
_ONLY_USERS = ("http", "https", "sc", "ftp", "sftp")
"""Schemes in which the part before @ is a user. In abfss:// it is a container, which is no secret."""
_NO_VALUE = re.compile(r"^(?:/|[A-Za-z]:\\)|_(?:FILE|PATH|URI|URL|DIR)$")

_HAS_SECRETS = re.compile(
    r"PROXY|_UR[IL]$|CONNECTION|CONN_|DSN|HEADERS|AUTH|TRANSPORT|OPTIONS|_OPTS|_ARGS", re.IGNORECASE
)
"""Names of variables of the environment whose values may have secrets in them: urls, connection strings, options."""

_remembered: set[str] = set()


def is_secret_name(name: str) -> bool:
    """Return whether a setting, a variable or a parameter of this name holds a secret.

    >>> [is_secret_name(name) for name in ("fs.azure.account.key.acc.dfs", "X-Amz-Signature", "sig", "accessKey")]
    [True, True, True, True]
    >>> [is_secret_name(name) for name in ("spark.io.encryption.keySizeBits", "spark.sql.shuffle.partitions", "design")]
    [False, False, False]
    """
    return _NAME.search(name) is not None


def remember(values: Iterable[str]) -> None:
    """Hide these values wherever `masked` finds them from now on, in this process; short ones are left out."""
    _remembered.update(value for value in values if len(value) >= _LEAST and value != HIDDEN)


def secrets_in(value: object, name: str = "") -> Iterator[str]:
    """Yield the secrets in a value: in its texts by their form, in its mappings also by their names.

    >>> sorted(secrets_in({"remote": "sc://host:1/;token=abc", "spark": {"spark.my.password": "def"}}))
    ['abc', 'def']
    """
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from secrets_in(part, str(key))
    elif isinstance(value, list | tuple | set):
        for part in value:
            yield from secrets_in(part, name)
    elif isinstance(value, str):
        if is_secret_name(name):
            yield value
            return
        yield from (found["value"] for found in _SAID.finditer(value) if _says_secret(found))
        for found in _USERINFO.finditer(value):
            if _has_secret(found):
                yield found["user"]
                yield from found["user"].split(":", 1)[1:]


def masked(value: Any, name: str = "") -> Any:
    """Return a value without its secrets: a text, or texts in mappings and lists of any depth; other values stay.

    Args:
        name: the name of the value, which may say that all of it is a secret.

    >>> masked({"remote": "sc://h:1/;token=abc;x=1", "spark": {"fs.azure.account.key.a": "k", "spark.ui": "u"}})
    {'remote': 'sc://h:1/;token=(hidden);x=1', 'spark': {'fs.azure.account.key.a': '(hidden)', 'spark.ui': 'u'}}
    >>> masked("https://me:pw@host/a.parquet?X-Amz-Signature=0a&page=2")
    'https://(hidden)@host/a.parquet?X-Amz-Signature=(hidden)&page=2'
    """
    if isinstance(value, str):
        return HIDDEN if value and is_secret_name(name) else _masked_text(value)
    if isinstance(value, Mapping):
        return {_plain_key(key): masked(part, str(key)) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part, name) for part in value]
    if isinstance(value, tuple):
        return tuple(masked(part, name) for part in value)
    return value


def without_secrets(uri: str) -> str:
    """Return a uri as tables store it: without a user, a password and parameters that are secrets.

    A parameter `key` may be a secret, or the name of a file. It is stored as a short hash, so that two files stay two.

    >>> without_secrets("https://me:pw@host/a.parquet?api_token=1&page=2"), without_secrets("abfss://box@host/a")
    ('https://host/a.parquet?page=2', 'abfss://box@host/a')
    """
    if "://" not in uri:
        return uri
    uri = _USERINFO.sub(lambda found: found["scheme"] + ("" if _has_secret(found) else found["user"] + "@"), uri)
    place, mark, query = uri.partition("?")
    if not mark:
        return uri
    kept = [_parameter(part) for part in query.split("&")]
    query = "&".join(part for part in kept if part)
    return f"{place}?{query}" if query else place


def _parameter(part: str) -> str:
    name, sign, value = part.partition("=")
    if not sign or not is_secret_name(name):
        return part
    return f"{name}={sha256(value.encode()).hexdigest()[:8]}" if name.lower() == "key" else ""


def _plain_key(key: Any) -> Any:
    return _masked_text(key) if isinstance(key, str) else key


def _masked_text(text: str) -> str:
    if "=" in text or ":" in text:
        text = _SAID.sub(_hide, text)
        text = _USERINFO.sub(lambda found: f"{found['scheme']}{HIDDEN}@" if _has_secret(found) else found[0], text)
    text = _BEARER.sub(lambda found: found["name"] + HIDDEN, text)
    for value in sorted({*_remembered, *_of_environment()}, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return text


def _hide(found: re.Match[str]) -> str:
    if not _says_secret(found):
        return found[0]
    start, end = found.span("value")
    return found[0][: start - found.start()] + HIDDEN + found[0][end - found.start() :]


def _says_secret(found: re.Match[str]) -> bool:
    """Return whether `name=value` is a secret. A sentence or a condition of SQL also has words such as key."""
    if not is_secret_name(found["name"]) or found["value"] == HIDDEN:
        return False
    certain = re.search(r"secret|passw|passphrase|token|signature|access.?key|api.?key|\.key", found["name"], re.I)
    if found["sign"] != "=" and not found["quote"]:
        return certain is not None and re.search(r"(?=.*\d)(?=.*[A-Za-z]).{6}", found["value"]) is not None
    return certain is not None or not found["quote"]


def _has_secret(found: re.Match[str]) -> bool:
    """Return whether the part of a url before @ is a secret."""
    scheme = found["scheme"].removesuffix("://").lstrip("0123456789+.-").lower()
    return bool(found["user"]) and found["user"] != HIDDEN and (":" in found["user"] or scheme in _ONLY_USERS)


def _of_environment() -> frozenset[str]:
    """Return the secrets of the environment's variables: by their names, and in urls and options. Paths are none."""
    return _secrets_of(tuple(os.environ.items()))


@functools.lru_cache(maxsize=1)
def _secrets_of(environment: tuple[tuple[str, str], ...]) -> frozenset[str]:
    found: set[str] = set()
    for name, value in environment:
        if len(value) < _LEAST or value.startswith("/"):
            continue
        if is_secret_name(name) and not _NO_VALUE.search(name):
            found.add(value)
        elif _HAS_SECRETS.search(name):
            found.update(each for each in secrets_in(value) if len(each) >= _LEAST)
    return frozenset(found)
