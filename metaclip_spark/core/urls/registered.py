"""The registered domain of a host: the name that somebody has from a registry, such as `example.co.uk`."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import publicsuffixlist
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.urls.hosts import hosts_of, is_ip, normal_host

LIST_VERSION = publicsuffixlist.__version__.rpartition(".")[2]
"""The day of the Public Suffix List that is used: as `20261023`."""


def domains_of_urls(urls: pa.Array) -> pa.StringArray:
    """Return the domain of each url, see `domain_of`; "" where the url is null or has no host.

    Args:
        urls: n strings, of any of Arrow's types.

    >>> domains_of_urls(pa.array(["http://img1.Example.co.uk/a.jpg", None, "a.jpg"])).to_pylist()
    ['example.co.uk', '', '']
    """
    hosts = hosts_of(urls.cast(pa.string()))
    names = [domain_of(host) for host in hosts.dictionary.to_pylist()]
    return pc.fill_null(pa.array(names, pa.string()).take(hosts.indices), "")


def domain_of(host: str) -> str:
    """Return the registered domain of a normalised host; an address, and a name without one, is its own domain.

    As `url_host_registered_domain` of Common Crawl: one level below the registry's suffix, by the ICANN part of the
    Public Suffix List. So all of `github.io` is one domain.

    >>> [domain_of(host) for host in ("www.bbc.co.uk", "me.github.io", "127.0.0.1", "localhost", "co.uk")]
    ['bbc.co.uk', 'github.io', '127.0.0.1', 'localhost', 'co.uk']
    """
    if is_ip(host):
        return host
    labels = host.rsplit(".", 2)
    if len(labels) < 2 or not labels[-2] or labels[-1] in _registries_with_deeper_suffixes():
        return _looked_up(host)
    return ".".join(labels[-2:])


@lru_cache(maxsize=1 << 16)
def _looked_up(host: str) -> str:
    return _suffixes().privatesuffix(host) or host


@cache
def _suffixes() -> publicsuffixlist.PublicSuffixList:
    return publicsuffixlist.PublicSuffixList(only_icann=True)


@cache
def _registries_with_deeper_suffixes() -> frozenset[str]:
    """Return the top-level domains below which the list has suffixes, such as `uk`; of all others it is the suffix.

    The library takes 5 microseconds for a host, and most hosts are of `com`, `net` or `org`.
    """
    text = Path(publicsuffixlist.PSLFILE).read_text(encoding="utf-8")
    rules = text.partition("// ===END ICANN DOMAINS===")[0].splitlines()
    return frozenset(normal_host(rule.rpartition(".")[2]) for rule in rules if "." in rule and rule[:2] != "//")
