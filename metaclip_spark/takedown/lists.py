"""Read the lists of a takedown: urls, domains, page domains."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.urls.domains import lines_of, read_domains
from metaclip_spark.errors import ConfigError
from metaclip_spark.takedown.hashes import _SHOWN_CHARS, DOMAIN, PAGE_DOMAIN, URL, normal_urls

_A_URL = r"^[A-Za-z][A-Za-z0-9+.\-]*://\S"


def read_lists(urls: str | None, domains: str | None, page_domains: str | None) -> dict[str, pa.Array]:
    """Return kind -> the distinct values of the file given for it, in the form in which they are compared.

    Raises:
        ConfigError: a file cannot be read, is empty, or has a line that is no url or domain.
    """
    given = {URL: urls, DOMAIN: domains, PAGE_DOMAIN: page_domains}
    read = {URL: _read_urls, DOMAIN: _read_domains, PAGE_DOMAIN: _read_domains}
    return {kind: read[kind](path) for kind, path in given.items() if path is not None}


def _read_domains(path: str) -> pa.Array:
    return read_domains(path, "takedown list").unique()


def _read_urls(path: str) -> pa.Array:
    lines = pc.utf8_trim_whitespace(lines_of(Path(path), "takedown list"))
    wanted = pc.invert(pc.or_(pc.equal(lines, ""), pc.starts_with(lines, "#")))
    wrong = pc.and_(wanted, pc.invert(pc.match_substring_regex(lines, _A_URL)))
    if pc.any(wrong).as_py():
        at = pc.index(wrong, True).as_py()
        line = lines[at].as_py()
        shown = line if len(line) <= _SHOWN_CHARS else line[:_SHOWN_CHARS] + "..."
        raise ConfigError(
            f"takedown list {path}, line {at + 1}: {shown!r} is not a url. Expected one url a line, such as "
            "https://example.org/a.jpg; domains go with --domains."
        )
    urls = normal_urls(lines.filter(wanted)).unique()
    if not len(urls):
        raise ConfigError(f"takedown list {path} holds no url.")
    return urls
