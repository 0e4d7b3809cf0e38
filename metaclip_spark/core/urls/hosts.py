"""Find the host of a url, and normalise it for comparison."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_NORMAL = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def hosts_of(urls: pa.Array) -> pa.DictionaryArray:
    """Return the normalised host of each url; see `normal_host`.

    Args:
        urls: string array of n.

    Returns:
        Dictionary array of n (values: string, with possible repeats); null where the url is null or has no host.
    """
    encoded = urls.dictionary_encode()  # a batch has few pages, with many texts each
    hosts = written_hosts(encoded.dictionary)
    normal = pa.array([normal_host(host) for host in hosts.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(hosts.indices.take(encoded.indices), normal)


def written_hosts(urls: pa.Array) -> pa.DictionaryArray:
    """Return the host of each url as the url spells it, not normalised.

    Args:
        urls: string array of n.

    Returns:
        Dictionary array of n (values: string, distinct); null where the url is null or has no host.
    """
    # Both need numba. The other functions work without it.
    from metaclip_spark.core.jit import buffers_of
    from metaclip_spark.core.urls.host_kernels import gather, host_spans

    data, offsets = buffers_of(pc.fill_null(urls, ""))
    starts, ends = np.empty((2, len(urls)), np.int64)
    host_spans(data, offsets, starts, ends)
    lengths = ends - starts
    gathered = np.empty(int(lengths.sum()), np.uint8)
    gather(data, starts, ends, gathered)
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]).astype(np.int32)
    hosts = pa.StringArray.from_buffers(len(urls), pa.py_buffer(bounds), pa.py_buffer(gathered))
    return pc.if_else(pa.array(lengths == 0), pa.scalar(None, pa.string()), hosts).dictionary_encode()


def normal_host(host: str) -> str:
    """Return the host in lower case, IDNA-encoded, without a final dot; an IPv6 address in its short form, in brackets.

    >>> normal_host("WWW.Bücher.example.")
    'www.xn--bcher-kva.example'
    """
    if "%" in host:
        host = unquote(host)
    host = host.strip().lower().removesuffix(".")
    if _NORMAL.fullmatch(host):
        return host
    if ":" in host or host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host.strip('[]').partition('%')[0])}]"
        except ValueError:
            return host
    try:
        return host.encode("idna").decode().lower()
    except UnicodeError:  # not a valid DNS name: compared verbatim
        return host


def is_ip(host: str) -> bool:
    """Return whether a normalised host is an address."""
    if not host.endswith(("]", *"0123456789")):  # most hosts; faster than the exception
        return False
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
