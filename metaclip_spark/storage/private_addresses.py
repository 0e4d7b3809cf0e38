"""Refuse redirects from a public host to a private address: a list of sources must not reach into the own network."""

from __future__ import annotations

import ipaddress
from typing import Any

import urllib3

from metaclip_spark.errors import DamagedSourceError


def is_private(address: str) -> bool:
    """Return whether an IP address is not reachable from everywhere: private, loopback, link-local, shared.

    >>> [is_private(address) for address in ("10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "8.8.8.8")]
    [True, True, True, False]
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return not (mapped or found).is_global


class Addresses:
    """What is known of the hosts of one source.

    The address that a connection was made to is checked, not the host's name: a name may have another address the next
    time.

    Args:
        host: the host that the source's url names. It may be private: somebody chose it.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._is_private = False

    def check(self, host: str, address: str) -> None:
        """Check a connection before anything is sent.

        Raises:
            DamagedSourceError: a public host redirected to a private address.
        """
        private = is_private(address)
        if host == self._host:
            self._is_private = private
        elif private and not self._is_private:
            raise DamagedSourceError(
                f"{self._host} redirects to {host}, which is at the private address {address}. Redirects into a "
                "private network are not followed. If you trust it, give the url that it redirects to"
            )


def checked_pools(addresses: Addresses) -> dict[str, Any]:
    """Return urllib3's pools by scheme, with connections whose addresses are checked."""
    return {
        "http": _checked(urllib3.HTTPConnectionPool, addresses),
        "https": _checked(urllib3.HTTPSConnectionPool, addresses),
    }


def _checked(pool: Any, addresses: Addresses) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        """A connection that is closed before it is used, if its address is refused."""

        def _new_conn(self) -> Any:
            made = super()._new_conn()
            try:
                addresses.check(self.host, made.getpeername()[0])
            except BaseException:
                made.close()
                raise
            return made

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})
