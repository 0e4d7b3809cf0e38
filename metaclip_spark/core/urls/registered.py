"""The registered domain of a host: the name that somebody has from a registry, such as `example.co.uk`."""

from __future__ import annotations

from functools import cache, lru_cache

import publicsuffixlist
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.urls.hosts import hosts_of, is_ip

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


@lru_cache(maxsize=1 << 16)
def domain_of(host: str) -> str:
    """Return the registered domain of a normalised host; an address, and a name without one, is its own domain.

    As `url_host_registered_domain` of Common Crawl: one level below the registry's suffix, by the ICANN part of the
    Public Suffix List. So all of `github.io` is one domain.

    >>> [domain_of(host) for host in ("www.bbc.co.uk", "me.github.io", "127.0.0.1", "localhost", "co.uk")]
    ['bbc.co.uk', 'github.io', '127.0.0.1', 'localhost', 'co.uk']
    """
    return host if is_ip(host) else _suffixes().privatesuffix(host) or host


@cache
def _suffixes() -> publicsuffixlist.PublicSuffixList:
    return publicsuffixlist.PublicSuffixList(only_icann=True)
