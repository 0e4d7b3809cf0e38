"""Read the lists of a takedown: urls, domains, page domains."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.urls.domains import parse_domains
from metaclip_spark.errors import ConfigError
from metaclip_spark.storage.lines import read_lines
from metaclip_spark.takedown.hashes import DOMAIN, PAGE_DOMAIN, URL

_WHAT = "takedown list"
_A_URL = r"^[A-Za-z][A-Za-z0-9+.\-]*://\S"
_SHOWN_CHARS = 80


def read_lists(urls: str | None, domains: str | None, page_domains: str | None) -> dict[str, pa.Array]:
    """Read the files of a takedown, plain or gzip.

    Args:
        urls, domains, page_domains: the file of each kind, or None.

    Returns:
        kind -> the distinct values of its file: urls as listed, domains in normal form; a kind without a file has no
        entry.

    Raises:
        ConfigError: a file cannot be read, is empty, or has a line that is not a url or domain.
    """
    given = {URL: urls, DOMAIN: domains, PAGE_DOMAIN: page_domains}
    readers = {URL: _read_urls, DOMAIN: _read_domains, PAGE_DOMAIN: _read_domains}
    return {kind: readers[kind](path) for kind, path in given.items() if path is not None}


def _read_domains(path: str) -> pa.Array:
    return parse_domains(read_lines(path, _WHAT), f"{_WHAT} {path}").unique()


def _read_urls(path: str) -> pa.Array:
    lines = pc.utf8_trim_whitespace(read_lines(path, _WHAT))
    is_value = pc.invert(pc.or_(pc.equal(lines, ""), pc.starts_with(lines, "#")))
    wrong = pc.and_(is_value, pc.invert(pc.match_substring_regex(lines, _A_URL)))
    if pc.any(wrong).as_py():
        at = pc.index(wrong, True).as_py()
        line = lines[at].as_py()
        shown = line if len(line) <= _SHOWN_CHARS else line[:_SHOWN_CHARS] + "..."
        raise ConfigError(
            f"{_WHAT} {path}, line {at + 1}: {shown!r} is not a url. Expected one url per line, such as "
            "https://example.org/a.jpg; domains go with --domains."
        )
    urls = lines.filter(is_value).unique()
    if not len(urls):
        raise ConfigError(f"{_WHAT} {path} holds no url.")
    return urls
