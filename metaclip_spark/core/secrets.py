"""Hide secrets in what is stored, shown and logged: the only place that decides what a secret is.

A secret is found in two ways. By its form, wherever a text has it: `name=value` with the name of a secret, a password
before the host of a url. And by its value: the values that a command was given as secrets, and those of the
environment, are remembered in this process, because a library's error may have them in any form.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote, unquote

HIDDEN = "(hidden)"
"""The text that stands for a secret."""

_LEAST = 8
"""Shorter values are hidden by their form only: such a word may be part of any sentence."""
_NAME = re.compile(
    r"secret|passw|passphrase|token(?!iz)|credential|signature|access[._-]?key|api[._-]?key|sas\b|sas[._-]|\bsig\b"
    r"|key(?![a-z])|authorization|(?<![a-z])(?:auth|pass|pwd|jwt|cookie)$",
    re.IGNORECASE,
)
_CERTAIN = (
    r"secret|passw|passphrase|token(?!iz)|signature|(?:access|api|private)[._-]?key|\.key"
    r"|(?<![a-z])(?:auth|pwd|jwt|cookie)(?![\w.-])"
)
"""Names that are a secret's wherever they are."""
_UNCERTAIN = r"credential|key|sas|(?:(?<![a-z])|(?<=%3f)|(?<=%26))sig|(?<![a-z])pass(?![\w.-])"
"""Names that a sentence or a condition of SQL has, too."""


def _said(names: str, sign: str, value: str) -> re.Pattern[str]:
    """Return the pattern of a name, a sign and a value.

    A match begins where a word does, and names are bounded: a long text takes time by its length, not by its square.
    """
    name = rf"(?P<name>(?<![\w.%-])[\w.%-]{{0,300}}?(?:{names})[\w.%-]{{0,300}}?)"
    return re.compile(rf"{name}\\?['\"]?(?P<sign>{sign}){value}", re.IGNORECASE)


_UNQUOTED = r"(?:(?!%26)[^\s;&,'\"()<>\[\]{}#\\])+"
_SAID = _said(
    _CERTAIN,
    r"=|%3d|:\s*|\s?->\s?",
    rf"(?P<quote>\\?['\"])?(?P<value>(?(quote)(?:(?!(?P=quote)).)+|{_UNQUOTED}))",
)
"""`name=value` in any text: a query of a url, an option of sc://, a property of Java; and `name: value`."""
_PARAMETER = _said(_UNCERTAIN, "=|%3d", rf"(?P<value>{_UNQUOTED})")
_FLAG = re.compile(r"(?<![\w-])(?P<name>--[\w.-]{1,100})(?:['\"],\s*['\"]|[ \t]+)(?P<value>[^\s'\"-][^\s'\",]*)")
"""`--name value` in a command's line, or in a list of its words."""
_ITEM = re.compile(
    r"(?P<first>['\"])(?P<name>[\w.-]{1,100})(?P=first),\s?(?P<quote>['\"])(?P<value>(?:(?!(?P=quote)).)+)"
)
"""`('name', 'value')`."""
_HEADER = re.compile(
    r"authorization['\"]?\s?(?:[:=]|%3d)\s?['\"]?(?:[a-z-]{1,20}(?:[ +]|%20))?(?P<value>[^\s'\",;&{}]+)", re.IGNORECASE
)
_BEARER = re.compile(r"\b(?:Bearer|Basic)(?:\s+|%20)(?P<value>[A-Za-z0-9._~+/=%-]{8,})")
_ORACLE = re.compile(r"jdbc:oracle:\w{1,20}:[^\s/@]{1,100}/(?P<value>[^\s@]{1,200})(?=@)")
_ISSUED = re.compile(
    r"(?<![\w-])(?P<value>dapi[0-9a-f]{32}(?:-\d)?|gh[opsur]_\w{36,}|github_pat_\w{40,}|hf_[A-Za-z0-9]{30,}"
    r"|xox[abeprs]-[\w-]{10,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END|$))",
    re.DOTALL,
)
"""Tokens that their form shows (of Databricks, GitHub, Hugging Face, Slack; JSON Web Tokens), and keys as PEM."""
_USERINFO = re.compile(
    r"(?P<scheme>(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]+://)"
    r"(?P<user>[^\s/?#'\"<>]*|[^\s/?#'\"<>:@\[\]]{1,200}:(?!\d*[/?#])[^\s'\"<>@]{0,200})@"
)
"""The part of a url before @. A password may have a / or an @ that should have been encoded."""
_ONLY_USERS = ("http", "https", "sc", "ftp", "sftp")
"""Schemes in which the part before @ is a user. In abfss:// it is a container, which is no secret."""
_NO_VALUE = re.compile(r"_(?:FILE|PATH|URI|URL|DIR)$")
"""Names of variables that say where a secret is."""
_PATH = re.compile(r"^(?:/(?!(?=.*\d)(?=.*[A-Z])[A-Za-z0-9+/]{30,}=*$)|[A-Za-z]:\\)")
"""A path. The keys of AWS may begin with / as well."""
_HAS_SECRETS = re.compile(r"PROXY|CONN|DSN|HEADERS|AUTH|TRANSPORT|OPTIONS|_OPTS|_ARGS", re.IGNORECASE)
"""Names of variables of the environment whose values may have secrets in them, as any url may: connections, options."""

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
    _remembered.update(_written(values))


