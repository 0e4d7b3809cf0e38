"""Read the lists of a takedown: urls, domains, page domains, hashes of urls, pair ids."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.urls.domains import parse_domains
from metaclip_spark.core.wording import shortened
from metaclip_spark.errors import ConfigError
from metaclip_spark.storage.lines import read_lines
from metaclip_spark.takedown.hashes import DOMAIN, KINDS, PAGE_DOMAIN, PAIR_ID, URL, URL_MD5, URL_SHA256

_WHAT = "takedown list"
_A_URL = r"^[A-Za-z][A-Za-z0-9+.\-]*://\S"
_A_HASH = "^(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{64})$"
_DIGITS = {URL_SHA256: 64, URL_MD5: 32}
_SHOWN_CHARS = 80


@dataclass(frozen=True)
class ListFiles:
    """The files of a takedown, plain or gzip, one value per line; None for a list that is not given."""

    urls: str | None = None
    domains: str | None = None
    page_domains: str | None = None
    url_hashes: str | None = None
    pair_ids: str | None = None


def read_lists(files: ListFiles) -> dict[str, pa.Array]:
    """Read the files of a takedown.

    Returns:
        kind -> the distinct values of its file: urls and pair ids as listed, domains in normal form, hashes of urls as
        hex digits in lower case. A kind without a value has no entry.

    Raises:
        ConfigError: a file cannot be read, is empty, or has a line that is no value of its kind.
    """
    given = {URL: files.urls, DOMAIN: files.domains, PAGE_DOMAIN: files.page_domains, PAIR_ID: files.pair_ids}
    readers = {URL: _read_urls, DOMAIN: _read_domains, PAGE_DOMAIN: _read_domains, PAIR_ID: _read_pair_ids}
    lists = {kind: readers[kind](path) for kind, path in given.items() if path is not None}
    if files.url_hashes is not None:
        lists |= _read_url_hashes(files.url_hashes)
    return {kind: lists[kind] for kind in KINDS if kind in lists}


def _read_domains(path: str) -> pa.Array:
    return parse_domains(read_lines(path, _WHAT), f"{_WHAT} {path}").unique()


def _read_urls(path: str) -> pa.Array:
    expected = "Expected one url per line, such as https://example.org/a.jpg; domains go with --domains."
    return _read_values(path, "url", _A_URL, expected)


def _read_pair_ids(path: str) -> pa.Array:
    return _read_values(path, "pair id").cast(pa.string())


def _read_url_hashes(path: str) -> dict[str, pa.Array]:
    expected = (
        "Expected one hash of a url per line, as hexadecimal digits: 64 of SHA-256, or 32 of MD5; urls go with --urls."
    )
    digits = pc.utf8_lower(_read_values(path, "hash of a url", _A_HASH, expected)).cast(pa.string()).unique()
    sizes = pc.utf8_length(digits)
    by_kind = {kind: digits.filter(pc.equal(sizes, size)) for kind, size in _DIGITS.items()}
    return {kind: values for kind, values in by_kind.items() if len(values)}


def _read_values(path: str, name: str, pattern: str = "", expected: str = "") -> pa.Array:
    """Return the distinct values of a file, without comments and outer white space.

    Args:
        name: what a value is called in errors.
        pattern: a regular expression that every value matches; "" for any value.
        expected: what the error of another value says.
    """
    lines = pc.utf8_trim_whitespace(read_lines(path, _WHAT))
    is_value = pc.invert(pc.or_(pc.equal(lines, ""), pc.starts_with(lines, "#")))
    wrong = pc.and_(is_value, pc.invert(pc.match_substring_regex(lines, pattern)))
    if pc.any(wrong).as_py():
        at = pc.index(wrong, True).as_py()
        line = lines[at].as_py()
        shown = shortened(repr(line), _SHOWN_CHARS)
        raise ConfigError(f"{_WHAT} {path}, line {at + 1}: {shown} is not a {name}. {expected}")
    values = lines.filter(is_value).unique()
    if not len(values):
        raise ConfigError(f"{_WHAT} {path} holds no {name}.")
    return values