def _written(values: Iterable[str]) -> Iterator[str]:
    """Yield each value as it may stand in a text: as it is, encoded for a url, decoded, and in JSON."""
    for value in values:
        if value != HIDDEN:
            written = {value, quote(value, safe="", errors="surrogatepass"), unquote(value), json.dumps(value)[1:-1]}
            yield from (each for each in written if len(each) >= _LEAST)


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
        for pattern, says_secret in _FORMS:
            yield from (found["value"] for found in pattern.finditer(value) if says_secret(found))
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

    A parameter `key` or `pass` may be a secret, or say which file. It is stored as a short hash: two files stay two.

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
    return f"{name}={sha256(value.encode()).hexdigest()[:8]}" if name.lower() in ("key", "pass") else ""


def _plain_key(key: Any) -> Any:
    return _masked_text(key) if isinstance(key, str) else key


def _masked_text(text: str) -> str:
    for pattern, says_secret in _FORMS:
        text = pattern.sub(functools.partial(_hide, says_secret=says_secret), text)
    text = _USERINFO.sub(lambda found: f"{found['scheme']}{HIDDEN}@" if _has_secret(found) else found[0], text)
    for value in sorted({*_remembered, *_of_environment()}, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return text


def _hide(found: re.Match[str], says_secret: Callable[[re.Match[str]], bool]) -> str:
    if not says_secret(found):
        return found[0]
    start, end = found.span("value")
    return found[0][: start - found.start()] + HIDDEN + found[0][end - found.start() :]


def _says_secret(found: re.Match[str]) -> bool:
    """Return whether `name=value` is a secret. In a sentence, `token: ` may precede any word."""
    if found["value"] == HIDDEN or not is_secret_name(unquote(found["name"])):
        return False
    in_sentence = found["sign"].lower() not in ("=", "%3d") and not found["quote"]
    return not in_sentence or re.search(r"(?=.*\d)(?=.*[A-Za-z]).{6}", found["value"]) is not None


def _has_secret_name(found: re.Match[str]) -> bool:
    return found["value"] != HIDDEN and is_secret_name(unquote(found["name"]))


def _has_certain_name(found: re.Match[str]) -> bool:
    is_certain = re.search(f"{_CERTAIN}|authorization", found["name"], re.IGNORECASE) is not None
    return is_certain and found["value"] != HIDDEN


def _is_open(found: re.Match[str]) -> bool:
    return found["value"] != HIDDEN


_FORMS = (
    (_ISSUED, _is_open),
    (_HEADER, _is_open),
    (_SAID, _says_secret),
    (_PARAMETER, _has_secret_name),
    (_FLAG, _has_certain_name),
    (_ITEM, _has_certain_name),
    (_BEARER, _is_open),
    (_ORACLE, _is_open),
)
"""(pattern, whether a match is a secret). The group `value` is hidden."""


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
        if _PATH.search(value):
            continue
        if is_secret_name(name) and not _NO_VALUE.search(name):
            found.update((value, *secrets_in(value)))
        elif "://" in value or _HAS_SECRETS.search(name):
            found.update(secrets_in(value))
    return frozenset(_written(found))
